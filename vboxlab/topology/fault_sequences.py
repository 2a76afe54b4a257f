"""Several faults in time order, and random ones that can be repeated by their seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from vboxlab.language import N_, _
from vboxlab.topology.fault_step import FaultStep
from vboxlab.topology.faults import Fault
from vboxlab.topology.step import Seconds

SEEDS = 2**32


def all_machines(faults: Iterable[FaultStep]) -> tuple[str, ...]:
    """Return the machines of some faults, each once, in the order named."""
    return tuple(dict.fromkeys(machine for fault in faults for machine in fault.machines))


def all_logins(faults: Iterable[FaultStep]) -> tuple[str, ...]:
    """Return the machines in whose guests some faults are made, each once, in the order named."""
    return tuple(dict.fromkeys(machine for fault in faults for machine in fault.logins))


def in_time_order(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Return faults as they are made: by `at`, those of one moment as they are listed."""
    return tuple(sorted(faults, key=lambda fault: fault.at))


class TogetherFault(FaultStep):
    """Make several faults, each `at` its seconds after the step begins; they stay in force as others do."""

    fault: Literal["together"]
    faults: tuple[Fault, ...] = Field(min_length=1, description="in what order they are made is told by their `at`")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that suffer."""
        return all_machines(self.faults)

    @property
    def logins(self) -> tuple[str, ...]:
        """Return the machines in whose guests it is done."""
        return all_logins(self.faults)

    def summary(self) -> str:
        """Return what happens."""
        return told_in_order(self.faults)


class ChaosFault(FaultStep):
    """Draw so many faults from a list; each is in force for `every` seconds and undone before the next one is made."""

    fault: Literal["chaos"]
    among: tuple[Fault, ...] = Field(min_length=1, description="what is drawn from, as often as it comes")
    count: int = Field(default=3, ge=1, le=1000, description="how many are drawn")
    every: Seconds = Field(default=5.0, description="seconds that each is in force, times --time-scale")
    seed: int | None = Field(
        default=None, ge=0, lt=SEEDS, description="the same seed draws the same again; default: one is drawn and told"
    )

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that may suffer."""
        return all_machines(self.among)

    @property
    def logins(self) -> tuple[str, ...]:
        """Return the machines in whose guests it may be done."""
        return all_logins(self.among)

    @model_validator(mode="after")
    def _moments_are_told_once(self) -> Self:
        if any(fault.at for fault in self.among):
            raise ValueError(_("`at` has no meaning among random faults: `every` tells when they are made"))
        return self

    def drawn(self, seed: int) -> tuple[Fault, ...]:
        """Return the faults that a seed draws, in their order: the same ones for ever (random.Random.random)."""
        dice = random.Random(seed)  # noqa: S311 -- to be repeated, not to be kept secret
        return tuple(self.among[int(dice.random() * len(self.among))] for _number in range(self.count))

    def summary(self) -> str:
        """Return what happens."""
        text = _("{count} of these at random: {faults}")
        return text.format(count=self.count, faults="; ".join(fault.describe() for fault in self.among))


def told_in_order(faults: Sequence[Fault]) -> str:
    """Say which faults are made, and when, in a line."""
    text = _("{fault} ({seconds:g} s later)")
    told = [(fault.describe(), fault.at) for fault in in_time_order(faults)]
    return "; ".join(text.format(fault=words, seconds=at) if at else words for words, at in told)


FaultOrFaults = Annotated[Fault | TogetherFault | ChaosFault, Field(discriminator="fault")]
"""What may stand for a fault."""


def _one_or_several(value: Any) -> str | None:
    """Return whether a cause is one mapping or a list: the tag is no key of it, so that locations stay clear."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "<several>"
    return "<one>" if isinstance(value, Mapping | FaultStep) else None


Cause = Annotated[
    Annotated[FaultOrFaults, Tag("<one>")] | Annotated[tuple[Fault, ...], Field(min_length=1), Tag("<several>")],
    Discriminator(
        _one_or_several,
        custom_error_type="cause",
        custom_error_message=N_("expected a fault, or a list of faults"),
    ),
]
"""What a measure does while it samples: a fault, or a list of them with `at` seconds each."""


def elementary(steps: Iterable[FaultOrFaults]) -> Iterator[Fault]:
    """Yield every single fault that some steps may make."""
    for step in steps:
        if isinstance(step, TogetherFault):
            yield from step.faults
        elif isinstance(step, ChaosFault):
            yield from step.among
        else:
            yield step


def first_of(cause: Cause) -> Fault | None:
    """Return the fault that a cause makes first, None where a seed tells."""
    if isinstance(cause, TogetherFault):
        return in_time_order(cause.faults)[0]
    if isinstance(cause, ChaosFault):
        return None
    return in_time_order(cause)[0] if isinstance(cause, tuple) else cause
