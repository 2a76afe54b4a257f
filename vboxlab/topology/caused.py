"""What every measure has: a machine that looks, and what is done while it looks."""

from __future__ import annotations

from pydantic import Field

from vboxlab.topology.fault_sequences import Cause, FaultOrFaults, all_logins, told_in_order
from vboxlab.topology.step import Step


class CausedStep(Step):
    """A step in which something is done to the lab while a machine watches a service."""

    source: str = Field(alias="from")
    cause: Cause = Field(description="what is done while it is sampled; of a list, each `at` its seconds")

    @property
    def causes(self) -> tuple[FaultOrFaults, ...]:
        """Return what is done, in no particular order."""
        return self.cause if isinstance(self.cause, tuple) else (self.cause,)

    @property
    def logins(self) -> tuple[str, ...]:
        """Return the machine that watches, and those in whose guests something is done to the lab."""
        return (self.source, *all_logins(self.causes))

    @property
    def cause_words(self) -> str:
        """Return what is done, in its order."""
        return told_in_order(self.cause) if isinstance(self.cause, tuple) else self.cause.describe()
