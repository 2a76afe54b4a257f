"""What the holes of a text mean where it stands: the parameters that are in force there."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.lazily import dataclass

# Stands for the value of a parameter whose declaration is wrong, so that only the declaration is reported.
UNKNOWN_VALUE = "x"


@dataclass(frozen=True)
class Scope:
    """The names that holes may have, with the values of those that have one, and what each may be at all."""

    names: tuple[str, ...]
    values: Mapping[str, str]
    choices: Mapping[str, tuple[str, ...]]

    @property
    def fillings(self) -> Mapping[str, str]:
        """Return what each name is replaced by."""
        return {**dict.fromkeys(self.names, UNKNOWN_VALUE), **self.values}
