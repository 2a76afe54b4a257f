"""`for each`: what its names stand for in each turn."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vboxlab.language import _
from vboxlab.topology.places import show
from vboxlab.topology.source import Data

FOR_EACH = "for each"
"""The key of what is repeated."""
MOST_TURNS = 1000
_RANGE = re.compile(r"\s*([0-9]{1,9})\s*\.\.\s*([0-9]{1,9})\s*")


class WrongLoop(Exception):
    """A `for each` cannot be followed; the argument is a sentence for the user."""


def values_of(name: str, given: Data) -> Sequence[str]:
    """Return what a name of a `for each` stands for, turn by turn: a range such as 1..5, or a list.

    1..0 has no turn at all, so that a number of none can be asked for. Raises WrongLoop.
    """
    if isinstance(given, list):
        for place, each in enumerate(given, start=1):
            if not isinstance(each, str):
                text = _("value {number} of `{name}` of `for each` is {value}; expected text")
                raise WrongLoop(text.format(number=place, name=name, value=show(each)))
        return [each for each in given if isinstance(each, str)]
    found = _RANGE.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        text = _("`{name}` of `for each` is {value}; expected a range such as 1..5, or a list such as [alice, bob]")
        raise WrongLoop(text.format(name=name, value=show(given)))
    first, last = int(found[1]), int(found[2])
    if last < first - 1:
        text = _("the range {value} of `for each` runs backwards; expected the lower number first")
        raise WrongLoop(text.format(value=show(given)))
    if last - first >= MOST_TURNS:
        text = _("the range {value} of `for each` has more than {count} turns; expected fewer")
        raise WrongLoop(text.format(value=show(given), count=MOST_TURNS))
    return [str(number) for number in range(first, last + 1)]


def turns_of(given: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Return what the names stand for in each turn; several names go on together. Raises WrongLoop."""
    counts = {name: len(values) for name, values in given.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        text = _("the names of `for each` have different numbers of values ({counts}); expected as many of each")
        raise WrongLoop(text.format(counts=told))
    return [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
