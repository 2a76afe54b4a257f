"""The command line of a QEMU machine, word for word, and QEMU's own opinion of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.golden_files import check_golden
from vboxlab.hypervisor.qemu.command import Kernel, Program, RunPaths, backend, hub_port, qemu_command
from vboxlab.hypervisor.qemu.definition import Definition, Hardware
from vboxlab.planning.observed import AdapterState, Attachment, Forward

EMULATED = Program("/usr/bin/qemu-system-x86_64", "tcg", sandbox=True)
PATHS = RunPaths(
    disk=Path("/home/a,b/disk.qcow2"),
    monitor=Path("/run/v/q/1"),
    status=Path("/run/v/s/1"),
    pid=Path("/home/a,b/pid"),
    console=Path("/home/a,b/console.log"),
    ports={1: (Path("/run/v/n/x/p/1.1"), Path("/run/v/n/x/switch"))},
)
INTERNAL = AdapterState(1, Attachment("internal", "sw-dmz"), "080027ABCDEF")
WAN = AdapterState(2, Attachment("nat"), "080027000002")
MANAGEMENT = AdapterState(8, Attachment("nat", "", "10.0.9.0/24", (Forward(20201, 22),)), "080027000008")
WEB = Definition("0123456789ab", "srv-web", "debian", Hardware(1, 512, (INTERNAL, WAN, MANAGEMENT), {"lab": "ha"}))


def check(name: str, command: list[str]) -> None:
    """Compare with the golden file: an option and its value on one line."""
    lines: list[str] = []
    for word in command:
        if word.startswith("-") or not lines or not lines[-1].startswith("-") or " " in lines[-1]:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    check_golden(f"qemu/{name}.txt", lines)


def test_a_machine_with_its_own_kernel() -> None:
    kernel = Kernel(Path("/b/vmlinuz"), Path("/b/initrd.img"), "root=LABEL=vboxlab rw console=ttyS0")
    check("direct-kernel", qemu_command(EMULATED, WEB, PATHS, kernel))


def test_a_machine_that_boots_from_its_disk_on_kvm() -> None:
    program = replace(EMULATED, accelerator="kvm", sandbox=False)
    check("disk-kvm", qemu_command(program, replace(WEB, name="a,b"), PATHS, None))


def test_a_saved_machine_with_a_cable_out() -> None:
    check("saved-paused", qemu_command(EMULATED, replace(WEB, saved="s12"), PATHS, None, paused=True))


def test_only_the_management_network_is_cut_off() -> None:
    assert "restrict" not in backend(WAN, {})
    assert backend(MANAGEMENT, {})["restrict"] is True
    assert backend(WAN, {})["net"] == "10.0.2.0/24"


def test_forwards_bind_the_loopback_address_only() -> None:
    assert backend(MANAGEMENT, {})["hostfwd"] == ["tcp:127.0.0.1:20201-:22"]


def test_the_hub_port_joins_backend_and_hub() -> None:
    assert hub_port(3) == {"type": "hubport", "id": "port3", "hubid": 3, "netdev": "back3"}
