"""Snapshots of one name that somebody took in VirtualBox's window, through the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.virtualbox.conftest import Vboxlab
from tests.virtualbox.world import VirtualBoxWorld

UP = ("up", "failover", "--until", "created")
BASE = "apache-base"


def rows_of(vboxlab: Vboxlab) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(vboxlab("snapshot", "list", "--json").stdout)
    return rows


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("nested", [True, False], ids=["nested", "siblings"])
def test_snapshots_of_one_name_are_shown_apart_and_never_guessed(
    world: VirtualBoxWorld, vboxlab: Vboxlab, nested: bool
) -> None:
    vboxlab(*UP)
    vboxlab("snapshot", "take", "monday")
    driver = world.open()
    (web,) = [machine for machine in driver.machines() if machine.name == "srv-web"]
    world.take_by_hand(web.handle, BASE)
    if not nested:
        driver.restore_snapshot(web.handle, "monday")
    world.take_by_hand(web.handle, BASE)
    _, first, second = driver.inspect(web.handle).snapshots
    short = [first.id[:8], second.id[:8]]

    lines = [line.split(" (")[0] for line in vboxlab("snapshot", "tree").stdout.splitlines()]
    start = lines.index("srv-web")
    assert lines[start : start + 5] == [
        "srv-web",
        "  └─ monday",
        f"     {'└─' if nested else '├─'} {BASE} [{short[0]}]",
        f"     {'   └─' if nested else '└─'} {BASE} [{short[1]}]",
        f"        {'   └─' if nested else '└─'} now",
    ]
    table = vboxlab("snapshot", "list").stdout
    assert all(f"{BASE} [{identifier}]" in table for identifier in short)
    assert [row["ids"] for row in rows_of(vboxlab) if row["name"] == BASE] == [
        {"srv-web": first.id},
        {"srv-web": second.id},
    ]

    before = driver.inspect(web.handle)
    for verb in (("restore",), ("delete",), ("diff",)):
        refused = vboxlab("snapshot", *verb, BASE, "--machine", "srv-web", code=4).stderr
        assert "several snapshots may be meant by 'apache-base'" in refused
        assert first.id in refused
        assert second.id in refused
    assert driver.inspect(web.handle) == before

    vboxlab("snapshot", "diff", first.id)
    for identifier in (first.id, short[1], first.id):
        said = vboxlab("snapshot", "restore", identifier, "--no-start", "--yes").stdout
        assert said.strip().endswith("restored on srv-web")
        assert str(driver.inspect(web.handle).current_snapshot).startswith(identifier)
    assert "deleted from srv-web" in vboxlab("snapshot", "delete", second.id, "--yes").stdout
    assert [snapshot.id for snapshot in driver.inspect(web.handle).snapshots if snapshot.name == BASE] == [first.id]


@pytest.mark.usefixtures("home")
def test_a_plan_that_would_restore_a_doubtful_name_is_blocked(world: VirtualBoxWorld, vboxlab: Vboxlab) -> None:
    vboxlab(*UP)
    vboxlab("snapshot", "take", BASE)
    driver = world.open()
    marks = {"topology": "failover", "stage": "web", "desired": "of another topology"}
    found = {machine.name: machine for machine in driver.machines()}
    for machine in found.values():
        driver.set_marks(machine.handle, marks)
    web = found["srv-web"].handle
    world.take_by_hand(web, BASE)
    snapshots = driver.inspect(web).snapshots
    for verb in ("plan", "up"):
        done = vboxlab(verb, "loadbalancing", code=4)
        assert "several snapshots may be meant by apache-base" in done.stdout + done.stderr
        assert all(snapshot.id in done.stdout + done.stderr for snapshot in snapshots)
    assert driver.inspect(web).snapshots == snapshots
    vboxlab("snapshot", "delete", snapshots[1].id, "--yes")
    assert "may be meant" not in vboxlab("plan", "loadbalancing", code=2).stdout
