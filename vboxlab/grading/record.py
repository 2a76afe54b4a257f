"""What was graded, as it is kept: one file a copy, and beside it what the teacher changed.

    FOLDER/COPY.json           what the lab showed, written anew each time it is graded
    FOLDER/COPY.changes.json   what the teacher gave instead, which grading never writes

The default instance of a lab has its lab's name in the place of a copy's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from vboxlab.errors import UsageError, said_by_system
from vboxlab.files import make_private_folder, write_durably
from vboxlab.grading.judge import Change, Marks, Shown, settle
from vboxlab.language import _
from vboxlab.planning.observed import ObservedMachine
from vboxlab.topology.grading import Rounding, Scheme
from vboxlab.topology.roles import Parameters

ENDING = ".json"
CHANGES = ".changes.json"
Points = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Graded(Parameters):
    """What one lab showed, and of what it was: `snapshot` is the one graded, "" for the lab as it was.

    `digest`, `scheme` and `snapshot_digest` are those of topology, scheme and snapshot. `lost` says what did not
    survive the reboot that was asked for; `trouble` why nothing could be looked at, "" when it could.
    `graded_at` is ISO 8601 in UTC.
    """

    lab: str
    copy_name: str | None
    topology: str
    digest: str
    scheme: str
    snapshot: str = ""
    snapshot_digest: str = ""
    rebooted: bool = False
    driver: str
    vboxlab: str
    graded_at: str
    seconds: float
    total: float
    rounding: Rounding
    questions: tuple[Shown, ...]
    lost: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def name(self) -> str:
        """Return the copy's name, or the lab's where there is none."""
        return self.copy_name or self.lab

    def marks(self, changes: Mapping[str, Change]) -> Marks:
        """Return the marks, with what a teacher gave instead."""
        return settle(self.questions, self.total, self.rounding, changes)


_changes: TypeAdapter[dict[str, Change]] = TypeAdapter(dict[str, Change])


def scheme_digest(scheme: Scheme) -> str:
    """Return a short digest of a scheme."""
    return hashlib.sha256(scheme.model_dump_json().encode()).hexdigest()[:16]


def snapshot_digest(machines: Mapping[str, ObservedMachine], snapshot: str) -> str:
    """Return a short digest of which snapshots of machines were graded: one taken anew under the name has another."""
    found = [
        (name, each.id, each.taken_at)
        for name, machine in sorted(machines.items())
        for each in machine.find_snapshots(snapshot)
    ]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def keep(graded: Graded, folder: Path) -> Path:
    """Write down what was graded, and return the file. Raises UsageError when it cannot be written."""
    path = folder / f"{graded.name}{ENDING}"
    _write(path, graded.model_dump_json(indent=1))
    return path


def kept(folder: Path) -> dict[str, Graded]:
    """Return what is kept in a folder by the names of copies, in their order. Raises UsageError for a damaged file."""
    paths = sorted(path for path in folder.glob(f"*{ENDING}") if not path.name.endswith(CHANGES))
    return {path.name.removesuffix(ENDING): _graded(path) for path in paths}


def changes_of(folder: Path, name: str) -> dict[str, Change]:
    """Return what a teacher gave a copy instead, by question. Raises UsageError for a damaged file."""
    path = folder / f"{name}{CHANGES}"
    if not path.exists():
        return {}
    try:
        return _changes.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(path, error) from None


def change(folder: Path, name: str, question: str, given: Change | None) -> None:
    """Write down what a teacher gives a copy for a question instead; None takes it back."""
    changes = changes_of(folder, name)
    if given is None:
        changes.pop(question, None)
    else:
        changes[question] = given
    _write(folder / f"{name}{CHANGES}", _changes.dump_json(changes, indent=1).decode())


def _graded(path: Path) -> Graded:
    try:
        return Graded.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> UsageError:
    why = said_by_system(error) if isinstance(error, OSError) else _("it is not what vboxlab wrote")
    return UsageError(
        _("{file} cannot be read: {why}").format(file=path, why=why),
        resolution=_("grade that copy again, or remove the file"),
    )


def _write(path: Path, text: str) -> None:
    try:
        if not path.parent.exists():  # the teacher's own folder stays as it is
            make_private_folder(path.parent)
        write_durably(path, text + "\n")
    except OSError as error:
        raise UsageError(_("{file} cannot be written: {why}").format(file=path, why=said_by_system(error))) from None
