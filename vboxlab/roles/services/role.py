"""The parameters of services of a machine, and what they offer."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters, Port, Role


class ServiceEntry(Parameters):
    """A systemd service of a machine."""

    name: str = Field(description="name of the unit, without `.service`")
    enabled: bool = Field(default=True, description="whether it starts at boot")
    running: bool = Field(default=True, description="whether it runs now")
    listens: tuple[str, ...] = Field(default=(), description="ports that it listens on, such as tcp/80")


class ServicesRole(Role):
    """A machine whose services run, or do not."""

    role: Literal["services"]
    services: tuple[ServiceEntry, ...] = Field(min_length=1)

    list_order: ClassVar[int] = 22
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True

    def ports_listened(self) -> frozenset[Port]:
        """Return the ports that are said of its services; what is no port is told by its rules."""
        said = (text.partition("/") for entry in self.services for text in entry.listens)
        found = ((protocol, number) for protocol, _slash, number in said if number.isdecimal())
        return frozenset(
            Port("tcp" if protocol == "tcp" else "udp", int(number))
            for protocol, number in found
            if protocol in ("tcp", "udp")
        )
