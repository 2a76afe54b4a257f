"""What the holes of a text mean where it stands: parameters of its file, and the names of a `for each` around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from vboxlab.lazily import dataclass
from vboxlab.topology.problems import Place, Position, Turn
from vboxlab.topology.source import Spot

# Stands for the value of a parameter whose declaration is wrong, so that only the declaration is reported.
UNKNOWN_VALUE = "x"


@dataclass(frozen=True)
class Scope:
    """The names that holes may have, with the values of those that have one, and what each may be at all."""

    names: tuple[str, ...]
    values: Mapping[str, str]
    choices: Mapping[str, tuple[str, ...]]
    local: Mapping[str, str] = field(default_factory=dict)  # what the file says for the names that only it knows
    counted: frozenset[str] = frozenset()  # names that stand for numbers
    turn: Turn | None = None
    repeats: bool = False  # whether a `for each` of the same file stands around
    part: str = ""

    @property
    def fillings(self) -> Mapping[str, str]:
        """Return what each name is replaced by."""
        return {**dict.fromkeys(self.names, UNKNOWN_VALUE), **self.values}

    def within(self, names: Mapping[str, str]) -> Scope:
        """Return the scope inside one turn of a `for each`."""
        return replace(
            self,
            names=(*self.names, *names),
            values={**self.values, **names},
            local={**self.local, **names},
            counted=self.counted | {name for name, value in names.items() if value.isdecimal()},
        )

    def making(self, names: Mapping[str, str], place: Place) -> Scope:
        """Return the scope with the place of what a turn makes."""
        around = self.turn.names if self.turn is not None else {}  # of the `for each` that uses a part
        return replace(self, turn=Turn({**around, **names}, place), repeats=True)

    def position(self, position: Position) -> Position:
        """Return a position as that of something made here."""
        return position if self.turn is None else replace(position, turn=self.turn)

    def spot(self, spot: Spot) -> Spot:
        """Return a spot as that of something made here."""
        if self.turn is None:
            return spot
        key, used = (each if each is None else self.position(each) for each in (spot.key, spot.used))
        return Spot(key, self.position(spot.value), used)
