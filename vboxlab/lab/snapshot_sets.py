"""Snapshot sets: snapshots of several machines of a lab, taken and restored all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vboxlab.base.model import Base
from vboxlab.errors import CapabilityMissing, DriverError, LabError, MachineConflict, SnapshotNotFound, VboxlabError
from vboxlab.events import Note
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.clock import set_clock
from vboxlab.lab.context import Context
from vboxlab.lab.each import afterwards, on_each
from vboxlab.lab.journal import check_not_pending, restore_on
from vboxlab.lab.pending_faults import read_faults
from vboxlab.language import C_, N_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.disks import shared_in_words
from vboxlab.planning.observed import ObservedLab, ObservedMachine, PowerState, SnapshotState
from vboxlab.planning.snapshot_states import description_of, would_lose
from vboxlab.planning.snapshots import check_one_each, doubtful, short_id

GRACEFUL_SECONDS = 60.0
BaseOf = Callable[[str], Base | None]
"""Returns the base of a machine, None when that cannot be known (its topology cannot be read)."""


@dataclass(frozen=True)
class SnapshotRow:
    """One snapshot name of a lab: which machines have it, with their snapshots' ids, and which stand on it now.

    Where its name does not suffice to name a snapshot, it is a row of its own, with the beginning of its id.
    """

    name: str
    machines: tuple[str, ...]
    current: tuple[str, ...]
    taken_at: str
    live: bool
    ids: Mapping[str, str]  # by machine
    short_id: str = ""


def snapshot_rows(observed: ObservedLab) -> list[SnapshotRow]:
    """List the snapshots of a lab by name, oldest first."""
    found: dict[tuple[str, str, str], list[tuple[ObservedMachine, SnapshotState]]] = {}
    for machine in observed.machines.values():
        for snapshot in machine.snapshots:
            own = short_id(machine, snapshot) if doubtful(machine, snapshot) else ""
            found.setdefault((snapshot.name, own, machine.handle if own else ""), []).append((machine, snapshot))
    rows = [
        SnapshotRow(
            name,
            tuple(machine.machine for machine, _snapshot in entries),
            tuple(machine.machine for machine, snapshot in entries if machine.current_snapshot == snapshot.id),
            min(snapshot.taken_at for _machine, snapshot in entries),
            any(snapshot.live for _machine, snapshot in entries),
            {machine.machine: snapshot.id for machine, snapshot in entries},
            own,
        )
        for (name, own, _handle), entries in found.items()
    ]
    return sorted(rows, key=lambda row: row.taken_at)


def who_has(observed: ObservedLab, names: Sequence[str], snapshot: str) -> list[str]:
    """Return a table line for each machine: whether it has the snapshot, and which ones it has."""
    lines = []
    for name in names:
        machine = observed.machines.get(name)
        if machine is None:
            lines.append(_("{machine}: no such machine in the lab").format(machine=name))
            continue
        have = ", ".join(s.name for s in machine.snapshots) or C_("snapshots", "none")
        text = (
            _("{machine}: has it (its snapshots: {snapshots})")
            if machine.find_snapshots(snapshot)
            else _("{machine}: LACKS it (its snapshots: {snapshots})")
        )
        lines.append(text.format(machine=name, snapshots=have))
    return lines


def check_has(
    observed: ObservedLab,
    names: Sequence[str],
    snapshot: str,
    *,
    brief: str = N_("lab {lab}: {machines} cannot go back to {snapshot}; nothing was changed"),
) -> None:
    """Raise SnapshotNotFound, with the table of who has the snapshot, unless all the machines have it.

    `brief` is in English, marked, and says what they cannot do. Raises SnapshotAmbiguous, with the ids, when it is not
    clear which snapshot of a machine is meant.
    """
    lacking = [n for n in names if n not in observed.machines or not observed.machines[n].find_snapshots(snapshot)]
    if lacking or not names:
        raise SnapshotNotFound(
            _(brief).format(
                lab=observed.name, machines=", ".join(lacking) or C_("of all", "no machine"), snapshot=snapshot
            ),
            details=who_has(observed, names, snapshot),
            resolution=_(
                "`vboxlab snapshot list` shows all snapshots; `vboxlab up` makes those that its stages end in"
            ),
        )
    check_one_each({name: observed.machines[name] for name in names}, snapshot)


def take_on(
    driver: Driver, machines: Mapping[str, ObservedMachine], snapshot: str, *, live: bool = False, description: str = ""
) -> None:
    """Take a snapshot of several machines, given as they are; when one fails, those taken are deleted again.

    Without a description, each says what its machine is. Raises the first failure as DriverError.
    """
    begun: dict[str, ObservedMachine] = {}
    try:
        for name, machine in machines.items():
            begun[name] = machine
            text = description or description_of(machine)
            driver.take_snapshot(machine.handle, snapshot, live=live, description=text)
    except VboxlabError as error:
        if isinstance(error, MachineConflict):  # the one of that name is somebody else's
            begun.popitem()
        left = [name for name, machine in begun.items() if not _undo(driver, machine, snapshot)]
        brief = _("snapshot {snapshot} was not taken: {problem}").format(snapshot=snapshot, problem=error.brief)
        stays = _("if it is on {machine}, it stays there: it could not be deleted")
        details = [*error.details, *(stays.format(machine=name) for name in left)]
        raise DriverError(brief, details=details, resolution=error.resolution) from error


def _undo(driver: Driver, before: ObservedMachine, snapshot: str) -> bool:
    """Delete a new snapshot where there is one: also a call that failed may have had its effect."""
    known = {old.id for old in before.snapshots}
    try:
        for taken in driver.inspect(before.handle).snapshots:
            if taken.name == snapshot and taken.id not in known:
                driver.delete_snapshot(before.handle, taken.id)
    except VboxlabError:
        return False
    return True


def check_takable(context: Context, observed: ObservedLab, names: Sequence[str], snapshot: str, *, live: bool) -> None:
    """Raise, before anything is touched, what keeps a snapshot from being taken of any of the machines."""
    waits = _("lab {lab}: taking {snapshot} has to wait: a restore is unfinished; nothing was changed")
    check_not_pending(observed.pending, waits.format(lab=observed.name, snapshot=snapshot))
    if faults := read_faults(context.directory(observed.name).faults):
        text = _("lab {lab}: taking {snapshot} has to wait: a verification's faults are in force; nothing was changed")
        raise LabError(
            text.format(lab=observed.name, snapshot=snapshot),
            details=[each.words for each in faults],
            resolution=_("`vboxlab verify {topology} --undo` ends them").format(
                topology=observed.topology or _("TOPOLOGY")
            ),
        )
    machines = {name: observed.machines[name] for name in names}
    _check_holds_all(observed, names, snapshot)
    having = [name for name, machine in machines.items() if machine.has_snapshot(snapshot)]
    if having:
        raise MachineConflict(
            _("lab {lab}: {machines} already has a snapshot {snapshot!r}; nothing was changed").format(
                lab=observed.name, machines=", ".join(having), snapshot=snapshot
            ),
            details=who_has(observed, names, snapshot),
            resolution=_("choose another name, or `vboxlab snapshot delete {snapshot}` first").format(
                snapshot=snapshot
            ),
        )
    possible = {PowerState.OFF, PowerState.RUNNING, *([PowerState.PAUSED] if live else [])}
    unfit = [
        _("{machine} is {state}").format(machine=name, state=C_("machine", machine.power.value))
        for name, machine in machines.items()
        if machine.power not in possible
    ]
    if unfit:
        text = _("lab {lab}: snapshot {snapshot} cannot be taken; nothing was changed")
        raise LabError(
            text.format(lab=observed.name, snapshot=snapshot),
            details=unfit,
            resolution=_("`vboxlab up` starts them, `vboxlab down` powers them off"),
        )
    if live and not context.driver.capabilities.live_snapshots:
        raise CapabilityMissing(
            _("{driver} takes no snapshots of running machines").format(driver=context.driver.name),
            resolution=_("leave out --live"),
        )


def _check_holds_all(observed: ObservedLab, names: Sequence[str], snapshot: str) -> None:
    """Raise LabError when a snapshot would leave out a disk, as it does those that machines share."""
    shared = shared_in_words(observed.machines[name] for name in names)
    if shared:
        text = _("lab {lab}: snapshot {snapshot} would leave out what snapshots cannot hold; nothing was changed")
        raise LabError(
            text.format(lab=observed.name, snapshot=snapshot),
            details=shared,
            resolution=_("name machines without a shared disk (--machine), or give each a disk of its own"),
        )


def take(
    context: Context,
    observed: ObservedLab,
    names: Sequence[str],
    snapshot: str,
    *,
    live: bool = False,
    start: bool = True,
    jobs: int = 4,
    base_of: BaseOf = lambda _machine: None,
) -> None:
    """Take a snapshot set by hand. Raises MachineConflict when a machine has one of that name.

    Without live, running machines are powered off gracefully first and (with start) started again afterwards; it
    returns once their guests, as far as their bases are known, answer again.
    """
    check_takable(context, observed, names, snapshot, live=live)
    machines = [observed.machines[name] for name in names]
    running = [] if live else [machine for machine in machines if machine.power is PowerState.RUNNING]

    def stop(machine: ObservedMachine) -> str:
        context.guests.forget(machine)
        by_itself = context.driver.power_off(machine.handle, "graceful", timeout=GRACEFUL_SECONDS)
        pulled = _("did not end within {seconds:.0f} s, plug pulled")
        return "" if by_itself else pulled.format(seconds=GRACEFUL_SECONDS)

    def power_on(machine: ObservedMachine) -> str:
        context.driver.start(machine.handle)
        return ""

    def start_again() -> None:
        if start:
            on_each(context, observed.name, running, N_("start"), power_on, jobs=jobs)

    try:
        on_each(context, observed.name, running, N_("power off"), stop, jobs=jobs)
        take_on(context.driver, {machine.machine: machine for machine in machines}, snapshot, live=live)
    except VboxlabError as error:
        afterwards(error, start_again)
        raise
    start_again()
    if start:
        _await_guests(context, observed, [machine.machine for machine in running], base_of, jobs)


def restore(
    context: Context,
    observed: ObservedLab,
    names: Sequence[str],
    snapshot: str,
    *,
    start: bool = True,
    jobs: int = 4,
    base_of: BaseOf = lambda _machine: None,
) -> None:
    """Bring machines back to a snapshot in one step, then start those that ran; or change nothing at all.

    The caller has asked, where `lost_by_restore` names machines. An unfinished restore of the same machines or fewer is
    replaced by this one; with others left, LabError is raised. A machine whose snapshot is a live one is always started
    (with start), and its clock set before anything else. It returns once the guests of what was started, as far as
    their bases are known, answer again.
    """
    check_has(observed, names, snapshot)
    _check_supersedes(observed, names, snapshot)
    for disk in shared_in_words(observed.machines[name] for name in names):
        text = _("{disk} stays as it is: snapshots do not hold it")
        context.events(Note(text.format(disk=disk), level="warning"))
    machines = {name: observed.machines[name] for name in names}
    live = [name for name, machine in machines.items() if _is_live(machine, snapshot)]
    again = [name for name, machine in machines.items() if machine.power is PowerState.RUNNING or name in live]
    for machine in machines.values():
        context.guests.forget(machine)
    directory = context.directory(observed.name)
    restore_on(context.driver, directory, machines, snapshot, start=again if start else ())
    if start:
        _await_guests(context, observed, again, base_of, jobs, live=live)


def _check_supersedes(observed: ObservedLab, names: Sequence[str], snapshot: str) -> None:
    """Raise LabError where an unfinished restore concerns machines that this one leaves out."""
    pending = observed.pending
    if pending is not None and not set(pending.undone or observed.machines) <= set(names):
        waits = _(
            "lab {lab}: the restore of {snapshot} on {machines} alone has to wait: a restore is unfinished; nothing "
            "was changed"
        )
        check_not_pending(pending, waits.format(lab=observed.name, snapshot=snapshot, machines=", ".join(names)))


def lost_by_restore(observed: ObservedLab, names: Sequence[str], snapshot: str) -> list[str]:
    """Return the machines on which a restore of the snapshot throws away what was done there."""
    return [name for name in names if would_lose(observed.machines[name], snapshot)]


def _await_guests(
    context: Context,
    observed: ObservedLab,
    names: Sequence[str],
    base_of: BaseOf,
    jobs: int,
    *,
    live: Sequence[str] = (),
) -> None:
    """Wait until the guests of machines that were started answer, and set the clocks of those that `live` names.

    A guest that does not answer is said, and fails nothing. Raises LabError where a clock could not be set.
    """
    if not context.driver.capabilities.boots_guests:
        return
    bases = {name: base for name in names if (base := base_of(name)) is not None}
    for name in live:
        # One that is left alone has no way in: its clock is its own.
        if name not in bases and context.driver.inspect(observed.machines[name].handle).management_port is not None:
            text = _("{machine}: its clock stands where the snapshot was taken; set it (its topology cannot be read)")
            context.events(Note(text.format(machine=name), level="warning"))

    def reach(machine: ObservedMachine) -> str:
        name, base = machine.machine, bases[machine.machine]
        now = context.driver.inspect(machine.handle)
        directory = context.directory(observed.name)
        try:
            context.guests.contact(directory, now, base, first=False, report=lambda _text: None)
        except VboxlabError as error:
            if name in live:
                raise
            text = _("{machine}: started, and not reached: {problem}")
            context.events(Note(text.format(machine=name, problem=error.brief_without(name)), level="warning"))
            return ""
        if name in live:
            set_clock(context, observed.name, now, base)
            return _("clock set")
        return ""

    started = [observed.machines[name] for name in bases]
    on_each(context, observed.name, started, N_("reach guest"), reach, jobs=jobs)


def _is_live(machine: ObservedMachine, snapshot: str) -> bool:
    return any(found.live for found in machine.find_snapshots(snapshot))


def check_deletable(observed: ObservedLab, names: Sequence[str], snapshot: str) -> None:
    """Raise, before any machine is changed, what keeps a snapshot from being deleted, naming machines that run."""
    waits = _("lab {lab}: deleting {snapshot} has to wait: a restore is unfinished; nothing was changed")
    check_not_pending(observed.pending, waits.format(lab=observed.name, snapshot=snapshot))
    cannot = N_("lab {lab}: {machines} cannot delete {snapshot}; nothing was changed")
    check_has(observed, names, snapshot, brief=cannot)
    running = [name for name in names if observed.machines[name].power is not PowerState.OFF]
    if running:
        raise LabError(
            _("lab {lab}: {machines} must be off to delete {snapshot}; nothing was changed").format(
                lab=observed.name, machines=", ".join(running), snapshot=snapshot
            ),
            resolution=_("run `vboxlab down` first"),
        )


def delete(context: Context, observed: ObservedLab, names: Sequence[str], snapshot: str) -> None:
    """Delete a snapshot of machines that are off; the caller has asked: what it holds is gone with it.

    Raises what check_deletable raises.
    """
    check_deletable(observed, names, snapshot)

    def remove(machine: ObservedMachine) -> str:
        context.driver.delete_snapshot(machine.handle, snapshot)
        return ""

    machines = [observed.machines[name] for name in names]
    what = N_("delete snapshot {snapshot}")
    on_each(context, observed.name, machines, what, remove, jobs=1, values={"snapshot": snapshot})
