"""A part that a topology uses several times: its uses must not make one thing out of what was meant as two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.growth import NAMED
from vboxlab.topology.parts import PART, Use
from vboxlab.topology.places import describe
from vboxlab.topology.problems import Place, Position, Problem
from vboxlab.topology.tree import Node, entries_of, values


@dataclass(frozen=True)
class Made:
    """What one use of a part makes, by section, and where the topology uses it."""

    use: Use
    position: Position
    sections: Mapping[str, Node]


def collision(made: Made, earlier: Made, place: Place) -> Problem | None:
    """Return what keeps two uses of one part apart no longer; None when nothing does.

    What both make in the same words is one thing that they share, such as a network to the Internet. `place` is that
    of the later use.
    """
    line = earlier.position.line
    if made.use.scope.values == earlier.use.scope.values:
        text = _("part `{part}` stands here with the same values as on line {line}; expected it once, or another value")
        message = text.format(part=made.use.scope.part, line=line)
        return Problem("part-twice", made.position, message, (*place, PART))
    for section in NAMED:
        first = entries_of(earlier.sections.get(section))
        for name, node in entries_of(made.sections.get(section)).items():
            if name not in first or values(node) == values(first[name]):
                continue
            text = _(
                "part `{part}` makes {what} here, and another of this name on line {line}; expected a name with a "
                "parameter of the part in it (line {written})"
            )
            written = replace(node.spot.key or node.spot.value, turn=None)
            message = text.format(
                part=made.use.scope.part, what=describe((section, name), None), line=line,
                written=written.line_seen_from(made.position, ""),
            )  # fmt: skip
            return Problem("part-twice", made.position, message, (*place, PART))
    return None
