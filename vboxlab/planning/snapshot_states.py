"""What a snapshot holds, as far as it can be known without restoring it: told by its description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from vboxlab.lazily import dataclass
from vboxlab.planning.observed import (
    MARK_DESIRED,
    MARK_STAGE,
    MARK_TOPOLOGY,
    AdapterState,
    Attachment,
    ObservedMachine,
    PowerState,
    SnapshotState,
)
from vboxlab.topology.model import NetworkKind

# Read by people in VirtualBox's window too.
_FORM = re.compile(r"topology (?P<topology>\S+), stage (?P<stage>\S+), state (?P<desired>\S+); adapters: (?P<plugs>.*)")
_NOTHING = "none"
_TOLD = (MARK_TOPOLOGY, MARK_STAGE, MARK_DESIRED)
UNPLUGGED = " (unplugged)"


@dataclass(frozen=True)
class SnapshotContent:
    """What a machine was when its snapshot was taken: marks, and what each adapter was plugged into by slot."""

    marks: Mapping[str, str]
    plugs: Mapping[int, str]


def description_of(machine: ObservedMachine) -> str:
    """Return the description for a snapshot of a machine as it is now."""
    topology, stage, desired = (machine.marks.get(mark, _NOTHING) for mark in _TOLD)
    plugs = ", ".join(
        f"{a.slot}={a.attachment}{'' if a.cable else UNPLUGGED}"
        for a in sorted(machine.adapters, key=lambda adapter: adapter.slot)
    )
    return f"topology {topology}, stage {stage}, state {desired}; adapters: {plugs}"


def content_of(snapshot: SnapshotState) -> SnapshotContent | None:
    """Return what a snapshot's description tells; None for a snapshot that something else than vboxlab took."""
    match = _FORM.fullmatch(snapshot.description)
    if match is None:
        return None
    found = {MARK_TOPOLOGY: match["topology"], MARK_STAGE: match["stage"], MARK_DESIRED: match["desired"]}
    plugs: dict[int, str] = {}
    for text in filter(None, match["plugs"].split(", ")):
        slot, _, plug = text.partition("=")
        if slot.isdecimal():
            plugs[int(slot)] = plug
    return SnapshotContent({mark: value for mark, value in found.items() if value != _NOTHING}, plugs)


def would_lose(machine: ObservedMachine, snapshot: str) -> bool:
    """Tell whether going back to a snapshot (its name or id) throws away anything that was done on the machine."""
    found = machine.find_snapshots(snapshot)
    return not (machine.untouched and len(found) == 1 and machine.current_snapshot == found[0].id)


def restored(machine: ObservedMachine, snapshot: str) -> ObservedMachine:
    """Return a machine as it will be, switched off, after going back to a snapshot, as far as that can be known.

    Of a snapshot that something else than vboxlab took, only that the machine then says nothing about its stage.
    """
    content = next((content_of(found) for found in machine.find_snapshots(snapshot)), None)
    kept = {key: value for key, value in machine.marks.items() if key not in _TOLD}
    back = replace(machine, power=PowerState.OFF, marks=kept)
    if content is None:
        return back
    adapters = tuple(_adapter(machine, slot, plug) for slot, plug in sorted(content.plugs.items()))
    return replace(back, marks={**kept, **content.marks}, adapters=adapters)


def _adapter(machine: ObservedMachine, slot: int, plug: str) -> AdapterState:
    now = machine.adapter(slot)
    text = plug.removesuffix(UNPLUGGED)
    cable = not plug.endswith(UNPLUGGED)
    if now is not None and str(now.attachment) == text:
        return replace(now, cable=cable)
    kind, _, name = text.partition(" ")
    known: NetworkKind = next((found for found in get_args(NetworkKind) if found == kind), "internal")
    return AdapterState(slot, Attachment(known, name), now.mac if now else "", cable)
