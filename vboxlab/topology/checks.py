"""The checks that a topology may ask for: one verifiable statement each, as values.

Times are seconds. Budgets (`within`) are stretched by --time-scale when the scenario runs.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from vboxlab.topology.roles import Parameters


def listed(value: object) -> object:
    """Return a scalar as a list of one, as a topology file may say either."""
    return (value,) if isinstance(value, str | int | IPv4Address) else value


Names = Annotated[tuple[str, ...], BeforeValidator(listed), Field(min_length=1)]
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
        return f"the Internet can be reached from {', '.join(self.source)} ({self.name})"


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
    contains: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
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
    contains: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()

    @field_validator("run")
    @classmethod
    def _can_be_split(cls, run: str | tuple[str, ...]) -> str | tuple[str, ...]:
        try:
            words = shlex.split(run) if isinstance(run, str) else run
        except ValueError as error:
            raise ValueError(f"not a command line: {error}") from None
        if not words:
            raise ValueError("expected a command")
        return run

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the words of the command."""
        return tuple(shlex.split(self.run)) if isinstance(self.run, str) else self.run

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that runs it."""
        return (self.on,)

    def summary(self) -> str:
        """Return which command is run where."""
        return f"{shlex.join(self.argv)} on {self.on} says what it should"


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
