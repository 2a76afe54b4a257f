"""What one machine needs, seen alone: the planner puts these together into one graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.adapters import devices, in_words
from vboxlab.planning.desired import Desired, DesiredMachine
from vboxlab.planning.disks import dvd_difference, lacking, missing_in_words, remarks
from vboxlab.planning.observed import (
    HELD,
    MARK_CONTACTED,
    MARK_DESIRED,
    MARK_INTRODUCED,
    MARK_STAGE,
    MARK_TOPOLOGY,
    AdapterState,
    DiskState,
    ObservedLab,
    ObservedMachine,
    PowerState,
)
from vboxlab.planning.snapshot_states import content_of
from vboxlab.topology.disks import in_words as size_in_words
from vboxlab.topology.model import Topology

UNTIL_CREATED = "created"
BEFORE_STAGES = "-"  # value of the stage mark of a machine that is configured, but in no stage


@dataclass(frozen=True)
class MachinePlan:
    """The needs of one machine; a text is the reason for the step, "" means that the step is not needed."""

    create: str = ""
    replugged: tuple[AdapterState, ...] = ()  # what its adapters must be before it can be resumed
    resume_first: str = ""  # it is saved, and has to be off
    power_off_first: str = ""
    hardware: str = ""
    adapters: str = ""
    disks: tuple[DiskState, ...] = ()  # those to be made, with
    new_disks: str = ""
    dvd: str = ""  # it is another one
    introduce: str = ""  # first contact over adapter 1, before the guest can be reached otherwise
    lent: bool = False  # adapter 1 is ready for that
    start: str = ""
    configure_base: str = ""  # only for machines that no stage concerns
    stages: Mapping[str, str] = field(default_factory=dict)  # stage -> reason
    reached: tuple[str, ...] = ()  # stages that the machine had reached before
    running: bool = False  # after the steps above, before the stages
    held: bool = False  # paused or saved then
    notes: tuple[str, ...] = ()

    def takes_snapshot_at(self, stage: str) -> bool:
        """Tell whether the machine will stand at the end of exactly that stage, so that a snapshot of it is true."""
        return stage in self.stages or (bool(self.reached) and self.reached[-1] == stage)


def is_configured(machine: DesiredMachine, observed: ObservedMachine) -> bool:
    """Tell whether, by its marks, the guest has been brought to the machine's last stage as it is written now."""
    stage = observed.marks.get(MARK_STAGE)
    wanted = machine.last_stage or BEFORE_STAGES
    return stage == wanted and machine.is_digest(observed.marks.get(MARK_DESIRED), machine.last_stage)


def spared_machines(desired: Desired, observed: ObservedLab, right: frozenset[str]) -> frozenset[str]:
    """Return which of the machines that are right for a later topology stay as they are until this one is reached.

    One through which others fetch packages here does only when it is right here as well, and none does whose restore
    is still to be finished.
    """
    undone = observed.pending.undone if observed.pending else ()
    found = set(right & desired.machines.keys() & observed.machines.keys()) - set(undone)
    ahead = [name for name in desired.machines if name not in found]
    seen = set(ahead)
    while ahead:
        for name in desired.machines[ahead.pop()].fetches_through:
            if name in seen:
                continue
            seen.add(name)
            ahead.append(name)
            if name in found and not is_configured(desired.machines[name], observed.machines[name]):
                found.discard(name)
    return frozenset(found)


def was_kept_aside(machine: DesiredMachine, observed: ObservedMachine) -> bool:
    """Tell whether a machine is as some topology left it, though its marks do not say which.

    It was followed by one without it, or the machine goes back to a snapshot of which nobody knows what it holds.
    """
    marks = observed.marks
    return MARK_CONTACTED in marks and MARK_TOPOLOGY not in marks and not is_configured(machine, observed)


def restore_point(
    topology: Topology,
    machine: DesiredMachine,
    observed: ObservedMachine | None,
    members: Mapping[str, tuple[str, ...]],
) -> str | None:
    """Return the snapshot set to go back to because the machine was brought to another topology, if there is one."""
    if observed is None or is_configured(machine, observed):
        return None
    was = observed.marks.get(MARK_TOPOLOGY)
    if was is None or was == topology.name:
        return None
    own = [stage.snapshot for stage in topology.stages if stage.snapshot]
    candidates = ([topology.start_from] if topology.start_from else []) + own[::-1]
    for snapshot in candidates:
        if machine.name in members.get(snapshot, ()) and observed.has_snapshot(snapshot):
            return snapshot
    return None


@dataclass(frozen=True)
class Restored:
    """A snapshot set that is restored before; `stage` is this topology's stage that ends in it, if one does."""

    snapshot: str
    stage: str | None


def plan_machine(
    machine: DesiredMachine, observed: ObservedMachine | None, restored: Restored | None, *, until: str | None
) -> MachinePlan:
    """Compare one machine with what is observed; the steps of a restore that comes before are planned elsewhere."""
    stages = machine.stages[: machine.stages.index(until) + 1] if until in machine.stages else machine.stages
    introduce = ""
    met = observed is not None and (MARK_INTRODUCED in observed.marks or MARK_CONTACTED in observed.marks)
    if machine.stock and until != UNTIL_CREATED and not met:
        introduce = _("its base knows only DHCP on adapter 1")
    if observed is None:
        return MachinePlan(
            create=_why_made(machine),
            introduce=introduce,
            start=_("it is new"),
            dvd=_("it is new") if machine.dvd else "",
            configure_base="" if machine.stages else _("it is new"),
            stages=_not_reached(stages),
        )
    if restored is not None:
        return _after_restore(machine, observed, restored, stages)
    return _of_existing(machine, observed, stages, introduce)


def _why_made(machine: DesiredMachine) -> str:
    text = _("there is no VM {vm} of this lab yet")
    if machine.disks:
        text = _("there is no VM {vm} of this lab yet; besides its first disk: {disks}")
    each = _("{name} ({size})")
    disks = ", ".join(each.format(name=disk.name, size=size_in_words(disk.size)) for disk in machine.disks)
    return text.format(vm=machine.vm_name, disks=disks)


def _not_reached(stages: tuple[str, ...]) -> dict[str, str]:
    return {stage: _("{stage} not reached yet").format(stage=stage) for stage in stages}


def _it_is(power: PowerState) -> str:
    return _("it is {power}").format(power=C_("machine", power.value))


def plan_spared(machine: DesiredMachine, observed: ObservedMachine) -> MachinePlan:
    """Return what a machine needs that stays as it is, and only has to run, at ports that are free."""
    active = observed.power in (PowerState.RUNNING, PowerState.CHANGING)
    return MachinePlan(
        replugged=() if active else _replugged(machine.adapters, observed.adapters),
        start="" if active else _it_is(observed.power),
        running=active,
        held=observed.power in HELD,
    )


def _after_restore(
    machine: DesiredMachine, observed: ObservedMachine, restored: Restored, stages: tuple[str, ...]
) -> MachinePlan:
    position = stages.index(restored.stage) + 1 if restored.stage in stages else 0
    snapshot = restored.snapshot
    after = _("{stage} comes after the restored {snapshot}")
    todo = {stage: after.format(stage=stage, snapshot=snapshot) for stage in stages[position:]}
    if position and not todo and not _holds(machine, observed, restored):
        since = _("what {stage} shall be may have changed since {snapshot} was taken")
        todo = {stages[-1]: since.format(stage=stages[-1], snapshot=snapshot)}
    it = _("it comes after the restored {snapshot}").format(snapshot=snapshot)
    found = MachinePlan(
        start=_("it was switched off for the restore"),
        configure_base="" if machine.stages else it,
        stages=todo,
        reached=stages[:position],
    )
    return as_its_snapshot_left_it(machine, found)


def as_its_snapshot_left_it(machine: DesiredMachine, found: MachinePlan) -> MachinePlan:
    """Return the plan of a machine that goes back to a snapshot before it.

    That brings its own hardware and adapters back, with forwards from ports that may be somebody else's by now. They
    are known only then; making them right is free when they are right.
    """
    return replace(
        found,
        hardware=found.hardware or _("a restored machine has the hardware of its snapshot"),
        adapters=found.adapters or _("a restored machine has the adapters of its snapshot"),
        disks=machine.disks,
        new_disks=_("a restored machine has the disks of its snapshot") if machine.disks else "",
        dvd=found.dvd or (_("a restored machine has the disc of its snapshot") if machine.dvd else ""),
        lent=False,
    )


def _holds(machine: DesiredMachine, observed: ObservedMachine, restored: Restored) -> bool:
    """Tell whether the snapshot is known to hold what the stage that ends in it shall be now."""
    contents = [content_of(snapshot) for snapshot in observed.find_snapshots(restored.snapshot)]
    return all(
        content is not None and machine.is_digest(content.marks.get(MARK_DESIRED), restored.stage)
        for content in contents
    )


def _of_existing(
    machine: DesiredMachine, observed: ObservedMachine, stages: tuple[str, ...], introduce: str
) -> MachinePlan:
    active = observed.power in (PowerState.RUNNING, PowerState.CHANGING)
    held = observed.power in HELD
    hardware = _hardware_difference(machine, observed)
    missing = lacking(machine.disks, observed.disks)
    new_disks = _("; ").join(missing_in_words(machine.disks, observed.disks))
    dvd = _("; ").join(dvd_difference(machine.dvd, observed.dvd))
    lent = bool(introduce) and machine.first_adapters == observed.adapters
    adapters = "" if lent else _("; ").join(in_words(machine.adapters, observed.adapters))
    # A forward changes hands while the machine runs only from adapter 1 to the management adapter.
    to_lend = bool(introduce) and not lent
    other_devices = to_lend or devices(machine.adapters) != devices(observed.adapters)
    needs_off = (active or held) and (bool(hardware or new_disks or dvd) or other_devices)
    power_off = hardware or new_disks or dvd or adapters or introduce if needs_off else ""
    saved = observed.power is PowerState.SAVED
    resume = _("it is saved: its guest shuts down in order first") if saved and needs_off else ""
    plugged = machine.first_adapters if introduce else machine.adapters
    reached, todo = _stages_todo(machine, observed, stages)
    base = ""
    if not machine.stages and not is_configured(machine, observed):
        base = _("what it shall be has changed") if MARK_STAGE in observed.marks else _("not configured yet")
    return MachinePlan(
        replugged=_replugged(plugged, observed.adapters) if resume else (),
        resume_first=resume,
        power_off_first=power_off,
        hardware=hardware,
        disks=missing,
        new_disks=new_disks,
        dvd=dvd,
        adapters=adapters,
        introduce=introduce,
        lent=lent,
        start="" if active and not needs_off else _it_is(PowerState.OFF if needs_off else observed.power),
        configure_base=base,
        stages=todo,
        reached=reached,
        running=active and not needs_off,
        held=held and not needs_off,
        notes=(*_notes(machine, observed), *remarks(machine.disks, observed.disks)),
    )


def _replugged(wanted: tuple[AdapterState, ...], found: tuple[AdapterState, ...]) -> tuple[AdapterState, ...]:
    """Return the adapters found with the forwards wanted, if those are others: a port may be somebody else's by now."""
    forwards = {(adapter.slot, adapter.attachment.kind): adapter.attachment.forwards for adapter in wanted}
    result = tuple(
        replace(
            adapter,
            attachment=replace(
                adapter.attachment,
                forwards=forwards.get((adapter.slot, adapter.attachment.kind), adapter.attachment.forwards),
            ),
        )
        for adapter in found
    )
    return result if result != found else ()


def _notes(machine: DesiredMachine, observed: ObservedMachine) -> tuple[str, ...]:
    found = (observed.problem,) if observed.problem else ()
    if not machine.is_the_students(observed.marks):
        return found
    return (*found, _("what is in its guest is left to the student: the lab is an exercise"))


def _stages_todo(
    machine: DesiredMachine, observed: ObservedMachine, stages: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the stages that the machine has reached, and those to do with the reason of each."""
    stage = observed.marks.get(MARK_STAGE)
    if stage not in machine.stages:
        return (), _not_reached(stages)
    position = machine.stages.index(stage)
    reached = machine.stages[: position + 1]
    todo = _not_reached(stages[position + 1 :])
    right = machine.is_the_students(observed.marks) or machine.is_digest(observed.marks.get(MARK_DESIRED), stage)
    if not todo and not right:
        todo = {stage: _("what {stage} shall be has changed").format(stage=stage)}
    return reached, todo


def _hardware_difference(machine: DesiredMachine, observed: ObservedMachine) -> str:
    parts = []
    if observed.cpus != machine.cpus:
        text = _("processors: {found}, expected {wanted}")
        parts.append(text.format(found=observed.cpus, wanted=machine.cpus))
    if observed.memory != machine.memory:
        text = _("memory: {found} MiB, expected {wanted} MiB")
        parts.append(text.format(found=observed.memory, wanted=machine.memory))
    return _("; ").join(parts)
