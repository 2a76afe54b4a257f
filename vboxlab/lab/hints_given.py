"""The hints that a student was given, kept with his lab until it is destroyed: grading takes what they cost.

Restoring snapshots, resetting and grading leave them: what was read is known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vboxlab.errors import LabError, said_by_system
from vboxlab.files import make_private_folder, read_json, write_durably
from vboxlab.language import _
from vboxlab.lazily import dataclass

VERSION = 1


@dataclass(frozen=True)
class GivenHint:
    """A hint that was given: for which question of which topology, what it was told to cost, and when (ISO 8601)."""

    topology: str
    question: str
    cost: float
    at: str


def read_hints(path: Path) -> tuple[GivenHint, ...]:
    """Return the hints that were given, first to last. Raises LabError when the record is damaged."""
    try:
        record = read_json(path)
        if record["version"] != VERSION:
            text = _("{file}: version {version!r}, written by a newer vboxlab")
            raise LabError(text.format(file=path, version=record["version"]))
        return tuple(_given(each) for each in record["hints"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            _("{file}: the hints that were given cannot be read").format(file=path),
            details=[said_by_system(error) if isinstance(error, OSError) else str(error)],
            resolution=_("ask the student which hints he had, then remove that file"),
        ) from None


def note_hint(path: Path, given: Sequence[GivenHint]) -> None:
    """Write down, atomically and flushed to the disk, all hints that were given. Raises LabError when it cannot be."""
    record = {"version": VERSION, "hints": [asdict(each) for each in given]}
    try:
        make_private_folder(path.parent)
        write_durably(path, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        brief = _("{file}: a hint cannot be written down, so it is not given").format(file=path)
        raise LabError(brief, details=[said_by_system(error)]) from error


def _given(record: Any) -> GivenHint:
    cost = float(record["cost"])
    if not (math.isfinite(cost) and cost >= 0):
        raise ValueError(_("{points} points; expected 0 or more").format(points=cost))
    return GivenHint(str(record["topology"]), str(record["question"]), cost, str(record["at"]))
