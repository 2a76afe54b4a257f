"""What a plan notes on machines that no other action of it concerns."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.language import _
from vboxlab.planning import actions as act
from vboxlab.planning.desired import Desired
from vboxlab.planning.graph import Graph
from vboxlab.planning.observed import MARK_ADOPTED, MARK_DESIRED, MARK_TOPOLOGY, ObservedLab, ObservedMachine


def record(graph: Graph, desired: Desired, observed: ObservedLab, restored: set[str]) -> None:
    """Record the topology on machines that were right for it already and so are configured by no action."""
    if desired.until is not None:
        return
    configured = {
        action.step.machine
        for action in graph.actions
        if isinstance(action.step, act.Configure)
        or (isinstance(action.step, act.SetMarks) and MARK_DESIRED in action.step.marks)
    }
    for name in desired.machines:
        machine: ObservedMachine | None = observed.machines.get(name)
        if machine is None or name in configured:
            continue
        # A snapshot brings its own marks back: which, is known only then.
        stale = {
            key: value for key, value in desired.marks.items() if machine.marks.get(key) != value or name in restored
        }
        if stale:
            graph.add(act.SetMarks(name, stale), _why_recorded(desired, machine, stale), machines=(name,))


def _why_recorded(desired: Desired, machine: ObservedMachine, stale: Mapping[str, str | None]) -> str:
    if stale.keys() == {MARK_ADOPTED}:
        return _("it tells other labs which VMs this one adopts")
    topology, before = desired.topology.name, machine.marks.get(MARK_TOPOLOGY)
    if before is None:
        return _("it is right for {topology} as it is (was: nothing yet)").format(topology=topology)
    return _("it is right for {topology} as it is (was: {before})").format(topology=topology, before=before)
