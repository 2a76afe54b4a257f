"""The practical's lab comes up on real guests: killed at work, gone on with, looked after, and resumed.

The tests are one story, told in order. What follows on the same lab is in test_lab.py.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.guests.booted import BootedLab
from tests.guests.command import PAGE, CommandLine, processes_of

pytestmark = [pytest.mark.guests, pytest.mark.timeout(3600)]

MACHINES = {"firewall", "dns", "client", "srv-web", "srv-web-bis"}


def ports(vboxlab: CommandLine) -> dict[str, int]:
    """Return the management port of each machine that exists."""
    shown = vboxlab.json("status", "ha")["machines"]
    return {entry["machine"]: entry["port"] for entry in shown if entry["port"] is not None}


def test_up_killed_at_work_goes_on_and_builds_nothing_twice(vboxlab: CommandLine, home: Path) -> None:
    begun = vboxlab.start("up", "failover")
    assert begun.stdout is not None
    for line in begun.stdout:
        if line.startswith("ok") and "reach guest" in line:
            break
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    before = ports(vboxlab)
    assert before
    done = vboxlab.json("up", "failover")
    assert done["result"] == "up"
    after = ports(vboxlab)
    assert after.keys() == MACHINES
    assert {name: after[name] for name in before} == before
    assert {entry["power"] for entry in vboxlab.json("status", "ha")["machines"]} == {"running"}
    emulators = [words for words in processes_of(home).values() if "qemu-system" in words]
    assert len(emulators) == len(MACHINES)


def test_a_second_up_changes_nothing(vboxlab: CommandLine) -> None:
    assert "nothing to do" in vboxlab("plan", "failover")
    assert vboxlab.json("up", "failover") == {"result": "up", "actions": 0, "repaired": []}


def test_up_repairs_just_what_a_student_broke(vboxlab: CommandLine) -> None:
    vboxlab("ssh", "srv-web", "--", "sudo", "rm", PAGE)
    found = vboxlab.json("check", "failover", code=1)
    wrong = {entry["machine"]: entry["findings"] for entry in found["machines"] if entry["findings"]}
    assert wrong.keys() == {"srv-web"}
    assert [finding["code"] for finding in wrong["srv-web"]] == ["page-missing"]
    planned = [
        (entry["action"], entry["machines"], entry["arguments"])
        for entry in vboxlab.json("plan", "failover", code=2)["actions"]
    ]
    assert planned == [("Repair", ["srv-web"], {"stage": "heartbeat", "kept": []})]
    assert vboxlab.json("up", "failover") == {"result": "up", "actions": 1, "repaired": ["srv-web"]}
    assert vboxlab("ssh", "srv-web", "--", "cat", PAGE) == "<h1>Srv-Web de theodore</h1>\n"
    assert vboxlab.json("check", "failover")["fine"] is True


def test_a_page_that_a_student_wrote_is_kept_beside_before_it_is_overwritten(vboxlab: CommandLine) -> None:
    vboxlab("ssh", "srv-web", "--", f"echo '<h1>Mine</h1>' | sudo tee {PAGE}")
    assert f"(kept beside first: {PAGE})" in vboxlab("plan", "failover", code=2)
    assert vboxlab.json("up", "failover")["repaired"] == ["srv-web"]
    assert vboxlab("ssh", "srv-web", "--", f"cat {PAGE}.vboxlab-*") == "<h1>Mine</h1>\n"
    vboxlab("ssh", "srv-web", "--", f"sudo rm {PAGE}.vboxlab-*")
    assert vboxlab.json("check", "failover")["fine"] is True


def test_a_snapshot_of_running_machines_brings_them_back_without_a_boot(booted_lab: BootedLab) -> None:
    vboxlab = booted_lab.fresh()
    boot = vboxlab("ssh", "srv-web", "--", "cat", "/proc/sys/kernel/random/boot_id")
    vboxlab("ssh", "srv-web", "--", "sudo", "rm", PAGE)
    assert booted_lab.fresh() is vboxlab
    asked = time.time()
    now = vboxlab("ssh", "srv-web", "--", f"cat /proc/sys/kernel/random/boot_id {PAGE}; date +%s")
    same, page, clock = now.splitlines()
    assert (same, page) == (boot.strip(), "<h1>Srv-Web de theodore</h1>")
    assert asked - 10 < int(clock) < time.time() + 10
    assert vboxlab.json("up", "failover") == {"result": "up", "actions": 0, "repaired": []}
