"""What a snapshot holds, as far as it can be known without restoring it: told by its description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vboxlab.planning.observed import MARK_DESIRED, MARK_STAGE, MARK_TOPOLOGY, ObservedMachine, SnapshotState

# Read by people in VirtualBox's window too.
_FORM = re.compile(r"topology (?P<topology>\S+), stage (?P<stage>\S+), state (?P<desired>\S+); adapters: (?P<plugs>.*)")
_NOTHING = "none"


@dataclass(frozen=True)
class SnapshotContent:
    """What a machine was when its snapshot was taken: marks, and what each adapter was plugged into by slot."""

    marks: Mapping[str, str]
    plugs: Mapping[int, str]


def description_of(machine: ObservedMachine) -> str:
    """Return the description for a snapshot of a machine as it is now."""
    topology, stage, desired = (machine.marks.get(mark, _NOTHING) for mark in (MARK_TOPOLOGY, MARK_STAGE, MARK_DESIRED))
    plugs = ", ".join(
        f"{a.slot}={a.attachment}{'' if a.cable else ' (unplugged)'}"
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
