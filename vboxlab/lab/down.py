"""Stopping and removing labs: by ownership marks alone, so that a broken topology file is no obstacle."""

from __future__ import annotations

from vboxlab.events import Note
from vboxlab.lab.context import Context
from vboxlab.lab.each import on_each
from vboxlab.lab.journal import pending_restore
from vboxlab.lab.leftovers import report_strays
from vboxlab.lab.observe import see
from vboxlab.language import N_, _
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.planning.pending import FINISH_OR_DROP, describe_pending
from vboxlab.topology.addressing import LabName


def down(context: Context, lab: LabName, *, timeout: float, hard: bool, jobs: int) -> int:
    """Power the lab's machines off, gracefully and after so many seconds hard; return how many ran.

    A saved machine does not run: what its memory holds stays, unless `hard` is asked for. An unfinished restore stays
    one, and is told.
    """
    observed = see(context, lab)
    resting = (PowerState.OFF, PowerState.INACCESSIBLE, *(() if hard else (PowerState.SAVED,)))
    active = [m for m in observed.machines.values() if m.power not in resting]
    saved = [name for name, m in observed.machines.items() if m.power is PowerState.SAVED and not hard]
    if saved:
        text = _("left saved, with what they were doing: {machines} (--hard discards it)")
        context.events(Note(text.format(machines=", ".join(saved))))
    pending = pending_restore(context.directory(lab), observed)
    if pending is not None:
        context.events(Note(_("; ").join([*describe_pending(pending), _(FINISH_OR_DROP)]), level="warning"))

    def stop(machine: ObservedMachine) -> str:
        context.guests.forget(machine)
        by_itself = context.driver.power_off(machine.handle, "hard" if hard else "graceful", timeout=timeout)
        pulled = not by_itself and not hard
        return _("did not end within {seconds:.0f} s, plug pulled").format(seconds=timeout) if pulled else ""

    on_each(context, lab, active, N_("power off"), stop, jobs=jobs)
    return len(active)


def destroy(context: Context, lab: LabName, *, jobs: int) -> int:
    """Remove the lab's machines with their disks and snapshots, and what vboxlab kept for it; return how many.

    Foreign and adopted machines, bases and images stay, and so do files that others put beside machines' disks.
    """
    observed = see(context, lab)

    def remove(machine: ObservedMachine) -> str:
        context.guests.forget(machine)
        context.driver.delete(machine.handle)
        return ""

    on_each(context, lab, list(observed.machines.values()), N_("destroy"), remove, jobs=jobs)
    for line in context.driver.collect_garbage(lab):
        context.events(Note(_("removed what an interrupted run left: {what}").format(what=line)))
    report_strays(context, lab)
    context.directory(lab).remove()
    return len(observed.machines)
