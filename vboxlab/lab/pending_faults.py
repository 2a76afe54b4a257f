"""Faults that a verification has made and not undone yet, written down before each is made.

What is left there when vboxlab was killed is told by `plan`, and undone by the next `up` or `verify`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vboxlab.errors import LabError, said_by_system
from vboxlab.files import make_private_folder, remove_durably, write_durably
from vboxlab.language import _
from vboxlab.lazily import dataclass

VERSION = 1


@dataclass(frozen=True)
class PendingFault:
    """A fault in force: what is not as it was, in words, and the step of the scenario that made it so."""

    words: str
    step: Mapping[str, Any]


def read_faults(path: Path) -> tuple[PendingFault, ...]:
    """Return the faults that are in force, in the order of their making. Raises LabError when the record is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return tuple(PendingFault(str(each["words"]), dict(each["step"])) for each in record["faults"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            _("{file}: the faults of a verification cannot be read").format(file=path),
            details=[str(error)],
            resolution=_("look whether the lab is as it should be, then remove that file"),
        ) from None


def write_faults(path: Path, faults: Sequence[PendingFault]) -> None:
    """Write down, atomically and flushed to the disk, which faults are in force; without any the record goes.

    Raises LabError where it cannot be written.
    """
    if not faults:
        remove_durably(path)
        return
    record = {"version": VERSION, "faults": [{"words": each.words, "step": dict(each.step)} for each in faults]}
    try:
        make_private_folder(path.parent)
        write_durably(path, json.dumps(record, ensure_ascii=False))
    except OSError as error:
        brief = _("{file}: a fault cannot be written down, so it is not made").format(file=path)
        raise LabError(brief, details=[said_by_system(error)]) from error


def told(faults: Sequence[PendingFault], topology: str) -> tuple[str, ...]:
    """Say in a note what a verification has left, and what undoes it; nothing where there is nothing."""
    if not faults:
        return ()
    words = "; ".join(each.words for each in faults)
    text = _("a verification was broken off, and this is still in force: {faults}; `vboxlab up {topology}` undoes it")
    return (text.format(faults=words, topology=topology),)
