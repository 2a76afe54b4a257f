"""What the requests of all verbs on labs have in common: which labs, with which driver, how patiently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from vboxlab.errors import UsageError
from vboxlab.lab.copies import Roll, check_name, read_copies
from vboxlab.language import _
from vboxlab.lazily import dataclass

PATIENCE = 600.0  # seconds to wait for a lab that another vboxlab works on
PATIENCE_FOR_COPIES = 10.0  # the same for each of several copies: short, so that the others are not held up


@dataclass(frozen=True)
class Which:
    """Which instances of a lab a verb is about: the default one, one copy, the copies of a roll, or all that exist."""

    copy: str | None = None
    roll: Roll | None = None
    everything: bool = False

    @property
    def several(self) -> bool:
        """Tell whether it is about a set of copies, so that a summary is wanted."""
        return self.roll is not None or self.everything


def which_of(copy: str | None, copies: str | None, *, everything: bool) -> Which:
    """Return which instances of a lab are meant; `copies` is a list or range of names, or a CSV file.

    Raises UsageError when they exclude each other, or one is no name or cannot be read.
    """
    if sum((copy is not None, copies is not None, everything)) > 1:
        raise UsageError(_("--copy, --copies and --all exclude each other"))
    roll = read_copies(copies) if copies is not None else None
    return Which(check_name(copy) if copy is not None else None, roll, everything)


@dataclass(frozen=True, kw_only=True)
class LabRequest:
    """A request to a verb on labs.

    `driver`, `jobs` (actions at once) and `patience` (seconds to wait for a lab that another vboxlab works on) are None
    for what is usual; `values` are those of the topology's parameters.
    """

    which: Which = Which()
    driver: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    jobs: int | None = None
    patience: float | None = None

    @property
    def wait(self) -> float:
        """Return how many seconds to wait for a lab that is in use."""
        if self.patience is not None:
            return self.patience
        return PATIENCE_FOR_COPIES if self.which.several else PATIENCE
