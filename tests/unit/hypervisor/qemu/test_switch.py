"""Internal networks with real switch processes: frames flow within a network, and nowhere else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.worlds import QemuWorld, Specs, internal
from vboxlab.hypervisor.qemu import switch
from vboxlab.hypervisor.qemu.driver import QemuDriver
from vboxlab.hypervisor.qemu.layout import Layout
from vboxlab.hypervisor.qemu.networks import HostPort, Switches
from vboxlab.planning.observed import Impairment
from vboxlab.topology.addressing import LabName
from vboxlab.waiting import Deadline, wait_until

HA = LabName("ha")
COPY = LabName("ha", "copy1")
BROADCAST = b"\xff" * 6
ARP = b"\x08\x06"
SILENCE = 0.3


@pytest.fixture
def world(tmp_path: Path) -> Iterator[QemuWorld]:
    made = QemuWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def layout(world: QemuWorld) -> Layout:
    made = Layout(world.home)
    made.prepare()
    return made


def mac(number: int) -> bytes:
    return bytes([8, 0, 0x27, 0, 0, number])


def frame(to: bytes, sender: int, text: bytes = b"hello") -> bytes:
    return to + mac(sender) + ARP + text.ljust(46, b"\0")


def kill_switch(layout: Layout) -> None:
    os.kill(int((layout.switch(HA) / "lock").read_text()), signal.SIGKILL)
    wait_until(lambda: not Switches(layout).is_on_duty(HA) or None, Deadline.after(5), what="the end of the switch")


def join(layout: Layout, network: str, lab: LabName = HA) -> HostPort:
    return HostPort(Switches(layout), layout, lab, network)


def test_broadcasts_reach_everybody_on_the_network_but_the_sender(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz") as two, join(layout, "sw-dmz") as three:
        one.send(frame(BROADCAST, 1))
        assert two.receive(2) == frame(BROADCAST, 1)
        assert three.receive(2) == frame(BROADCAST, 1)
        assert one.receive(SILENCE) is None


def test_learned_addresses_get_their_frames_alone(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz") as two, join(layout, "sw-dmz") as three:
        for number, port in enumerate((one, two, three), 1):
            port.send(frame(BROADCAST, number))
        for port in (one, two, three):
            assert {port.receive(2), port.receive(2)} != {None}
        one.send(frame(mac(2), 1, b"for two"))
        assert two.receive(2) == frame(mac(2), 1, b"for two")
        assert three.receive(SILENCE) is None


def test_networks_of_one_lab_do_not_meet(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "clients") as other:
        one.send(frame(BROADCAST, 1))
        one.send(frame(mac(9), 1))
        assert other.receive(SILENCE) is None


def test_the_same_network_of_another_copy_is_another_network(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz", COPY) as other:
        one.send(frame(BROADCAST, 1))
        assert other.receive(SILENCE) is None
        assert layout.switch(HA) != layout.switch(COPY)


def line(layout: Layout, port: HostPort, **said: object) -> None:
    """Say what is wrong with the line of a port of the host, as the driver says it of a machine's."""
    plugged = Path(port._socket.getsockname())
    whole = {"groups": [], "loss": 0, "delay": 0, "rate": 0, **said}
    plugged.with_name(plugged.name + switch.LINE_SUFFIX).write_text(json.dumps(whole))
    Switches(layout).ensure(HA)


def received(port: HostPort, count: int) -> list[tuple[float, bytes | None]]:
    """Return the next frames, with the moments of their coming."""
    return [(time.monotonic(), found) for found in (port.receive(2) for _ in range(count))]


def test_a_network_is_cut_into_groups_and_whole_again(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz") as two, join(layout, "sw-dmz") as three:
        for number, port in enumerate((one, two, three), 1):
            port.send(frame(BROADCAST, number))
        assert [len(received(port, 2)) for port in (one, two, three)] == [2, 2, 2]
        line(layout, one, groups=[1])
        line(layout, two, groups=[1, 2])
        line(layout, three, groups=[2])
        one.send(frame(BROADCAST, 1, b"for all"))
        one.send(frame(mac(3), 1, b"for three"))
        assert two.receive(2) == frame(BROADCAST, 1, b"for all")
        assert three.receive(SILENCE) is None
        two.send(frame(BROADCAST, 2, b"in both"))
        assert (one.receive(2), three.receive(2)) == (frame(BROADCAST, 2, b"in both"),) * 2
        three.send(frame(mac(1), 3))
        assert one.receive(SILENCE) is None
        for port in (one, two, three):
            line(layout, port)
        one.send(frame(mac(3), 1, b"again"))
        assert frame(mac(3), 1, b"again") in (three.receive(2), three.receive(SILENCE))


def test_a_line_loses_its_share_of_what_is_sent_and_nothing_of_what_comes(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz") as two:
        line(layout, one, loss=0.3)
        for number in range(500):
            two.send(frame(BROADCAST, 2, b"%d" % number))
            assert one.receive(2) == frame(BROADCAST, 2, b"%d" % number)
        came = 0
        for _batch in range(20):
            for _frame in range(100):
                one.send(frame(BROADCAST, 1))
            while two.receive(0.05) is not None:
                came += 1
        assert 0.65 < came / 2000 < 0.75  # 7 standard deviations are 0.07
        line(layout, one, loss=1)
        one.send(frame(BROADCAST, 1))
        assert two.receive(SILENCE) is None


def test_a_line_is_late_and_keeps_the_order(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz") as two:
        line(layout, one, delay=0.4)
        begun = time.monotonic()
        for number in range(20):
            one.send(frame(BROADCAST, 1, b"%d" % number))
        sent = time.monotonic()
        came = received(two, 20)
        assert [text for _moment, text in came] == [frame(BROADCAST, 1, b"%d" % number) for number in range(20)]
        assert came[0][0] - begun >= 0.4
        assert came[-1][0] - sent < 1.5
        two.send(frame(mac(1), 2))
        before = time.monotonic()
        assert one.receive(2) == frame(mac(1), 2)
        assert time.monotonic() - before < 0.35


def test_a_line_sends_as_many_bytes_a_second_as_it_can(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz") as two:
        line(layout, one, rate=60_000)
        text = frame(BROADCAST, 1, b"x" * 986)  # 1000 bytes
        begun = time.monotonic()
        for _frame in range(60):
            one.send(text)
        came = received(two, 60)
        assert [found for _moment, found in came] == [text] * 60
        assert 0.95 <= came[-1][0] - begun < 2.5
        assert came[29][0] - begun >= 0.45


def test_what_is_late_on_a_line_is_lost_with_its_cable_and_a_full_line_drops(layout: Layout) -> None:
    with join(layout, "sw-dmz") as two:
        with join(layout, "sw-dmz") as one:
            line(layout, one, delay=0.5)
            one.send(frame(BROADCAST, 1))
            time.sleep(0.1)
        Switches(layout).ensure(HA)
        assert two.receive(1) is None
        with join(layout, "sw-dmz") as one:
            line(layout, one, rate=1)
            for number in range(switch.LATE_FRAMES + 200):
                one.send(frame(BROADCAST, 1, b"%d" % number))
            line(layout, one)
            one.send(frame(BROADCAST, 1, b"last"))
            assert two.receive(2) == frame(BROADCAST, 1, b"last")


def test_a_line_that_says_nothing_readable_is_good(layout: Layout) -> None:
    path = layout.root / "x"
    assert switch.Line.read(str(path)) == switch.Line()
    for text in ("", "[]", '{"groups": [1]}', '{"groups": 1, "loss": 0, "delay": 0, "rate": 0}'):
        path.write_text(text)
        assert switch.Line.read(str(path)) == switch.Line()


def test_a_stranger_without_a_plug_is_not_heard(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.bind(str(layout.switch(HA) / "p" / "stranger"))
        stranger.sendto(frame(BROADCAST, 7), str(layout.switch(HA) / "switch"))
        assert one.receive(SILENCE) is None


def test_the_directory_is_closed_to_other_users(layout: Layout) -> None:
    with join(layout, "sw-dmz"):
        assert layout.runtime.stat().st_mode & 0o077 == 0


def test_frames_flow_again_after_the_switch_was_killed(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz") as two:
        kill_switch(layout)
        with pytest.raises(ConnectionRefusedError):
            one.send(frame(BROADCAST, 1))
        Switches(layout).ensure(HA)
        two.send(frame(BROADCAST, 2))
        assert one.receive(2) == frame(BROADCAST, 2)


def test_a_port_that_does_not_read_does_not_hold_up_the_others(layout: Layout) -> None:
    with join(layout, "sw-dmz") as one, join(layout, "sw-dmz") as two, join(layout, "sw-dmz") as lazy:
        for number in range(2000):
            one.send(frame(BROADCAST, 1, str(number).encode()))
            assert two.receive(2) == frame(BROADCAST, 1, str(number).encode())
        assert lazy.receive(1) == frame(BROADCAST, 1, b"0")
        kept = 1
        while lazy.receive(SILENCE) is not None:
            kept += 1
        assert switch.QUEUE_FRAMES <= kept < 2000


def test_many_starters_get_one_switch(layout: Layout) -> None:
    directory = layout.switch(HA)
    (directory / "p").mkdir(parents=True)
    command = [sys.executable, "-S", "-E", "-P", switch.__file__, str(directory)]
    starters = [subprocess.Popen(command) for _ in range(5)]
    assert [starter.wait(10) for starter in starters] == [0] * 5
    pids = {Switches(layout).ensure(HA)["pid"] for _ in range(3)}
    assert pids == {int((directory / "lock").read_text())}
    Switches(layout).release(directory)


def test_a_switch_that_nobody_uses_ends(layout: Layout) -> None:
    directory = layout.switch(HA)
    (directory / "p").mkdir(parents=True)
    subprocess.run([sys.executable, "-S", "-E", "-P", switch.__file__, str(directory), "0.3"], check=True)
    assert Switches(layout).is_on_duty(HA)
    wait_until(lambda: not Switches(layout).is_on_duty(HA) or None, Deadline.after(15), what="the end of the switch")
    assert not (directory / "control").exists()
    assert not (directory / "switch").exists()


def test_a_switch_in_use_is_not_let_go(layout: Layout) -> None:
    with join(layout, "sw-dmz"):
        Switches(layout).release(layout.switch(HA))
        assert Switches(layout).is_on_duty(HA)
    Switches(layout).release(layout.switch(HA))
    wait_until(lambda: not Switches(layout).is_on_duty(HA) or None, Deadline.after(5), what="the end of the switch")


def test_an_unknown_command_is_answered(layout: Layout) -> None:
    with join(layout, "sw-dmz"), socket.socket(socket.AF_UNIX) as control:
        control.connect(str(layout.switch(HA) / "control"))
        control.sendall(b"dance\n")
        assert json.loads(control.makefile().readline()) == {"error": "unknown command 'dance'"}


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 not installed")
def test_a_running_machine_s_port_follows_its_adapter(world: QemuWorld, layout: Layout) -> None:
    world.prepare()
    driver = world.open()
    assert isinstance(driver, QemuDriver)
    handle = driver.create(Specs()(adapters=(internal(1, "sw-dmz"),), lab="ha")).handle
    driver.start(handle)
    port = f"{handle}.1"
    assert Switches(layout).ensure(HA)["ports"] == {port: ["sw-dmz", True]}
    driver.set_cable(handle, 1, False)
    assert Switches(layout).ensure(HA)["ports"] == {port: ["sw-dmz", False]}
    driver.set_adapters(handle, (internal(1, "cluster"),))
    assert Switches(layout).ensure(HA)["ports"] == {port: ["cluster", True]}
    kill_switch(layout)
    assert [machine.name for machine in driver.machines()] == [driver.inspect(handle).name]
    assert Switches(layout).ensure(HA)["ports"] == {port: ["cluster", True]}
    with driver.host_port(HA, "cluster") as probe:
        driver.impair(handle, 1, Impairment(delay=0.2))
        driver.set_groups(handle, 1, {3})
        written = (layout.switch(HA) / "p" / f"{port}{switch.LINE_SUFFIX}").read_text()
        assert json.loads(written) == {"groups": [3], "loss": 0.0, "delay": 0.2, "rate": 0}
        driver.impair(handle, 1, Impairment())
        driver.set_groups(handle, 1, ())
        assert not list((layout.switch(HA) / "p").glob(f"*{switch.LINE_SUFFIX}"))
        driver.set_groups(handle, 1, {3})
        ports = Switches(layout).ensure(HA)["ports"]
        assert sorted(network for network, _ in ports.values()) == ["cluster", "cluster"]
        probe.send(frame(BROADCAST, 3))
    driver.delete(handle)
    assert not list((layout.switch(HA) / "p").iterdir())
