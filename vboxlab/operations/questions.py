"""What is asked before work is thrown away: once for each lab, or once for all copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vboxlab.errors import LabError
from vboxlab.lab.context import Confirm
from vboxlab.language import N_, _, n_
from vboxlab.operations.door import Door
from vboxlab.topology.addressing import LabName


class Question(NamedTuple):
    """What is asked of `{machines}` of one `{lab}`, and of several, `{count}`; both marked for translation."""

    one: str
    several: str


DONE_IN = Question(
    N_("throw away what was done in lab {lab} ({machines})?"),
    N_("throw away what was done in {count} labs ({machines})?"),
)


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
    question: Question = DONE_IN,
    snapshot: str = "",
) -> Confirm:
    """Ask once for all labs that would lose work, and return what agrees for those and for no other.

    `losses` are the machines' names by lab; `snapshot` is the one that a question names.
    """
    losing = {lab: names for lab, names in losses.items() if names}
    if losing and not yes:
        machines = [f"{lab.copy}/{name}" if lab.copy else name for lab, names in losing.items() for name in names]
        form = question.one if len(losing) == 1 else question.several
        text, first = _(form), next(iter(losing))
        door.confirm(text.format(lab=first, count=len(losing), machines=shortened(machines), snapshot=snapshot))

    def agreed(lab: LabName, asked: str) -> None:
        if not yes and lab not in losing:
            what = asked.removesuffix("?").rstrip()
            raise LabError(
                _("lab {lab}: will not {what}: it was not in use when that was asked").format(lab=lab, what=what),
                resolution=_("do it again, and you are asked again"),
            )

    return agreed


def shortened(names: Sequence[str], most: int = 12) -> str:
    """Return names in a line, the first ones only where there are many."""
    shown, others = ", ".join(names[:most]), len(names) - most
    if others <= 0:
        return shown
    return n_("{names}, … {count} more", "{names}, … {count} more", others).format(names=shown, count=others)
