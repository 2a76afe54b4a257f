"""What a topology says about its proof: checks, faults and measurements with their limits.

A step of `verify:` is a mapping with one of the keys `check:`, `fault:`, `measure:` or `invariant:`, whose value is the
kind. Steps are carried out in their order; invariants are watched from the run's beginning to its end, wherever they
stand:

    - {check: page, from: client, url: "http://192.168.200.5", contains: Srv-Web, times: 10}
    - {fault: unplug, machine: srv-web, slot: 1}
    - measure: interruption
      from: client
      url: http://192.168.200.5
      cause: {fault: power-off, machine: srv-web}
      served_by: [srv-web-bis]
      limits: {interruption: 15}
    - {invariant: one-holder, address: 192.168.200.5, on: [srv-web, srv-web-bis], from: client}

A cause may be a list of faults, each `at` some seconds.
Times are seconds. All durations of a step are stretched by --time-scale when the scenario runs, or by how slow the
guests are; of limits only what is beyond the programs' own waiting, such as deadtime. Numbers of requests never are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from vboxlab.errors import UsageError
from vboxlab.language import N_, _
from vboxlab.topology.asking import Asking
from vboxlab.topology.caused import CausedStep
from vboxlab.topology.check_interface import OutsideCheck
from vboxlab.topology.check_registry import any_check
from vboxlab.topology.checks import Check
from vboxlab.topology.fault_sequences import FaultOrFaults, all_machines
from vboxlab.topology.fault_step import FaultStep
from vboxlab.topology.invariants import Invariant, InvariantStep
from vboxlab.topology.roles import Parameters
from vboxlab.topology.step import Names, Seconds
from vboxlab.topology.writes import Writes

if TYPE_CHECKING:
    AnyCheck = Check | OutsideCheck
else:
    AnyCheck = any_check()


class Limits(Parameters):
    """Limits of what is measured. Times (seconds) are stretched by --time-scale, numbers of requests are not."""

    detection: Seconds | None = Field(default=None, description="cause -> the peer says that the machine is dead")
    takeover: Seconds | None = Field(default=None, description="said dead -> the page is served again")
    interruption: Seconds | None = Field(default=None, description="page gone -> served steadily by served_by")
    served_after: Seconds | None = Field(default=None, description="cause -> first good answer by served_by")
    longest_gap: Seconds | None = Field(default=None, description="longest time without a good answer at all")
    failed: int | None = Field(default=None, ge=0, description="requests begun after the cause that got no good answer")
    slow: int | None = Field(default=None, ge=0, description="good answers slower than slow_after")


# What Heartbeat's scripts and the service manager log on the way: one line each of a take-over as the practical has it.
HEARTBEAT_STAGES = {
    N_("resources taken over"): "Acquiring resource group",
    N_("address set"): "INFO: eval ifconfig",
    N_("service asked to start"): "info: Running /etc/init.d/",
    N_("service started"): "systemd[1]: Started ",
}


class Detection(Parameters):
    """Where the moment of detection is read: a line of a machine's journal that names the dead node."""

    on: str = Field(description="machine whose journal is read")
    node: str = Field(description="machine whose death is reported")
    pattern: str = Field(
        default="node {}: is dead", description="text of the line; {} stands for the node's host name (Heartbeat's)"
    )
    stages: dict[str, str] = Field(
        default_factory=lambda: dict(HEARTBEAT_STAGES),
        description="steps of the take-over, by name: text of the line that tells of each (Heartbeat's)",
    )


class Measure(Asking, CausedStep):
    """A page, or what else a client asks, sampled from a machine around a fault, and how long it was gone."""

    measure: Literal["interruption", "failback"]
    served_by: Names = Field(description="machines that must serve afterwards, told by their pages or by `told_by`")
    told_by: dict[str, str] = Field(
        default_factory=dict,
        description="by machine, the text in an answer (header, page, banner, address) that tells it from the others",
    )
    every: float = Field(default=0.1, ge=0.01, le=10, description="seconds between requests, times --time-scale")
    timeout: Seconds = Field(default=2.0, gt=0, description="per request, times --time-scale")
    slow_after: Seconds = Field(default=1.5, gt=0, description="a slower answer counts as slow; times --time-scale")
    before: Seconds = Field(default=2.0, description="seconds of good answers before the cause, times --time-scale")
    observe: Seconds = Field(default=3.0, description="seconds of steady service afterwards, times --time-scale")
    within: Seconds = Field(default=60.0, description="seconds that served_by have to answer, times --time-scale")
    detection: Detection | None = None
    limits: Limits = Field(default_factory=Limits.model_construct)

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that sample, suffer and serve."""
        detecting = (self.detection.on, self.detection.node) if self.detection else ()
        return (self.source, *all_machines(self.causes), *self.served_by, *detecting)

    @property
    def logins(self) -> tuple[str, ...]:
        """Return the machine that samples, the one whose journal is read, and those in whose guests faults are made."""
        return (*super().logins, *((self.detection.on,) if self.detection else ()))

    def summary(self) -> str:
        """Return what is measured."""
        if self.measure == "interruption":
            text = _("interruption of {url} when {cause}")
        else:
            text = _("failback of {url} when {cause}")
        return text.format(url=self.asked, cause=self.cause_words)

    @model_validator(mode="after")
    def _servers_are_told_apart(self) -> Self:
        lacking = [machine for machine in self.served_by if machine not in self.told_by]
        if self.told_by and lacking:
            text = _("`told_by` lacks {machines} of `served_by`")
            raise ValueError(text.format(machines=", ".join(lacking)))
        if not self.told_by and len(self.served_by) > 1 and not self.is_page:
            raise ValueError(_("several servers of {url} are told apart by `told_by`").format(url=self.asked))
        return self

    @model_validator(mode="after")
    def _detection_is_measured(self) -> Self:
        wanted = self.limits.detection is not None or self.limits.takeover is not None
        if wanted and self.detection is None:
            raise ValueError(_("limits of detection and takeover need `detection: {on: MACHINE, node: MACHINE}`"))
        return self


def _family(value: Any) -> str | None:
    """Return which family a step belongs to: the tag is no key of the step, so that locations stay clear."""
    has = value.__contains__ if isinstance(value, Mapping) else lambda key: hasattr(value, key)
    return next((f"<{family}>" for family in ("measure", "check", "fault", "invariant") if has(family)), None)


AnyMeasure = Annotated[Measure | Writes, Field(discriminator="measure")]
CarriedOut = AnyCheck | FaultOrFaults | AnyMeasure
"""A step with a beginning and an end, which invariants are not."""
_STEP = Discriminator(
    _family,
    custom_error_type="step_family",
    custom_error_message=N_("expected a step with one of the keys check, fault, measure, invariant"),
)


def any_step(check: Any) -> Any:
    """Return the type of a step, given that of a check."""
    return Annotated[
        Annotated[check, Tag("<check>")]
        | Annotated[FaultOrFaults, Tag("<fault>")]
        | Annotated[AnyMeasure, Tag("<measure>")]
        | Annotated[Invariant, Tag("<invariant>")],
        _STEP,
    ]


if TYPE_CHECKING:
    ScenarioStep = AnyCheck | FaultOrFaults | AnyMeasure | Invariant
else:
    ScenarioStep = any_step(AnyCheck)


def kind_of(step: ScenarioStep) -> tuple[Literal["check", "fault", "measure", "invariant"], str]:
    """Return which family a step is of, and what it is called there: ping, power-off, interruption."""
    if isinstance(step, InvariantStep):
        return "invariant", str(step.invariant)
    if isinstance(step, Measure | Writes):
        return "measure", str(step.measure)
    return ("fault", str(step.fault)) if isinstance(step, FaultStep) else ("check", str(step.check))


class Scenario(Parameters):
    """An ordered run of checks and measured faults."""

    steps: tuple[ScenarioStep, ...] = ()

    def applying(self, values: Mapping[str, str]) -> tuple[ScenarioStep, ...]:
        """Return the steps that apply under parameter values; reports count them from 1."""
        return tuple(step for step in self.steps if step.applies(values))

    def only(self, values: Mapping[str, str], names: Sequence[str]) -> Scenario:
        """Return the scenario of the steps that are named, by number, title or kind, among those that apply.

        Invariants go along with whatever is carried out. Without names, all that apply are there.

        Raises UsageError, naming the steps, when a name fits none of them.
        """
        steps = self.applying(values)
        told = [(number, step, str(number), step.describe().casefold(), kind_of(step)[1])
                for number, step in enumerate(steps, start=1)]  # fmt: skip
        chosen = {number for name in names for number, _step, *known in told if name.casefold() in known}
        for name in names:
            if not any(name.casefold() in known for _number, _step, *known in told):
                raise UsageError(
                    _("--only {step}: there is no such step").format(step=name),
                    details=[f"{number} {step.describe()}" for number, step, *_known in told],
                )
        wanted = (s for number, s, *_known in told if not names or number in chosen or isinstance(s, InvariantStep))
        return type(self)(steps=tuple(wanted))

    @property
    def machines(self) -> frozenset[str]:
        """Return the machines that the scenario needs."""
        return frozenset(machine for step in self.steps for machine in step.machines)
