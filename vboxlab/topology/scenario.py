"""What a topology says about its proof: checks, faults and measurements with their limits.

A step of `verify:` is a mapping with one of the keys `check:`, `fault:` or `measure:`, whose value is the kind:

    - {check: page, from: client, url: "http://192.168.200.5", contains: Srv-Web, times: 10}
    - {fault: unplug, machine: srv-web, slot: 1}
    - measure: interruption
      from: client
      url: http://192.168.200.5
      cause: {fault: power-off, machine: srv-web}
      served_by: [srv-web-bis]
      limits: {interruption: 15}

Times are seconds. Budgets (`within`) and limits are stretched by --time-scale when the scenario runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from vboxlab.topology.roles import Parameters


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str | int | IPv4Address) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""One name or a list of them."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
HttpUrl = Annotated[str, Field(pattern=r"^http://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$")]
"""A plain HTTP address: the prober speaks HTTP/1.0 without TLS."""


class Step(Parameters):
    """What every step of a scenario has."""

    title: str = Field(
        default="", description="what the step shows, in the teacher's words; default: made from the step"
    )
    when: dict[str, str] = Field(default_factory=dict, description="run only when parameters have these values")
    within: Seconds = Field(
        default=15.0, description="seconds that the step may be retried, times --time-scale; 0: one attempt"
    )
    severity: Literal["failure", "warning"] = Field(
        default="failure", description="what it means when the step fails; a warning does not fail the lab"
    )
    note: str = Field(default="", description="explanation printed with the result")

    def applies(self, values: Mapping[str, str]) -> bool:
        """Tell whether the step is to be run under the parameter values in force."""
        return all(values.get(key) == value for key, value in self.when.items())

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines of the topology that the step needs, in the order named."""
        return ()

    def describe(self) -> str:
        """Return what the step shows in one line: the title, or one made from the parameters."""
        return self.title or self.summary()

    def summary(self) -> str:
        """Return what the step does, made from its parameters."""
        raise NotImplementedError


# ---------------------------------------------------------------------------------------------------------- checks


class PingCheck(Step):
    """Machines reach others by ICMP: every source, every target (machine names, host names or addresses)."""

    check: Literal["ping"]
    source: Names = Field(alias="from")
    to: Names

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that ping."""
        return self.source

    def summary(self) -> str:
        """Return who pings whom."""
        return f"{', '.join(self.source)} reach {', '.join(self.to)}"


class ResolvesCheck(Step):
    """A machine's resolver answers for a name, as programs of that machine see it."""

    check: Literal["resolves"]
    source: Names = Field(alias="from")
    name: str
    address: IPv4Address | None = Field(default=None, description="address expected; default: any")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that ask."""
        return self.source

    def summary(self) -> str:
        """Return which name resolves where."""
        answer = f" to {self.address}" if self.address else ""
        return f"{self.name} resolves{answer} on {', '.join(self.source)}"


class ClocksCheck(Step):
    """The clocks of machines agree."""

    check: Literal["clocks"]
    on: Annotated[Names, Field(min_length=2)] = Field(description="machines to compare")
    tolerance: Seconds = Field(default=2.0, description="largest difference in seconds that still counts as equal")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that are compared."""
        return self.on

    def summary(self) -> str:
        """Return whose clocks are compared."""
        return f"the clocks of {', '.join(self.on)} agree"


class InternetCheck(Step):
    """A machine reaches a public name: resolved, then answered by ping or on a TCP port. A warning by default."""

    check: Literal["internet"]
    source: Names = Field(alias="from")
    name: str = "deb.debian.org"
    port: int = Field(default=80, ge=1, le=65535)
    severity: Literal["failure", "warning"] = "warning"

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that try."""
        return self.source

    def summary(self) -> str:
        """Return who reaches what."""
        return f"{', '.join(self.source)} reach the Internet ({self.name})"


class AptCheck(Step):
    """`apt update` works on a machine. A warning by default: a class without Internet is not a failed lab."""

    check: Literal["apt"]
    source: Names = Field(alias="from")
    within: Seconds = 90.0
    severity: Literal["failure", "warning"] = "warning"

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that try."""
        return self.source

    def summary(self) -> str:
        """Return where apt is tried."""
        return f"apt update works on {', '.join(self.source)}"


class AddressCheck(Step):
    """A machine holds an address, or does not."""

    check: Literal["address"]
    on: str = Field(description="machine to look at")
    address: IPv4Address
    held: bool = True
    interface: str | None = Field(default=None, description="interface that must carry it; default: any")
    label: str | None = Field(default=None, description="label that it must have, such as enp0s3:0")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that is looked at."""
        return (self.on,)

    def summary(self) -> str:
        """Return who holds the address or not."""
        where = f" as {self.label}" if self.label else f" on {self.interface}" if self.interface else ""
        return f"{self.on} {'holds' if self.held else 'does not hold'} {self.address}{where}"


class PageCheck(Step):
    """A page, seen from a machine, shows a text, each of so many times."""

    check: Literal["page"]
    source: str = Field(alias="from")
    url: HttpUrl
    contains: str = ""
    status: int = Field(default=200, ge=100, le=599)
    times: int = Field(default=1, ge=1, le=1000)
    timeout: Seconds = Field(default=5.0, gt=0, description="per request, times --time-scale")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that looks at the page."""
        return (self.source,)

    def summary(self) -> str:
        """Return what is seen from where."""
        times = f", {self.times} times" if self.times > 1 else ""
        return f"from {self.source}, {self.url} shows {self.contains or f'status {self.status}'}{times}"


class ServiceCheck(Step):
    """A systemd unit runs (or not) and is started at boot (or not)."""

    check: Literal["service"]
    on: str
    service: str = Field(pattern=r"^[A-Za-z0-9:_.@\\-]+$")
    running: bool | None = True
    enabled: bool | None = None

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that is looked at."""
        return (self.on,)

    def summary(self) -> str:
        """Return the wanted state of the service."""
        wanted = [] if self.running is None else ["runs" if self.running else "is stopped"]
        wanted += [] if self.enabled is None else [f"is {'' if self.enabled else 'not '}started at boot"]
        return f"{self.service} {' and '.join(wanted) or 'exists'} on {self.on}"


class FileCheck(Step):
    """A file has a content, mode and owner."""

    check: Literal["file"]
    on: str
    path: str = Field(pattern="^/")
    contains: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        default=(), description="texts that must all be there"
    )
    equals: str | None = Field(default=None, description="whole content, but for space at the end")
    mode: str | None = Field(default=None, pattern="^0?[0-7]{3,4}$", description="octal, in quotes")
    owner: str | None = None

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that is looked at."""
        return (self.on,)

    def summary(self) -> str:
        """Return which file is looked at."""
        return f"{self.path} on {self.on} is as it should be"


class IpvsCheck(Step):
    """The IPVS table of a load balancer (`ipvsadm -Ln`) has exactly these real servers for a virtual service."""

    check: Literal["ipvs"]
    on: str
    virtual: IPv4Address
    port: int = Field(default=80, ge=1, le=65535)
    scheduler: str | None = None
    real_servers: tuple[IPv4Address, ...] = Field(description="addresses; their port is the virtual service's")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the load balancer."""
        return (self.on,)

    def summary(self) -> str:
        """Return what the table must say."""
        servers = ", ".join(map(str, self.real_servers)) or "no real server"
        return f"{self.on} balances {self.virtual}:{self.port} over {servers}"


class DistributionCheck(Step):
    """New connections are shared evenly by exactly these machines, told apart by their pages (role web)."""

    check: Literal["distribution"]
    source: str = Field(alias="from")
    url: HttpUrl
    over: Names = Field(description="machines that share the requests; one alone must serve all")
    requests: int = Field(default=20, ge=1, le=10000)
    tolerance: int = Field(default=2, ge=0, description="requests that a machine may be away from the even share")
    timeout: Seconds = Field(default=5.0, gt=0, description="per request, times --time-scale")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the client and the machines that serve."""
        return (self.source, *self.over)

    def summary(self) -> str:
        """Return who shares what."""
        return f"{self.requests} requests to {self.url} are shared by {', '.join(self.over)}"


class CommandCheck(Step):
    """A command in a machine ends and prints as expected. It runs without a shell: no pipes, no variables."""

    check: Literal["command"]
    on: str
    run: str | tuple[str, ...] = Field(description="a command line, or a list of its words")
    root: bool = False
    exit_code: int = 0
    equals: str | None = Field(default=None, description="whole output, but for space around it")
    contains: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that runs it."""
        return (self.on,)

    def summary(self) -> str:
        """Return which command is run where."""
        line = self.run if isinstance(self.run, str) else " ".join(self.run)
        return f"{line} on {self.on} says what it should"


Check = Annotated[
    PingCheck
    | ResolvesCheck
    | ClocksCheck
    | InternetCheck
    | AptCheck
    | AddressCheck
    | PageCheck
    | ServiceCheck
    | FileCheck
    | IpvsCheck
    | DistributionCheck
    | CommandCheck,
    Field(discriminator="check"),
]


# ---------------------------------------------------------------------------------------------------------- faults


class FaultStep(Step):
    """Something done to a machine. Faults still in force when the scenario ends are undone."""

    machine: str

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that suffers."""
        return (self.machine,)


class PowerOffFault(FaultStep):
    """Pull a machine's plug, as a power cut does."""

    fault: Literal["power-off"]

    def summary(self) -> str:
        """Return what happens."""
        return f"{self.machine} is powered off brutally"


class StartFault(FaultStep):
    """Start a machine; as a step of its own, wait until it can be worked with."""

    fault: Literal["start"]
    within: Seconds = 120.0

    def summary(self) -> str:
        """Return what happens."""
        return f"{self.machine} is started"


class CableFault(FaultStep):
    """Unplug or plug the cable of one of a machine's adapters."""

    fault: Literal["unplug", "plug"]
    slot: int = Field(ge=1, le=7)

    def summary(self) -> str:
        """Return what happens."""
        return f"the cable of adapter {self.slot} of {self.machine} is {self.fault}ged"


class ServiceFault(FaultStep):
    """Stop or start a service of a machine."""

    fault: Literal["stop-service", "start-service"]
    service: str = Field(pattern=r"^[A-Za-z0-9:_.@\\-]+$")

    def summary(self) -> str:
        """Return what happens."""
        return f"{self.service} is {'stopped' if self.fault == 'stop-service' else 'started'} on {self.machine}"


class RebootFault(FaultStep):
    """Reboot a machine from within; as a step of its own, wait until it has booted."""

    fault: Literal["reboot"]
    within: Seconds = 120.0

    def summary(self) -> str:
        """Return what happens."""
        return f"{self.machine} is rebooted"


Fault = Annotated[PowerOffFault | StartFault | CableFault | ServiceFault | RebootFault, Field(discriminator="fault")]


# -------------------------------------------------------------------------------------------------------- measures


class Limits(Parameters):
    """Limits of what is measured. Times (seconds) and numbers of requests are multiplied by --time-scale."""

    detection: Seconds | None = Field(default=None, description="cause -> the peer says that the machine is dead")
    takeover: Seconds | None = Field(default=None, description="said dead -> the page is served again")
    interruption: Seconds | None = Field(default=None, description="last good answer -> first one by served_by")
    served_after: Seconds | None = Field(default=None, description="cause -> first good answer by served_by")
    longest_gap: Seconds | None = Field(default=None, description="longest time without a good answer at all")
    failed: int | None = Field(default=None, ge=0, description="requests that got no good answer")
    slow: int | None = Field(default=None, ge=0, description="good answers slower than slow_after")


class Detection(Parameters):
    """Where the moment of detection is read: a line of a machine's journal that names the dead node."""

    on: str = Field(description="machine whose journal is read")
    node: str = Field(description="machine whose death is reported")
    pattern: str = Field(
        default="node {}: is dead", description="text of the line; {} stands for the node's host name (Heartbeat's)"
    )


class Measure(Step):
    """A page sampled from a machine around a fault, and how long it was gone."""

    measure: Literal["interruption", "failback"]
    source: str = Field(alias="from")
    url: HttpUrl
    cause: Fault = Field(description="what is done while the page is sampled")
    served_by: Names = Field(description="machines that must serve afterwards, told by their pages (role web)")
    every: float = Field(default=0.1, ge=0.02, le=10, description="seconds between requests; not scaled")
    timeout: Seconds = Field(default=2.0, gt=0, description="per request, times --time-scale")
    slow_after: Seconds = Field(default=1.5, gt=0, description="a slower answer counts as slow; times --time-scale")
    before: Seconds = Field(default=2.0, description="seconds of good answers wanted before the cause")
    observe: Seconds = Field(default=3.0, description="seconds sampled on after served_by have answered")
    within: Seconds = Field(default=60.0, description="seconds that served_by have to answer, times --time-scale")
    detection: Detection | None = None
    limits: Limits = Field(default_factory=Limits)

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that sample, suffer and serve."""
        detecting = (self.detection.on, self.detection.node) if self.detection else ()
        return (self.source, self.cause.machine, *self.served_by, *detecting)

    def summary(self) -> str:
        """Return what is measured."""
        return f"{self.measure} of {self.url} when {self.cause.describe()}"

    @model_validator(mode="after")
    def _detection_is_measured(self) -> Self:
        wanted = self.limits.detection is not None or self.limits.takeover is not None
        if wanted and self.detection is None:
            raise ValueError("limits of detection and takeover need `detection: {on: MACHINE, node: MACHINE}`")
        return self


# ------------------------------------------------------------------------------------------------------------ steps


def _family(value: Any) -> str | None:
    """Return which family a step belongs to: the tag is no key of the step, so that locations stay clear."""
    has = value.__contains__ if isinstance(value, Mapping) else lambda key: hasattr(value, key)
    return next((f"<{family}>" for family in ("measure", "check", "fault") if has(family)), None)


ScenarioStep = Annotated[
    Annotated[Check, Tag("<check>")] | Annotated[Fault, Tag("<fault>")] | Annotated[Measure, Tag("<measure>")],
    Discriminator(
        _family,
        custom_error_type="step_family",
        custom_error_message="expected a step with one of the keys check, fault, measure",
    ),
]


class Scenario(Parameters):
    """An ordered run of checks and measured faults."""

    steps: tuple[ScenarioStep, ...] = ()

    @property
    def machines(self) -> frozenset[str]:
        """Return the machines that the scenario needs."""
        return frozenset(machine for step in self.steps for machine in step.machines)
