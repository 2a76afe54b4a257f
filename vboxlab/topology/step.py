"""What every step of a scenario has."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from vboxlab.topology.conditions import When, holds
from vboxlab.topology.roles import Parameters


def listed(value: object) -> object:
    """Return a scalar as a list of one, as a topology file may say either."""
    return (value,) if isinstance(value, str | int | IPv4Address) else value


Names = Annotated[tuple[str, ...], BeforeValidator(listed), Field(min_length=1)]
"""One name or a list of them."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Step(Parameters):
    """What every step of a scenario has."""

    title: str = Field(
        default="", description="what the step shows, in the teacher's words; default: made from the step"
    )
    when: When = Field(default_factory=dict, description="run only when parameters have these values")
    within: Seconds = Field(
        default=15.0, description="seconds that the step may be retried, times --time-scale; 0: one attempt"
    )
    severity: Literal["failure", "warning"] = Field(
        default="failure", description="what it means when the step fails; a warning does not fail the lab"
    )
    note: str = Field(default="", description="explanation printed with the result")

    def applies(self, values: Mapping[str, str]) -> bool:
        """Tell whether the step is to be run under the parameter values in force."""
        return holds(self.when, values)

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines of the topology that the step needs, in the order named."""
        return ()

    @property
    def logins(self) -> tuple[str, ...]:
        """Return those of them in whose guests something is done, so that vboxlab must be able to log in there."""
        return self.machines

    def describe(self) -> str:
        """Return what the step shows in one line: the title, or one made from the parameters."""
        return self.title or self.summary()

    def summary(self) -> str:
        """Return what the step does, made from its parameters."""
        raise NotImplementedError


class CheckStep(Step):
    """What every check has."""

    persist: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        default=(), description="machines to reboot once it holds; it must hold again afterwards"
    )

    @property
    def logins(self) -> tuple[str, ...]:
        """Return the machines that look, and those that are rebooted from within."""
        return (*self.machines, *self.persist)
