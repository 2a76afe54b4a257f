"""The base boots as QEMU machine and is what the rest relies on."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest

from vboxlab.base.delta import NOT_APPLICABLE, apply_delta_script
from vboxlab.base.model import Base
from vboxlab.base.store import BaseStore
from vboxlab.hypervisor.qemu.driver import QemuDriver
from vboxlab.planning.observed import AdapterState, Attachment, Forward, MachineSpec
from vboxlab.roles.ssh_server.guest import DROP_IN
from vboxlab.topology.model import MANAGEMENT_ADDRESS
from vboxlab.waiting import Deadline, wait_until

pytestmark = [pytest.mark.guests, pytest.mark.apart, pytest.mark.timeout(3600)]

BOOT_SECONDS = 900.0  # a boot of 15 s takes minutes on a computer that is busy enough
Run = Callable[..., str]


@pytest.fixture(scope="module")
def base(store: BaseStore) -> Base:
    return store.get("debian12")


@pytest.fixture(scope="module")
def driver(store: BaseStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QemuDriver]:
    # A home of its own for the machines: its sockets need a short path, and nothing of a real lab is touched.
    driver = QemuDriver(tmp_path_factory.mktemp("q"))
    yield driver
    for machine in driver.machines():
        driver.delete(machine.handle)
    driver.close()


@pytest.fixture(scope="module")
def machine(store: BaseStore, base: Base, driver: QemuDriver) -> Iterator[tuple[str, Run]]:
    """A machine of the apache2 layer with adapter 1 unplugged from everything, and a way to run commands in it."""
    image = store.ensure_image(driver, base, ("apache2",), ("heartbeat", "net-tools"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    adapters = (
        AdapterState(slot=1, attachment=Attachment("internal", "nowhere"), mac="080027000001"),
        AdapterState(
            slot=8, attachment=Attachment("nat", subnet="10.0.9.0/24", forwards=(Forward(port, 22),)),
            mac="080027000008",
        ),
    )  # fmt: skip
    handle = driver.create(MachineSpec("web", image, 1, 512, adapters, {"lab": "test"})).handle
    driver.start(handle)
    assert base.login.key_file is not None
    key = paramiko.Ed25519Key.from_private_key_file(str(base.login.key_file))
    client = wait_until(lambda: connected(port, key), Deadline.after(BOOT_SECONDS), what="SSH of the guest", every=0.5)

    def run(command: str, expected: int = 0, stdin: Path | None = None) -> str:
        channel = client.get_transport().open_session()  # type: ignore[union-attr]
        channel.exec_command(command)
        with suppress(OSError):  # a command may end without reading all of it
            if stdin:
                channel.sendall(stdin.read_bytes())
            channel.shutdown_write()
        out, err = channel.makefile().read().decode(), channel.makefile_stderr().read().decode()
        code = channel.recv_exit_status()
        assert code == expected, f"{command}: {code}\n{out}{err}"
        return str(out).strip()

    wait_until(
        lambda: run("systemctl is-system-running || true") not in ("", "initializing", "starting"),
        Deadline.after(BOOT_SECONDS), what="the end of the boot", every=1,
    )  # fmt: skip
    yield handle, run
    client.close()


def connected(port: int, key: paramiko.PKey) -> paramiko.SSHClient | None:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    try:
        client.connect(
            "127.0.0.1", port, "debian", pkey=key, look_for_keys=False, allow_agent=False, banner_timeout=60,
            auth_timeout=60, timeout=10,
        )  # fmt: skip
    except (OSError, paramiko.SSHException, EOFError):
        client.close()
        return None
    return client


def test_everything_started(machine: tuple[str, Run]) -> None:
    _handle, run = machine
    assert run("systemctl is-system-running") == "running"
    assert run("systemctl is-active apache2 ssh cron systemd-logind").split() == ["active"] * 4


def test_interfaces_have_virtualbox_names_and_only_the_management_address(machine: tuple[str, Run]) -> None:
    _handle, run = machine
    assert run("ls /sys/class/net").split() == ["enp0s19", "enp0s3", "lo"]
    assert run("ip -4 -br address show enp0s19").split() == ["enp0s19", "UP", "10.0.9.15/24"]
    assert run("ip -4 -br address show enp0s3").split()[2:] == []
    assert run("ip route") == "10.0.9.0/24 dev enp0s19 proto kernel scope link src 10.0.9.15"


def test_the_login_user_becomes_root_without_password(machine: tuple[str, Run]) -> None:
    _handle, run = machine
    assert run("id -un; sudo -n id -un; hostname") == "debian\nroot\ndebian"
    assert len(run("cat /etc/machine-id")) == 32


def test_the_clock_is_one_that_a_busy_host_does_not_spoil(machine: tuple[str, Run]) -> None:
    _handle, run = machine
    source = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
    assert run(f"cat {source}") in ("hpet", "kvm-clock")
    asked = time.time()
    assert asked - 10 < float(run("date +%s.%N")) < time.time() + 10


def test_a_password_counts_on_the_labs_networks_and_not_on_the_management_address(
    machine: tuple[str, Run], base: Base, driver: QemuDriver
) -> None:
    """The role lets root in with a password, for the practical's `scp -p`; a host's other users reach the forward."""
    handle, run = machine
    role = "PermitRootLogin yes\nPasswordAuthentication yes\n"
    run(f"printf {shlex.quote(role)} | sudo tee {DROP_IN} && echo root:word | sudo chpasswd")
    run("sudo systemctl restart ssh && sudo ip address add 192.168.200.51/24 dev enp0s3")
    port = driver.inspect(handle).management_port
    assert port is not None
    for user, password in (("root", "word"), ("debian", "debian")):
        with paramiko.Transport(("127.0.0.1", port)) as transport:
            transport.banner_timeout = transport.auth_timeout = 60
            transport.start_client(timeout=60)
            with pytest.raises(paramiko.BadAuthenticationType) as caught:
                transport.auth_password(user, password)
            assert caught.value.allowed_types == ["publickey"]
    client = connected(port, paramiko.Ed25519Key.from_private_key_file(str(base.login.key_file)))
    assert client is not None
    client.close()
    ask = "printf '#!/bin/sh\\necho word\\n' >ask; chmod 700 ask; export SSH_ASKPASS=./ask SSH_ASKPASS_REQUIRE=force"
    options = "-o StrictHostKeyChecking=no -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1"
    assert run(
        f"{ask}; echo kept >note; scp -p {options} note root@192.168.200.51:/root/note; sudo cat /root/note"
    ) == ("kept")
    refused = f"{ask}; ssh {options} root@{MANAGEMENT_ADDRESS.ip} true 2>&1"
    assert "Permission denied (publickey)" in run(refused, expected=255)


def test_what_a_student_uses_is_there(machine: tuple[str, Run]) -> None:
    _handle, run = machine
    programs = "nano vim.tiny less man ping ip curl wget dig tcpdump nft traceroute lsof ss journalctl hostnamectl perl"
    assert run(f"PATH=$PATH:/usr/sbin; command -v {programs} | wc -l") == str(len(programs.split()))
    assert run("man -w ip interfaces").splitlines() != []
    assert run("perl -MTime::HiRes=time -MIO::Socket::INET -MIO::Select -e 'print time() > 1'") == "1"
    assert run("ls /lib/modules/*/kernel/drivers/net/ethernet/intel/e1000/e1000.ko").endswith("e1000.ko")


def test_the_serial_console_asks_for_a_login(machine: tuple[str, Run], driver: QemuDriver) -> None:
    handle, _run = machine
    assert "debian login:" in driver.console_tail(handle, 5)


def test_a_package_delta_installs_without_apt(
    machine: tuple[str, Run], store: BaseStore, base: Base, record_testsuite_property: Callable[[str, object], None]
) -> None:
    _handle, run = machine
    delta = store.package_delta(base, ("apache2",), ("apache2", "heartbeat", "net-tools"))
    assert delta is not None
    assert delta.packages == ("heartbeat", "net-tools")
    script = f"sudo sh -c {shlex.quote(apply_delta_script(delta))}"
    started = time.monotonic()
    run(script, stdin=delta.archive)
    record_testsuite_property("delta_seconds", round(time.monotonic() - started, 1))
    assert run("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' heartbeat net-tools").split() == [
        "heartbeat", "ii", "net-tools", "ii",
    ]  # fmt: skip
    assert run("sudo dpkg --audit; sudo dpkg --verify heartbeat net-tools resource-agents cluster-glue") == ""
    assert run("id -un hacluster; systemctl is-enabled heartbeat; systemctl is-active heartbeat || true").split() == [
        "hacluster", "enabled", "inactive",
    ]  # fmt: skip
    assert run("stat -c %U:%G /run/heartbeat") == "hacluster:haclient"
    run(script, expected=NOT_APPLICABLE, stdin=delta.archive)
