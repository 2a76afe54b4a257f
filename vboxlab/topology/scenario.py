"""What a topology says about its proof: checks, faults and measurements with their limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters


class Step(Parameters):
    """What every step of a scenario has."""

    title: str = ""
    when: dict[str, str] = Field(default_factory=dict, description="run only when parameters have these values")
    within: float = Field(default=15.0, gt=0, description="seconds that the step may be retried, times --time-scale")


class PingCheck(Step):
    """One machine reaches others (machine names or addresses) by ICMP."""

    check: Literal["ping"]
    source: str = Field(alias="from")
    to: tuple[str, ...]


ScenarioStep = Annotated[PingCheck, Field()]


class Scenario(Parameters):
    """An ordered run of checks and measured faults."""

    steps: tuple[ScenarioStep, ...] = ()
