"""One look at the host for all copies: what is planned for one does not go through the machines of the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tests.unit.lab_world import LabWorld
from vboxlab.lab.listing import Listing
from vboxlab.lab.planned import make_plan
from vboxlab.lab.up import up
from vboxlab.planning.observed import MARK_COPY, ObservedMachine
from vboxlab.topology.addressing import LabName

COPIES = 40
LOOKS: Counter[str] = Counter()


class Watched(ObservedMachine):
    """A machine that counts how often something of it is read."""

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__"):
            LOOKS[object.__getattribute__(self, "name")] += 1
        return object.__getattribute__(self, name)


def watched_copy(machine: ObservedMachine, copy: str) -> Watched:
    own = {each.name: getattr(machine, each.name) for each in fields(machine)}
    apart = [replace(each.attachment, name=f"{copy} {each.attachment.name}", forwards=()) for each in machine.adapters]
    changed = {
        "handle": f"{copy} {machine.handle}",
        "name": f"{copy}-{machine.machine}",
        "marks": {**machine.marks, MARK_COPY: copy},
        "adapters": tuple(replace(each, attachment=to) for each, to in zip(machine.adapters, apart, strict=True)),
    }
    return Watched(**{**own, **changed})


def test_planning_one_copy_looks_at_no_machine_of_the_others(tmp_path: Path) -> None:
    world = LabWorld(tmp_path / "home")
    first, new = LabName("ha", "first"), LabName("ha", "new")
    blueprint = world.blueprint("failover", {"student": "somebody"})
    up(world.context, blueprint, first, until="created", jobs=1)
    for machine in world.driver.machines():
        for number in range(COPIES):
            copy = watched_copy(machine, f"c{number}")
            world.store.machines[copy.handle] = copy
    context = replace(world.context, listing=Listing(world.driver))
    context.machines()
    assert len(LOOKS) == 5 * COPIES
    LOOKS.clear()
    for lab, machines in ((first, 5), (new, 0)):
        plan, _desired, observed = make_plan(context, blueprint, lab, until="created")
        assert not plan.blockers
        assert len(observed.machines) == machines
    assert LOOKS == {}
