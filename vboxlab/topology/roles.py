"""The interface of a role, as far as the topology is concerned: its parameters, and what the rest asks of them.

A role is a package that an entry point of the group `vboxlab.roles` names, as `NAME = "PACKAGE.role:CLASS"`; which ones
there are is known to vboxlab.topology.role_registry alone. What else it consists of is found by the names of its files:

    role.py   the class, which derives from Role: its parameters, what it offers and what it needs
    rules.py  `problems(subject)`: what is wrong with a topology (vboxlab.topology.role_rules); none where it is absent
    guest.py  `IN_GUEST`, a vboxlab.guest.roles.GuestRole: what it is in a guest
    locale/   its sentences in other languages: LANGUAGE/LC_MESSAGES/vboxlab.mo (vboxlab.language)

role.py is loaded together with the topology's model, so it imports nothing of vboxlab but this module and the language;
the others may import it, and are loaded when they are asked. docs/plugins.md has an example, and
tests/golden/interface.txt all that they may use: what changes there is a new INTERFACE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from vboxlab.lazily import dataclass

INTERFACE = 1
"""The version of what vboxlab asks of roles and checks, and of what they may use: another one does not go together."""


class Parameters(BaseModel):
    """Base of everything that a topology file says: immutable, and nothing unknown accepted."""

    # A model that is part of another is never built by itself: only what a file says is, when one is read.
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Route(Parameters):
    """A static route."""

    to: IPv4Network
    via: IPv4Address


class Port(NamedTuple):
    """A port that a server listens on."""

    protocol: Literal["tcp", "udp"]
    number: int


DNS_PORTS = frozenset({Port("udp", 53), Port("tcp", 53)})
"""Whoever listens on these answers for names (RFC 1035, section 4.2)."""


@dataclass(frozen=True)
class SharedAddress:
    """An address that a lab's service is reached at: floating from machine to machine, or virtual, of a balancer."""

    address: IPv4Address
    kind: Literal["floating", "virtual"]


class Role(Parameters):
    """What a machine is made to be: its parameters are the model's fields, and `role` is a Literal of its name.

    Every question has an answer that fits a role which has nothing to say to it.
    """

    role: str

    made_for: ClassVar[int] = INTERFACE
    """The version of the interface that it is made for; a role of a distribution of its own says it as a number."""
    list_order: ClassVar[int] = 100
    """Where it stands among the others in lists (the schema, sentences); those with one number stand by their names."""
    is_drawn: ClassVar[bool] = True
    """Whether pictures of a lab name it: whether it tells what a machine is for."""
    filled_keys: ClassVar[frozenset[str]] = frozenset({"content"})
    """Keys, at any depth, of texts that become files, in which `{secret NAME}` and its like are filled."""

    may_repeat: ClassVar[bool] = False
    """Whether a machine may have it several times in a stage, each with parameters of its own."""
    template_fills: ClassVar[str] = ""
    """The key that the text of a file is put under, where `template` stands beside it (vboxlab.topology.templates)."""

    def shared_addresses(self) -> tuple[SharedAddress, ...]:
        """Return the addresses that the machine holds, now or when another fails, beside those of its adapters."""
        return ()

    def names_answered(self) -> Mapping[str, str]:
        """Return the domains that the machine answers for, by the key that says so."""
        return {}

    def ports_listened(self) -> frozenset[Port]:
        """Return the ports that its programs listen on."""
        return frozenset()

    def services_owned(self) -> tuple[str, ...]:
        """Return the services that this role alone starts and stops, so that nothing else may."""
        return ()

    def cluster_nodes(self) -> tuple[str, ...]:
        """Return the machines that are one cluster through this role, this one among them, the preferred one first."""
        return ()

    def static_routes(self) -> tuple[Route, ...]:
        """Return the routes that the machine needs besides those to its own networks."""
        return ()

    def uplink_network(self) -> str | None:
        """Return the network through which it routes others towards the Internet, if it does."""
        return None

    def forwards_packets(self) -> bool:
        """Tell whether the machine sends on packets that are not for itself (ip_forward in the kernel's ip-sysctl)."""
        return False

    def translated_networks(self) -> tuple[str, ...]:
        """Return the networks that packets of others leave to with the machine's own address as their source."""
        uplink = self.uplink_network()
        return () if uplink is None else (uplink,)

    def servers_asked(self) -> Mapping[tuple[str | int, ...], IPv4Address]:
        """Return the addresses that its programs ask, by the keys that say so, such as ("forwarders", 0)."""
        return {}

    def tells_all(self) -> bool:
        """Tell whether these answers are all that it does to routes and ports: not where it runs what anybody wrote."""
        return True

    def secrets_used(self) -> Mapping[str, str]:
        """Return the names of the lab's secrets that it needs, by the key that says so.

        Of one in a list, that is `users.0.password`.
        """
        return {}

    def told_by(self) -> str | None:
        """Return the text by which a client sees that this machine and no other answered; None when there is none."""
        return None

    def own_seconds(self) -> float:
        """Return how long its programs wait by their own settings before they act on a failure: no speed changes it."""
        return 0.0

    def restored_apart(self, restored: Sequence[str], running: Sequence[str]) -> str:
        """Say what happens when some nodes of its cluster go back to a snapshot while others run; "" when nothing."""
        del restored, running
        return ""
