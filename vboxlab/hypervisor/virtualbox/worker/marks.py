"""Our marks in a machine's extra data: how machines of ours are told from all others.

All of them are one value, JSON under one key, so that they change all at once or not at all, however a process ends. It
names the machine that it was set on: a VM that a user cloned from ours has a copy of the value, and is not ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from typing import Any

from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told
from vboxlab.lazily import dataclass

KEY = "vboxlab/marks"
LAB = "lab"
# Snapshots restore settings but not extra data, so each keeps the marks of its moment in its description.
SNAPSHOT_MARKS = "\n[vboxlab marks] "


@dataclass(frozen=True)
class Label:
    """What is written on a machine of ours; empty on all others."""

    id: str = ""  # the machine that this was written on
    image: str = ""  # which image the machine is
    source: str = ""  # which image it is a linked clone of
    marks: dict[str, str] = field(default_factory=dict)


def read_label(machine: Any) -> Label:
    """Return a machine's label, an empty one when it has none of its own."""
    text = str(machine.getExtraData(KEY) or "")
    return parse_label(text, str(machine.id)) if text else Label()


def label_in(extra_data: Mapping[str, str], machine: str) -> Label:
    """Return the label in the extra data of the machine of a UUID, an empty one when it has none of its own."""
    return parse_label(extra_data.get(KEY, ""), machine)


def are_damaged(machine: Any) -> bool:
    """Tell whether a machine has a label that cannot be read: it may be ours, so it counts as somebody else's."""
    text = str(machine.getExtraData(KEY) or "")
    return bool(text) and _parse(text) is None


def parse_label(text: str, machine: str) -> Label:
    """Return the label in a text, an empty one when it is none, or was not written on the machine of that UUID."""
    label = _parse(text)
    return label if label is not None and label.id == machine else Label()


def _parse(text: str) -> Label | None:
    try:
        label = Label(**json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (label.id, label.image, label.source)
    return label if all(isinstance(each, str) for each in texts) and _is_marks(label.marks) else None


def _is_marks(found: object) -> bool:
    return isinstance(found, dict) and all(isinstance(text, str) for pair in found.items() for text in pair)


def write_label(machine: Any, label: Label) -> None:
    """Write a label on the machine that it names, which must be locked, or not be registered yet: it is saved at once.

    The same label is the same text, which VirtualBox does not write again.
    """
    machine.setExtraData(KEY, json.dumps(asdict(label), ensure_ascii=True, sort_keys=True))


def read_marks(machine: Any) -> dict[str, str]:
    """Return a machine's marks."""
    return read_label(machine).marks


def change_marks(machine: Any, marks: Mapping[str, str | None]) -> None:
    """Set marks of a locked machine; None removes one, those not named stay."""
    label = read_label(machine)
    merged = {**label.marks, **marks}
    write_label(machine, replace(label, marks={name: value for name, value in merged.items() if value is not None}))


def check_ours(machine: Any) -> dict[str, str]:
    """Return a machine's marks. Raises Failure unless it carries a lab's mark."""
    own = read_marks(machine)
    if not own.get(LAB):
        raise Failure("not-ours", Told("not-ours", {"machine": str(machine.name)}))
    return own


def describe_with_marks(description: str, marks: Mapping[str, str]) -> str:
    """Return a snapshot's description with the marks behind the human part."""
    return description + SNAPSHOT_MARKS + json.dumps(dict(marks), ensure_ascii=True, sort_keys=True)


def split_description(text: str) -> tuple[str, dict[str, str] | None]:
    """Return the human part of a snapshot's description, and the marks it holds (None: not one of ours)."""
    human, found, encoded = text.partition(SNAPSHOT_MARKS)
    if not found:
        return text, None
    try:
        marks = json.loads(encoded)
    except (ValueError, RecursionError):
        return text, None
    return (human, marks) if _is_marks(marks) else (text, None)
