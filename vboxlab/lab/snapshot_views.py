"""Looking at snapshots before restoring them: the trees, what a restore would change, and what it would hurt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vboxlab.language import C_, N_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.actions import Plan
from vboxlab.planning.describe import subject, title
from vboxlab.planning.desired import Desired
from vboxlab.planning.observed import (
    MARK_STAGE,
    MARK_TOPOLOGY,
    AdapterState,
    ObservedLab,
    ObservedMachine,
    PowerState,
    SnapshotState,
)
from vboxlab.planning.planner import plan
from vboxlab.planning.snapshot_states import content_of, restored
from vboxlab.planning.snapshots import doubtful, need_snapshot, short_id
from vboxlab.topology.model import Topology
from vboxlab.topology.roles import Role

_MARKS = {
    MARK_TOPOLOGY: N_("{machine}: topology {old} -> {new}"),
    MARK_STAGE: N_("{machine}: stage {old} -> {new}"),
}


@dataclass(frozen=True)
class RestoreDiff:
    """What a restore would change: machines themselves, what `up` would do then and would not do any more."""

    changes: tuple[str, ...]
    then: tuple[str, ...]
    no_longer: tuple[str, ...]
    unknown: tuple[str, ...]


def tree_lines(observed: ObservedLab) -> list[str]:
    """Return the snapshots of a lab as trees; those that differ only in times share one.

    A snapshot whose name does not suffice to name it has the beginning of its id behind it.
    """
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, machine in sorted(observed.machines.items()):
        groups.setdefault(_shape(machine), []).append(name)
    return [
        line
        for names in groups.values()
        for line in (", ".join(names), *(f"  {text}" for text in _tree(observed.machines[names[0]])))
    ]


def _shape(machine: ObservedMachine) -> tuple[object, ...]:
    places = {snapshot.id: number for number, snapshot in enumerate(machine.snapshots)}
    snapshots = tuple((_label(machine, s), places.get(s.parent or ""), s.live) for s in machine.snapshots)
    return (snapshots, places.get(machine.current_snapshot or ""))


def _label(machine: ObservedMachine, snapshot: SnapshotState) -> str:
    return snapshot.name + (f" [{short_id(machine, snapshot)}]" if doubtful(machine, snapshot) else "")


def _tree(machine: ObservedMachine) -> list[str]:
    known = {snapshot.id for snapshot in machine.snapshots}
    children: dict[str | None, list[SnapshotState]] = {}
    for snapshot in machine.snapshots:
        children.setdefault(snapshot.parent if snapshot.parent in known else None, []).append(snapshot)
    now = machine.current_snapshot if machine.current_snapshot in known else None
    lines: list[str] = []
    waiting: list[tuple[SnapshotState | None, str, bool]] = []  # what comes next is at the end; None is the present

    def put_off(parent: str | None, indent: str) -> None:
        # Each snapshot once, whatever it says of its parent.
        entries: list[SnapshotState | None] = [*children.pop(parent, ()), *([None] if now == parent else [])]
        waiting.extend((entry, indent, number == 0) for number, entry in enumerate(reversed(entries)))

    put_off(None, "")
    while waiting:
        entry, indent, last = waiting.pop()
        lines.append(f"{indent}{'└─ ' if last else '├─ '}{_entry(machine, entry)}")
        if entry is not None:
            put_off(entry.id, indent + ("   " if last else "│  "))
    return lines


def _entry(machine: ObservedMachine, snapshot: SnapshotState | None) -> str:
    if snapshot is None:
        return C_("snapshots", "now")
    text = _("{snapshot} (live, {time})") if snapshot.live else "{snapshot} ({time})"
    return text.format(snapshot=_label(machine, snapshot), time=snapshot.taken_at)


def restore_diff(desired: Desired, observed: ObservedLab, names: Sequence[str], snapshot: str) -> RestoreDiff:
    """Return what restoring a snapshot on machines would change, as far as their snapshots tell what they hold."""
    changes: list[str] = []
    unknown: list[str] = []
    machines = dict(observed.machines)
    for name in names:
        machine = observed.machines[name]
        meant = need_snapshot(name, machine.snapshots, snapshot)
        content = content_of(meant)
        if content is None:
            text = _("{machine}: its snapshot does not say what it holds (another program or an older vboxlab took it)")
            unknown.append(text.format(machine=name))
            continue
        machines[name] = replace(restored(machine, meant.id), power=machine.power, current_snapshot=meant.id)
        changes += _machine_changes(name, machine, machines[name])
    before, after = _steps(plan(desired, observed)), _steps(plan(desired, replace(observed, machines=machines)))
    return RestoreDiff(
        changes=tuple(changes),
        then=tuple(text for step, text in after.items() if step not in before),
        no_longer=tuple(text for step, text in before.items() if step not in after),
        unknown=tuple(unknown),
    )


def _steps(found: Plan) -> Mapping[tuple[str, str], str]:
    text = _("{subject}: {step} ({reason})")
    named = ((subject(action.step), title(action.step), action.reason) for action in found.actions)
    return {(who, what): text.format(subject=who, step=what, reason=reason) for who, what, reason in named}


def _machine_changes(name: str, before: ObservedMachine, after: ObservedMachine) -> list[str]:
    lines = []
    for mark, text in _MARKS.items():
        old, new = (machine.marks.get(mark) for machine in (before, after))
        if old != new:
            none = C_("mark", "none")
            told = {"old": none if old is None else old, "new": none if new is None else new}
            lines.append(_(text).format(machine=name, **told))
    for slot in sorted({adapter.slot for adapter in (*before.adapters, *after.adapters)}):
        plugs = [_plug(machine.adapter(slot)) for machine in (before, after)]
        if plugs[0] != plugs[1]:
            text = _("{machine}: adapter {slot} {old} -> {new}")
            lines.append(text.format(machine=name, slot=slot, old=plugs[0], new=plugs[1]))
    return lines or [_("{machine}: what was done in its guest since").format(machine=name)]


def _plug(adapter: AdapterState | None) -> str:
    if adapter is None:
        return C_("adapter", "none")
    plugged = str(adapter.attachment)
    return plugged if adapter.cable else _("{adapter} (unplugged)").format(adapter=plugged)


def split_clusters(topology: Topology, observed: ObservedLab, names: Sequence[str]) -> list[str]:
    """Return warnings for clusters of which some nodes would be restored while another one runs, where that hurts."""
    warnings: dict[str, None] = {}
    for machine in topology.machines.values():
        roles = (*machine.roles, *(role for stage in machine.stages.values() for role in stage))
        for role in roles:
            nodes = role.cluster_nodes()
            inside = [node for node in nodes if node in names]
            peers = [node for node in nodes if node not in names and _runs(observed, topology, node, type(role))]
            if inside and peers and (warning := role.restored_apart(inside, peers)):
                warnings[warning] = None
    return list(warnings)


def _runs(observed: ObservedLab, topology: Topology, name: str, kind: type[Role]) -> bool:
    machine, declared = observed.machines.get(name), topology.machines.get(name)
    if machine is None or declared is None or machine.power is not PowerState.RUNNING:
        return False
    reached = declared.roles_until(_stage(machine, topology), topology.stage_order)
    return any(isinstance(role, kind) for role in reached)


def _stage(machine: ObservedMachine, topology: Topology) -> str | None:
    stage = machine.marks.get(MARK_STAGE)
    return stage if stage in topology.stage_order else None
