"""The checks that a topology may ask for: one verifiable statement each, as values.

Times are seconds. Budgets (`within`) are stretched by --time-scale when the scenario runs.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from vboxlab.language import N_, _
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
        return _("{machines} reach {targets}").format(machines=", ".join(self.source), targets=", ".join(self.to))


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
        text = _("{name} resolves to {address} on {machines}") if self.address else _("{name} resolves on {machines}")
        return text.format(name=self.name, address=self.address, machines=", ".join(self.source))


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
        return _("the clocks of {machines} agree").format(machines=", ".join(self.on))


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
        return _("the Internet can be reached from {machines} ({name})").format(
            machines=", ".join(self.source), name=self.name
        )


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
        return _("apt update works on {machines}").format(machines=", ".join(self.source))


# By whether the address is held, and what is said of where.
_HOLDS = {
    (True, ""): N_("{machine} holds {address}"),
    (True, "label"): N_("{machine} holds {address} as {label}"),
    (True, "interface"): N_("{machine} holds {address} on {interface}"),
    (False, ""): N_("{machine} does not hold {address}"),
    (False, "label"): N_("{machine} does not hold {address} as {label}"),
    (False, "interface"): N_("{machine} does not hold {address} on {interface}"),
}


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
        where = "label" if self.label else "interface" if self.interface else ""
        return _(_HOLDS[self.held, where]).format(
            machine=self.on, address=self.address, label=self.label, interface=self.interface
        )


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
        shown = self.contains or _("status {status}").format(status=self.status)
        if self.times > 1:
            text = _("from {machine}, {url} shows {text}, {times} times")
        else:
            text = _("from {machine}, {url} shows {text}")
        return text.format(machine=self.source, url=self.url, text=shown, times=self.times)


# By whether a service runs, and whether it is started at boot; None where it does not matter.
_SERVED = {
    (None, None): N_("{service} exists on {machine}"),
    (True, None): N_("{service} runs on {machine}"),
    (False, None): N_("{service} is stopped on {machine}"),
    (None, True): N_("{service} is started at boot on {machine}"),
    (None, False): N_("{service} is not started at boot on {machine}"),
    (True, True): N_("{service} runs and is started at boot on {machine}"),
    (True, False): N_("{service} runs and is not started at boot on {machine}"),
    (False, True): N_("{service} is stopped and is started at boot on {machine}"),
    (False, False): N_("{service} is stopped and is not started at boot on {machine}"),
}


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
        return _(_SERVED[self.running, self.enabled]).format(service=self.service, machine=self.on)


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
        return _("{file} on {machine} is as it should be").format(file=self.path, machine=self.on)


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
        servers = ", ".join(map(str, self.real_servers)) or _("no real server")
        return _("{machine} balances {address}:{port} over {servers}").format(
            machine=self.on, address=self.virtual, port=self.port, servers=servers
        )


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
        return _("{count} requests to {url} are shared by {machines}").format(
            count=self.requests, url=self.url, machines=", ".join(self.over)
        )


SHLEX_WORDS = (N_("No closing quotation"), N_("No escaped character"))
"""What the standard library says of a text that cannot be split into words (its source, shlex.py)."""


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
            raise ValueError(_("not a command line: {problem}").format(problem=_(str(error)))) from None
        if not words:
            raise ValueError(_("expected a command"))
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
        return _("{command} on {machine} says what it should").format(command=shlex.join(self.argv), machine=self.on)


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
