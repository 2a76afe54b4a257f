"""What is asked before work is thrown away: once for each lab, or once for all copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vboxlab.errors import LabError
from vboxlab.lab.context import Confirm
from vboxlab.operations.door import Door
from vboxlab.topology.addressing import LabName


def asking(door: Door, *, yes: bool) -> Confirm:
    """Return what asks for one lab when there is something to ask; with `yes` all is agreed to."""

    def ask(_lab: LabName, question: str) -> None:
        if not yes:
            door.confirm(question)

    return ask


def ask_for_all(
    door: Door,
    losses: Mapping[LabName, Sequence[str]],
    *,
    yes: bool,
    doing: str = "throw away what was done in",
    kept: str = "",
) -> Confirm:
    """Ask once for all labs that would lose work, and return what agrees for those and for no other.

    `losses` are the machines' names by lab; `kept` says in words what is done for them first.
    """
    losing = {lab: names for lab, names in losses.items() if names}
    if losing and not yes:
        machines = [f"{lab.copy}/{name}" if lab.copy else name for lab, names in losing.items() for name in names]
        of = f"lab {next(iter(losing))}" if len(losing) == 1 else f"{len(losing)} labs"
        door.confirm(f"{doing} {of}{kept} ({shortened(machines)})?")

    def agreed(lab: LabName, question: str) -> None:
        if not yes and lab not in losing:
            raise LabError(
                f"lab {lab}: will not {question.removesuffix('?')}: it was not in use when that was asked",
                resolution="do it again, and you are asked again",
            )

    return agreed


def shortened(names: Sequence[str], most: int = 12) -> str:
    """Return names in a line, the first ones only where there are many."""
    return ", ".join(names[:most]) + (f", … {len(names) - most} more" if len(names) > most else "")
