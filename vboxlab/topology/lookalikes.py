"""Characters that are not what they look like, told of lines in which something else is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.invisible import strays_of_lines
from vboxlab.language import _
from vboxlab.topology.problems import Position, Problem


def lookalikes(text: str, problems: Iterable[Problem]) -> list[Problem]:
    """Return what is to be added to the problems of a file with this text: what cannot be seen in their lines.

    YAML takes such characters for letters; what is wrong in a line is mostly their doing.
    """
    lines = {problem.position.line for problem in problems if not problem.position.file}
    return [
        Problem(
            "invisible-character",
            Position(stray.line, stray.column),
            _("here stands {character}; expected a character of the keyboard").format(character=stray.shown),
        )
        for stray in strays_of_lines(text, lines)
    ]
