"""The command line of a machine's QEMU process: a pure function of what the machine is (qemu(1))."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vboxlab.hypervisor.qemu.definition import Definition
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import AdapterState, Forward
from vboxlab.topology.addressing import PCI_SLOTS
from vboxlab.topology.disks import MODEL
from vboxlab.topology.model import MANAGEMENT_SLOT

DISK_NODE = "disk"
DISK_PCI_SLOT = 4
RANDOM_PCI_SLOT = 5
# Where VirtualBox has its SATA controller.
SATA_PCI_SLOT = 13
DRIVE_PORT = 5
# Half of the memory that the translation cache takes by default, at the same speed for these guests.
TRANSLATION_CACHE_MIB = 256
# A guest's flush hands everything to the host's kernel, but does not wait for the medium, as VirtualBox does by default
# (manual, "Responding to Guest IDE/SATA Flush Requests"): a killed QEMU loses nothing, a host that loses power may.
DISK_CACHE = "cache.no-flush=on"
DEFAULT_NAT_SUBNET = "10.0.2.0/24"

Option = str | bool | int | list[str] | Mapping[str, "Option"]


@dataclass(frozen=True)
class Kernel:
    """A kernel that QEMU starts itself, without boot loader."""

    image: Path
    initrd: Path | None
    arguments: str


@dataclass(frozen=True)
class Program:
    """The QEMU that is there, and what it can do on this host."""

    binary: str
    accelerator: str  # "kvm" or "tcg"
    sandbox: bool


@dataclass(frozen=True)
class RunPaths:
    """Files of one run of a machine.

    `disks` are those besides the first, in order. `ports` has each internal adapter's own socket and its switch's.
    """

    disk: Path
    monitor: Path
    status: Path
    pid: Path
    console: Path
    ports: Mapping[int, tuple[Path, Path]]
    disks: tuple[Path, ...] = ()


def disk_node(index: int) -> str:
    """Return the node of a disk besides the first, as snapshot-save knows it."""
    return f"{DISK_NODE}{index + 2}"


def nic_id(slot: int) -> str:
    """Return the device id of an adapter's NIC, as set_link knows it."""
    return f"nic{slot}"


def backend_id(slot: int) -> str:
    """Return the id of what an adapter is plugged into, as hostfwd_add knows it."""
    return f"back{slot}"


def hub_port_id(slot: int) -> str:
    """Return the id of the hub port through which an adapter's NIC reaches its backend."""
    return f"port{slot}"


def forward_rule(forward: Forward) -> str:
    """Return a forward in QEMU's words; the guest's address is the first one that its NAT network hands out."""
    return f"tcp:127.0.0.1:{forward.host_port}-:{forward.guest_port}"


def backend(adapter: AdapterState, ports: Mapping[int, tuple[Path, Path]]) -> dict[str, Option]:
    """Return the netdev that an adapter is plugged into, in the form of QMP's netdev_add.

    Only the management NAT is cut off from the host and its networks (restrict): its sole use is the way in.
    """
    options: dict[str, Option]
    if adapter.attachment.kind == "nat":
        options = {"type": "user", "id": backend_id(adapter.slot), "ipv6": False}
        options["net"] = adapter.attachment.subnet or DEFAULT_NAT_SUBNET
        if adapter.slot == MANAGEMENT_SLOT:
            options["restrict"] = True
        if adapter.attachment.forwards:
            options["hostfwd"] = [forward_rule(forward) for forward in adapter.attachment.forwards]
        return options
    own, switch = ports[adapter.slot]
    return {
        "type": "dgram",
        "id": backend_id(adapter.slot),
        "local": {"type": "unix", "path": str(own)},
        "remote": {"type": "unix", "path": str(switch)},
    }


def hub_port(slot: int) -> dict[str, Option]:
    """Return the hub port that joins an adapter's backend to its hub, in the form of QMP's netdev_add."""
    return {"type": "hubport", "id": hub_port_id(slot), "hubid": slot, "netdev": backend_id(slot)}


def _escaped(value: object) -> str:
    return str(value).replace(",", ",,")


def _option_list(options: Mapping[str, Option], prefix: str = "") -> list[str]:
    parts: list[str] = []
    for key, value in options.items():
        if key == "type" and not prefix:
            parts.append(_escaped(value))
        elif isinstance(value, Mapping):
            parts += _option_list(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            parts += [f"{prefix}{key}={_escaped(item)}" for item in value]
        elif isinstance(value, bool):
            parts.append(f"{prefix}{key}={'on' if value else 'off'}")
        else:
            parts.append(f"{prefix}{key}={_escaped(value)}")
    return parts


def _option(options: Mapping[str, Option]) -> str:
    return ",".join(_option_list(options))


def _processor(program: Program) -> list[str]:
    if program.accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # A processor without the newest vector units: the guest's kernel then does not pick code that is slow to emulate.
    return ["-accel", f"tcg,tb-size={TRANSLATION_CACHE_MIB}", "-cpu", "Nehalem-v1"]


def _network(adapter: AdapterState, paths: RunPaths) -> list[str]:
    """Return one adapter's options.

    The NIC hangs on a hub of its own, and the backend on the same hub: QEMU can then exchange the backend while the
    machine runs, which it cannot for a NIC's direct peer.
    """
    slot = adapter.slot
    mac = ":".join(adapter.mac[index : index + 2] for index in range(0, 12, 2)).lower()
    return [
        *("-netdev", _option(backend(adapter, paths.ports))),
        *("-netdev", _option(hub_port(slot))),
        *("-netdev", _option({"type": "hubport", "id": f"hub{slot}", "hubid": slot})),
        "-device",
        f"virtio-net-pci,id={nic_id(slot)},netdev=hub{slot},mac={mac},addr={PCI_SLOTS[slot]:#x},romfile=",
    ]


def _sata(definition: Definition, paths: RunPaths) -> list[str]:
    """Return the options of a controller like VirtualBox's, with the disks besides the first and the drive.

    A disk is the same to a guest there and here: model and serial number are what it knows it by.
    """
    hardware = definition.hardware
    if not hardware.disks and not hardware.dvd:
        return []
    options = ["-device", f"ich9-ahci,id=sata,addr={SATA_PCI_SLOT:#x}"]
    for index, (disk, path) in enumerate(zip(hardware.disks, paths.disks, strict=True)):
        node = disk_node(index)
        kind, shared = ("raw", ",share-rw=on") if disk.shared else ("qcow2", "")
        options += [
            *("-blockdev", f"file,node-name={node}file,filename={_escaped(path)},{DISK_CACHE}"),
            *("-blockdev", f"{kind},node-name={node},file={node}file,discard=unmap,{DISK_CACHE}"),
            *("-device", f"ide-hd,drive={node},bus=sata.{index},model={MODEL},serial={disk.name}{shared}"),
        ]
    if hardware.dvd:
        options += [
            *("-blockdev", f"file,node-name=dvdfile,filename={_escaped(hardware.dvd)},read-only=on"),
            *("-blockdev", "raw,node-name=dvd,file=dvdfile,read-only=on"),
            *("-device", f"ide-cd,drive=dvd,bus=sata.{DRIVE_PORT}"),
        ]
    return options


def _monitor(name: str, path: Path) -> list[str]:
    return [
        *("-chardev", f"socket,id={name},path={_escaped(path)},server=on,wait=off"),
        *("-mon", f"chardev={name},mode=control"),
    ]


def qemu_command(
    program: Program, definition: Definition, paths: RunPaths, kernel: Kernel | None, *, paused: bool = False
) -> list[str]:
    """Return the argument list that runs a machine.

    The board is the PC with PIIX3 whose PCI root bus has no ACPI hot-plug: with the NICs at VirtualBox's PCI slots the
    guest then names them as it does on VirtualBox. With `paused` the processor waits for QMP's cont.
    """
    hardware = definition.hardware
    command = [
        program.binary,
        *("-name", f"guest={_escaped(definition.name)}"),
        *("-machine", "pc"),
        *("-global", "PIIX4_PM.acpi-root-pci-hotplug=off"),
        *_processor(program),
        *("-smp", str(hardware.cpus)),
        *("-m", f"{hardware.memory}M"),
        *("-rtc", "base=utc,clock=host"),
        *("-nodefaults", "-no-user-config"),
        *("-display", "none"),
        *("-pidfile", str(paths.pid)),
        *_monitor("monitor", paths.monitor),
        *_monitor("status", paths.status),
        *("-chardev", f"file,id=console,path={_escaped(paths.console)}"),
        *("-serial", "chardev:console"),
        *("-object", "rng-builtin,id=random"),
        *("-device", f"virtio-rng-pci,rng=random,addr={RANDOM_PCI_SLOT:#x}"),
        *("-blockdev", f"file,node-name=diskfile,filename={_escaped(paths.disk)},{DISK_CACHE}"),
        *("-blockdev", f"qcow2,node-name={DISK_NODE},file=diskfile,discard=unmap,{DISK_CACHE}"),
        *("-device", f"virtio-blk-pci,drive={DISK_NODE},addr={DISK_PCI_SLOT:#x},bootindex=1"),
    ]
    command += _sata(definition, paths)
    for adapter in hardware.adapters:
        command += _network(adapter, paths)
    if kernel is not None:
        command += ["-kernel", str(kernel.image), "-append", kernel.arguments]
        command += ["-initrd", str(kernel.initrd)] if kernel.initrd else []
    if definition.saved is not None:
        command += ["-loadvm", definition.saved]
    if program.sandbox:
        command += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    if paused:
        command.append("-S")
    return command
