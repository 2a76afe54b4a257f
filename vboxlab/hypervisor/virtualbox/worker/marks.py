"""Our marks in a machine's extra data: how machines of ours are told from all others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure

PREFIX = "vboxlab/"
IMAGE = "vboxlab/image"  # on a VM that is an image: the image's name
FROM = "vboxlab/from"  # on a linked clone: the name of its image
RESERVED = frozenset({IMAGE, FROM})
EMPTY = "(empty)"  # VirtualBox takes an empty value for the wish to remove the key
LAB = "vboxlab/lab"
COPY = "vboxlab/copy"
# Snapshots restore settings but not extra data, so each keeps the marks of its moment in its description.
SNAPSHOT_MARKS = "\n[vboxlab marks] "


def read_marks(connection: Connection, machine: Any) -> dict[str, str]:
    """Return our marks of a machine, without the prefix and without those that the driver keeps for itself."""
    return {
        key[len(PREFIX) :]: _decode(str(machine.getExtraData(key)))
        for key in connection.array(machine, "extraDataKeys")
        if key.startswith(PREFIX) and key not in RESERVED
    }


def _decode(value: str) -> str:
    return "" if value == EMPTY else value


def write_marks(machine: Any, marks: Mapping[str, str | None]) -> None:
    """Set marks; None removes one. The machine must be locked, or not be registered yet."""
    for name, value in marks.items():
        machine.setExtraData(PREFIX + name, "" if value is None else value or EMPTY)


def replace_marks(connection: Connection, machine: Any, marks: Mapping[str, str]) -> None:
    """Give a machine exactly these marks."""
    gone: dict[str, str | None] = {name: None for name in read_marks(connection, machine) if name not in marks}
    write_marks(machine, {**gone, **marks})


def check_ours(machine: Any) -> None:
    """Raise Failure unless the machine carries a lab's mark."""
    if not machine.getExtraData(LAB):
        raise Failure("not-ours", f"{machine.name} is no machine of vboxlab's: it is left alone")


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
    except ValueError:
        return text, None
    return human, {str(name): str(value) for name, value in marks.items()}
