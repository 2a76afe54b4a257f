"""The checks that a topology may ask for: one verifiable statement each, as values.

Times are seconds. Budgets (`within`) are stretched by --time-scale when the scenario runs.
"""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from vboxlab.language import N_, _
from vboxlab.topology.asking import DistributionCheck, PageCheck, ProbeCheck
from vboxlab.topology.step import CheckStep, Names, Seconds, listed


class PingCheck(CheckStep):
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


class ResolvesCheck(CheckStep):
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


class ClocksCheck(CheckStep):
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


class InternetCheck(CheckStep):
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


class AptCheck(CheckStep):
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


class AddressCheck(CheckStep):
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


class ServiceCheck(CheckStep):
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


class FileCheck(CheckStep):
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


class IpvsCheck(CheckStep):
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


SHLEX_WORDS = (N_("No closing quotation"), N_("No escaped character"))
"""What the standard library says of a text that cannot be split into words (its source, shlex.py)."""


class CommandCheck(CheckStep):
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


OWN_CHECKS = (
    PingCheck, ResolvesCheck, ClocksCheck, InternetCheck, AptCheck, AddressCheck, PageCheck, ProbeCheck, ServiceCheck,
    FileCheck, IpvsCheck, DistributionCheck, CommandCheck,
)  # fmt: skip
"""The checks that come with vboxlab, in the order in which lists name them."""

Check = Annotated[
    PingCheck
    | ResolvesCheck
    | ClocksCheck
    | InternetCheck
    | AptCheck
    | AddressCheck
    | PageCheck
    | ProbeCheck
    | ServiceCheck
    | FileCheck
    | IpvsCheck
    | DistributionCheck
    | CommandCheck,
    Field(discriminator="check"),
]
