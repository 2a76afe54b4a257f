"""The end of a guest's boot is waited for as long as something moves; `systemctl` is a script that plays a boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.local_lab import HostExecutor
from vboxlab.errors import WaitTimeout
from vboxlab.guest.readiness import wait_booted


def guest(folder: Path, waiting: str, jobs: str, failed: str = "") -> HostExecutor:
    """Return a guest whose systemctl waits as this script does, and lists jobs and failed units as these do."""
    systemctl = folder / "systemctl"
    cases = f"*is-system-running*) {waiting} ;;\n*list-jobs*) {jobs} ;;\n*list-units*) echo '{failed}' ;;"
    systemctl.write_text(f'#!/bin/sh\ncd {folder}\ncase "$*" in\n{cases}\nesac\n')
    systemctl.chmod(0o755)
    return HostExecutor("srv-web", folder)


def test_a_boot_that_is_over_tells_what_failed(tmp_path: Path) -> None:
    assert wait_booted(guest(tmp_path, "echo running", "true"), 5) == ()
    degraded = guest(tmp_path, "echo degraded; exit 1", "true", "heartbeat.service loaded failed failed Heartbeat")
    assert wait_booted(degraded, 5) == ("heartbeat.service",)


def test_a_boot_whose_jobs_get_fewer_is_waited_for_beyond_its_seconds(tmp_path: Path) -> None:
    (tmp_path / "left").write_text("1 a.service\n2 b.service\n3 c.service\n")
    waiting = "echo >>waits; [ -s left ] || { echo running; exit 0; }; sed -i 1d left; sleep 30"
    assert wait_booted(guest(tmp_path, waiting, "cat left"), 1) == ()
    assert len((tmp_path / "waits").read_text().splitlines()) == 4


def test_a_boot_that_stands_still_is_given_up_with_what_it_stands_at(tmp_path: Path) -> None:
    stuck = guest(tmp_path, "sleep 30", "echo 7 network-online.target start running")
    with pytest.raises(WaitTimeout, match="srv-web: the guest answers, but its boot does not end") as caught:
        wait_booted(stuck, 1)
    assert caught.value.details == ("7 network-online.target start running",)
