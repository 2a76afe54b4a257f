"""The practical on real guests: asleep, proved, taken to the other topology and back, and removed.

The tests are one story, told in order: each begins where the one before ended, the first where test_up.py left the lab.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.guests.command import PAGE, CommandLine, processes_of
from tests.guests.test_mutants import prove_chosen
from tests.unit.verification.test_probes import recorder
from vboxlab.roles.heartbeat.guest import LONGEST_STOP
from vboxlab.verification.history import StoodStill
from vboxlab.verification.hostwatch import HostWatch
from vboxlab.waiting import Deadline, wait_until

pytestmark = [pytest.mark.guests, pytest.mark.timeout(3600)]

# What each of the practical's deadtimes allows at least: Heartbeat counts from the last packet that it heard, which is
# up to one keepalive before the power cut.
SHORTEST_DETECTION = {"practical": 5.0 - 1.0, "fast": 2.0 - 0.2}
DETECTION_LIMIT = {"practical": 6.0, "fast": 3.0}
NODES = ("srv-web", "srv-web-bis")
BOTH_NODES = ("--machine", NODES[0], "--machine", NODES[1])
# What Heartbeat does is told by its unit's state and by the last line that it, its scripts or systemd logged about it.
HEARTBEAT_NOW = (
    "systemctl is-active heartbeat; sudo journalctl -q -n 1 -o short-monotonic --no-pager SYSLOG_FACILITY=16 + "
    "_SYSTEMD_UNIT=heartbeat.service + UNIT=heartbeat.service"
)
QUIET = 30.0  # Heartbeat's own restart and its unit's have shorter pauses
STANDSTILL = 1.2 * LONGEST_STOP  # a stop may take so long without a word


def step(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in report["steps"] if entry["name"] == name)


def measured(report: dict[str, Any], name: str) -> dict[str, Any]:
    return {entry["name"]: entry for entry in step(report, name)["measurements"]}


@contextmanager
def asleep(home: Path, *machines: str) -> Iterator[None]:
    """Let the emulators of these machines stand still, as all do on a laptop that is closed."""
    names = [f"guest={machine}" for machine in machines]
    found = {pid: words for pid, words in processes_of(home).items() if any(name in words.split() for name in names)}
    assert len(found) == len(machines)
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


def test_heartbeat_survives_that_the_host_was_asleep(vboxlab: CommandLine, home: Path) -> None:
    vboxlab("up", "failover")
    with asleep(home, *NODES):
        time.sleep(9)  # longer than deadtime: each takes the other for dead, and both restart when they meet
    for machine in NODES:
        wait_for_heartbeat(vboxlab, machine)
    vboxlab("up", "failover")
    vboxlab("check", "failover")


@pytest.mark.long
def test_a_heartbeat_that_hangs_is_ended_in_bounded_time(vboxlab: CommandLine) -> None:
    """Debian's unit gives it 30 minutes and kills nothing; the role's own bound is shortened here, to be waited for."""

    def on_node(command: str) -> str:
        return vboxlab("ssh", "srv-web-bis", "--", command).strip()

    shorter = "/run/systemd/system/heartbeat.service.d/zz-shorter.conf"
    assert on_node("systemctl show -P TimeoutStopUSec heartbeat") == f"{LONGEST_STOP // 60}min"
    on_node(
        f"sudo mkdir -p {Path(shorter).parent}; printf '[Service]\\nTimeoutStopSec=5\\n' | sudo tee {shorter}; "
        "sudo systemctl daemon-reload; sudo systemctl kill --signal=STOP heartbeat; sudo systemctl stop heartbeat"
    )
    assert set(on_node("systemctl show -P ActiveState -P Result heartbeat").split()) == {"failed", "timeout"}
    assert on_node("pgrep -c heartbeat || true") == "0"
    on_node(f"sudo rm {shorter}; sudo systemctl daemon-reload")
    assert vboxlab.json("up", "failover")["repaired"] == ["srv-web-bis"]


def wait_for_heartbeat(vboxlab: CommandLine, machine: str) -> None:
    """Wait until Heartbeat runs on a node and nothing happens to it any more; while something does, it has time."""
    seen, since = "", time.monotonic()
    while True:
        found = vboxlab("ssh", machine, "--", HEARTBEAT_NOW)
        now = time.monotonic()
        if found != seen:
            seen, since = found, now
        elif found.startswith("active\n") and now - since > QUIET:
            return
        assert now - since < STANDSTILL, f"{machine}: Heartbeat stands still\n{found}"
        time.sleep(2)


def test_the_practical_is_proved_and_measured(vboxlab: CommandLine, tmp_path: Path) -> None:
    junit = tmp_path / "report.xml"
    report = vboxlab.verify("failover", files=("--junit", str(junit)))
    assert report["passed"], report
    assert 'failures="0"' in junit.read_text(encoding="utf-8")
    interruption = measured(report, "interruption")
    detection = interruption["detection"]
    assert detection["most"] >= SHORTEST_DETECTION["practical"]
    assert detection["limit"] == DETECTION_LIMIT["practical"]
    assert interruption["interruption"]["most"] > detection["least"]
    assert set(step(report, "interruption")["facts"]["served by"].split(", ")) != set()
    assert vboxlab.json("up", "failover")["actions"] == 0


def test_snapshots_of_machines_that_are_off(vboxlab: CommandLine) -> None:
    """The whole lab's are taken of running machines, by the fixture `fresh_lab`; here the two nodes boot for each."""
    vboxlab("snapshot", "take", "proved", *BOTH_NODES)
    assert "proved" in vboxlab("snapshot", "list")
    vboxlab("ssh", "srv-web", "--", "sudo", "rm", PAGE)
    vboxlab("snapshot", "restore", "proved", code=64)  # nobody can be asked
    vboxlab("snapshot", "restore", "proved", "--yes")
    assert vboxlab("ssh", "srv-web", "--", "cat", PAGE) == "<h1>Srv-Web de theodore</h1>\n"
    vboxlab("snapshot", "delete", "proved", code=4)  # they run
    for machine in NODES:
        vboxlab("ssh", machine, "--", "sudo", "systemctl", "--no-block", "poweroff")
    # The second node first takes over from the first one, and only then gives up what it has: both may take as long as
    # Heartbeat is allowed to, and the rest of the guest ends after it.
    end = Deadline.after(2 * LONGEST_STOP)
    wait_until(lambda: not running(vboxlab) & set(NODES), end, what="the nodes' end", every=2)
    vboxlab("ssh", "srv-web", "--", "true", code=4)  # there is nobody
    vboxlab("snapshot", "delete", "proved", "--yes")
    assert "proved" not in vboxlab("snapshot", "list")


def running(vboxlab: CommandLine) -> set[str]:
    """Return the machines that run."""
    return {entry["machine"] for entry in vboxlab.json("status", "ha")["machines"] if entry["power"] == "running"}


def test_the_web_servers_go_back_to_apache_base(vboxlab: CommandLine) -> None:
    vboxlab("snapshot", "restore", "apache-base", "--yes")
    vboxlab("up", "failover", "--until", "web")
    for machine in NODES:
        assert vboxlab("ssh", machine, "--", "systemctl", "is-active", "apache2") == "active\n"
        assert "heartbeat" not in vboxlab("ssh", machine, "--", "dpkg-query", "-W", "-f", "${Package}\\n")


def test_load_balancing_without_a_lost_request(vboxlab: CommandLine) -> None:
    vboxlab("up", "loadbalancing", code=64)  # nobody can be asked
    vboxlab("up", "loadbalancing", "--yes")
    assert vboxlab.json("status", "ha")["topology"] == "loadbalancing"
    assert vboxlab.json("up", "loadbalancing")["actions"] == 0
    report = vboxlab.verify("loadbalancing")
    assert report["passed"], report
    failed = measured(report, "interruption")["failed"]
    assert failed["most"] == 0


def test_mutants_of_load_balancing_chosen_by_the_change_cost_what_they_name(
    vboxlab: CommandLine, tmp_path: Path
) -> None:
    prove_chosen(vboxlab, "loadbalancing", tmp_path)


@pytest.mark.long
def test_back_to_failover_tuned_to_be_fast(vboxlab: CommandLine) -> None:
    vboxlab("up", "failover", "--set", "tuning=fast", "--yes")
    assert vboxlab.json("up", "failover")["actions"] == 0
    report = vboxlab.verify("failover")
    assert report["passed"], report
    interruption = measured(report, "interruption")
    assert interruption["detection"]["most"] >= SHORTEST_DETECTION["fast"]
    assert interruption["interruption"]["limit"] == 5


# Three busy loops a guest, for longer than ten deadtimes; each ends by itself.
BUSY = "for i in 1 2 3; do timeout 25 sh -c 'while :; do :; done' & done; sleep 10; ps -C sh -o stat= | grep -c R; wait"
# Not the lines of sudo, which writes down this very command.
DEATHS = "sudo journalctl -q -b --no-pager -t heartbeat -g 'is dead' | wc -l"


@pytest.mark.long
def test_busy_guests_are_not_taken_for_dead_ones(vboxlab: CommandLine) -> None:
    """When this computer stands still for a deadtime, each node is right to miss the other: that try says nothing."""
    for _try in range(3):
        wait_until(lambda: holders(vboxlab) == NODES[:1], Deadline.after(60), what="that the master holds it", every=1)
        before = [vboxlab("ssh", machine, "--", DEATHS) for machine in NODES]
        watched = recorder()
        with HostWatch(watched, noticed=1.0), ThreadPoolExecutor(len(NODES)) as pool:
            busy_loops = list(pool.map(lambda machine: vboxlab("ssh", machine, "--", BUSY), NODES))
        assert [int(count) for count in busy_loops] == [3, 3]
        after = [vboxlab("ssh", machine, "--", DEATHS) for machine in NODES]
        if not list(watched.history().of(StoodStill)):
            break
    assert after == before
    assert holders(vboxlab) == NODES[:1]


def holders(vboxlab: CommandLine) -> tuple[str, ...]:
    """Return the nodes that hold the floating address."""
    return tuple(name for name in NODES if vboxlab("ssh", name, "--", "ip -o -4 addr show to 192.168.200.5"))


def test_destroy_leaves_nothing(vboxlab: CommandLine, home: Path) -> None:
    vboxlab("down", "failover")
    assert running(vboxlab) == set()
    vboxlab("destroy", "ha", "--yes")
    deadline = time.monotonic() + 60
    while processes_of(home) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(home) == {}
    assert [path for path in (home / "qemu" / "machines").iterdir() if not path.name.startswith(".")] == []
