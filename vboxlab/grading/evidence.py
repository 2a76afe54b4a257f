"""What one lab showed when it was graded, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from vboxlab.guest.telling import Told
from vboxlab.lazily import dataclass
from vboxlab.topology.roles import Parameters
from vboxlab.verification.report import StepReport


@dataclass(frozen=True)
class Looked:
    """What a check of one machine found; `unseen` says why its guest could not be looked at, "" when it was."""

    findings: tuple[Told, ...] = ()
    unseen: str = ""


class Hinted(Parameters):
    """How many hints were given for a question, and the points that they cost, as they were told to cost then."""

    count: int = 0
    cost: float = 0


@dataclass(frozen=True)
class Evidence:
    """What was looked at: machines by name, and the steps of each question by its name and their place in it.

    A step that was not carried out is not there. `hints` are those that were given, by question; `trouble` is why
    nothing could be looked at at all.
    """

    machines: Mapping[str, Looked] = field(default_factory=dict)
    steps: Mapping[tuple[str, int], StepReport] = field(default_factory=dict)
    hints: Mapping[str, Hinted] = field(default_factory=dict)
    trouble: str = ""
