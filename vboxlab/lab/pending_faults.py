"""Faults that a verification has made and not undone yet, written down before each is made.

What is left there when vboxlab was killed is told by `plan`, and undone by the next `up` or `verify`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any

from vboxlab.errors import LabError, said_by_system
from vboxlab.files import make_private_folder, remove_durably, write_durably
from vboxlab.language import _
from vboxlab.lazily import dataclass

VERSION = 1


@dataclass(frozen=True)
class PendingFault:
    """A fault in force: what is not as it was, in words, and the step of the scenario that made it so.

    `handles` are those of its machines, as far as they are known: one that is made anew does not have the fault.
    """

    words: str
    step: Mapping[str, Any]
    handles: Mapping[str, str] = field(default_factory=dict)


def read_faults(path: Path) -> tuple[PendingFault, ...]:
    """Return the faults that are in force, in the order of their making. Raises LabError when the record is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["version"] != VERSION:
            text = _("{file}: version {version!r}, written by a newer vboxlab")
            raise LabError(text.format(file=path, version=record["version"]))
        return tuple(
            PendingFault(str(each["words"]), dict(each["step"]), dict(each.get("handles", {})))
            for each in record["faults"]
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            _("{file}: the faults of a verification cannot be read").format(file=path),
            details=[str(error)],
            resolution=_("look whether the lab is as it should be, then remove that file"),
        ) from None


def faults_in_lines(path: Path) -> tuple[str, ...]:
    """Say in a line each which faults are in force; where their record is damaged, that it cannot be read."""
    try:
        faults = read_faults(path)
    except LabError as error:
        return (error.brief,)
    return tuple(_("a fault is in force: {fault}").format(fault=each.words) for each in faults)


def write_faults(path: Path, faults: Sequence[PendingFault]) -> None:
    """Write down, atomically and flushed to the disk, which faults are in force; without any the record goes.

    Raises LabError where it cannot be written.
    """
    if not faults:
        remove_durably(path)
        return
    said = [{"words": each.words, "step": dict(each.step), "handles": dict(each.handles)} for each in faults]
    record = {"version": VERSION, "faults": said}
    try:
        make_private_folder(path.parent)
        write_durably(path, json.dumps(record, ensure_ascii=False))
    except OSError as error:
        brief = _("{file}: a fault cannot be written down, so it is not made").format(file=path)
        raise LabError(brief, details=[said_by_system(error)]) from error


def forget_restored(path: Path, machine: str, *, lines_stay: bool) -> None:
    """Strike out the faults that a restore of a machine has ended: all but those of its network.

    With `lines_stay`, the hypervisor keeps how bad its lines are. A record that cannot be read or written stays as it
    is: to undo what is not there does no harm.
    """
    stays = {"partition", "impair"} if lines_stay else {"partition"}
    with suppress(LabError):
        there = read_faults(path)
        left = [each for each in there if each.step.get("machine") != machine or each.step.get("fault") in stays]
        if len(left) < len(there):
            write_faults(path, left)


def told(faults: Sequence[PendingFault], topology: str) -> tuple[str, ...]:
    """Say in a note what a verification has left, and what undoes it; nothing where there is nothing."""
    if not faults:
        return ()
    words = "; ".join(each.words for each in faults)
    text = _("a verification was broken off, and this is still in force: {faults}; `vboxlab up {topology}` undoes it")
    return (text.format(faults=words, topology=topology),)
