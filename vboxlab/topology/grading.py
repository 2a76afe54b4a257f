"""How a topology is graded: `grading:` has questions, each with its points and with what shows that it is done.

    grading:
      total: 20
      questions:
        - question: network
          title: {en: Addresses, fr: Adresses}
          text: Give both web servers their address, gateway and resolver.
          points: 4
          findings:
            - {on: [srv-web, srv-web-bis], none_of: [interfaces-*, resolver*]}
          steps:
            - {check: ping, from: srv-web, to: 192.168.200.254}
        - question: takeover
          title: The secondary takes over
          points: 4
          depends: [network]
          count: proportional
          steps: [{measure: interruption, …}]
          tiers: [{figure: interruption, at_most: 8, worth: 1}, {figure: interruption, at_most: 15, worth: 0.5}]

Criteria of a question are its findings, that is what `vboxlab check` must not find, and its checks and measures, which
are steps as `verify:` has them; faults among them are only made. Points are counted in quarters.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vboxlab.language import _
from vboxlab.topology.conditions import When, holds
from vboxlab.topology.exercise import Words
from vboxlab.topology.roles import Parameters
from vboxlab.topology.scenario import ScenarioStep
from vboxlab.topology.step import Names

QUARTER = 0.25
QUESTION_NAME = r"^[a-z][a-z0-9-]*$"
Figure = Literal["detection", "takeover", "interruption", "served_after", "longest_gap", "failed", "slow"]


def _in_quarters(points: float) -> float:
    if points % QUARTER:
        raise ValueError(
            _("{points} is not counted in quarters; expected such as 0.25, 1.5 or 2").format(points=points)
        )
    return points


Points = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False), AfterValidator(_in_quarters)]


class Findings(Parameters):
    """What `vboxlab check` must not find on machines: errors and warnings, hints never count."""

    on: Names = Field(description="machines")
    none_of: Names = Field(
        default=("*",),
        description="codes of findings, such as hosts-missing, or with what they are about, such as "
        "file-missing:/etc/hosts; `*` stands for any text",
    )

    def concerns(self, machine: str, code: str, about: str = "") -> bool:
        """Tell whether a finding of a machine is one of those that must not be; `about` is the name of its place."""
        names = (code, f"{code}:{about}")
        return machine in self.on and any(fnmatchcase(name, pattern) for pattern in self.none_of for name in names)


class Tier(Parameters):
    """What a figure that was measured is worth: the best tier that it is within counts."""

    figure: Figure
    at_most: float = Field(ge=0, allow_inf_nan=False, description="seconds or requests, seconds times --time-scale")
    worth: float = Field(gt=0, le=1, description="part of the question's points")


class Hint(Parameters):
    """What a student may ask for, and what it costs him."""

    text: Words
    cost: Points = 0


class Question(Parameters):
    """One part of the exercise, and what it is worth."""

    question: str = Field(pattern=QUESTION_NAME, description="its name in reports and files, never changed")
    title: Words
    text: Words = Field(default="", description="what the sheet asks; never the answer")
    points: Points = Field(gt=0)
    when: When = Field(default_factory=dict, description="asked only when parameters have these values")
    depends: tuple[str, ...] = Field(default=(), description="questions without which this one cannot be judged")
    count: Literal["all", "any", "proportional"] = Field(
        default="all",
        description="all: every criterion must hold; any: one is enough; proportional: points for each that holds",
    )
    findings: tuple[Findings, ...] = ()
    steps: tuple[ScenarioStep, ...] = ()
    tiers: tuple[Tier, ...] = Field(default=(), description="of what the measure measured")
    hints: tuple[Hint, ...] = ()

    @model_validator(mode="after")
    def _is_judged(self) -> Self:
        if not self.findings and not self.steps:
            raise ValueError(_("nothing shows that it is done; expected `findings` or `steps`"))
        if self.tiers and self.count != "all":
            raise ValueError(_("tiers say themselves what is worth how much; expected `count: all`"))
        return self


class Rounding(Parameters):
    """How the sum is rounded, once."""

    to: Literal["quarter", "half", "point"] = "quarter"
    way: Literal["nearest", "up", "down"] = Field(default="nearest", description="nearest: a half goes up")


class Scheme(Parameters):
    """How a topology is graded."""

    total: Points = Field(default=20, description="sum of all points")
    rounding: Rounding = Field(default_factory=Rounding.model_construct)
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]

    def asked(self, values: Mapping[str, str]) -> tuple[Question, ...]:
        """Return the questions that are asked under parameter values, in their order."""
        return tuple(question for question in self.questions if holds(question.when, values))
