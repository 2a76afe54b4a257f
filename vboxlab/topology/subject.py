"""What the rules of a topology look at: the model, where each part of it stands, and what exists outside the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TypeVar

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import Adapter, Machine, Topology
from vboxlab.topology.parameters import names_in
from vboxlab.topology.places import describe, show
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.roles import Parameters, Role
from vboxlab.topology.shape import Fit, place_in_file
from vboxlab.topology.sites import may_meet, nearest, site_of, sites_of
from vboxlab.topology.source import Data, Source
from vboxlab.topology.step import Step

OfRole = TypeVar("OfRole", bound=Parameters)


@dataclass(frozen=True)
class Known:
    """What exists on this host; None means that it is not known and references to it are not checked."""

    bases: frozenset[str] | None = None
    snapshots: frozenset[str] | None = None
    # Of a snapshot set, the topologies that make it, nearest first; a circle of them ends in one that came before.
    made_first: Callable[[str], tuple[str, ...]] | None = None


@dataclass(frozen=True)
class Placed:
    """An adapter of a machine and where it stands."""

    machine: Machine
    adapter: Adapter
    place: Place

    @property
    def ip(self) -> IPv4Address | None:
        """Return the static address without its prefix length, if the adapter has one."""
        return self.adapter.address.ip if isinstance(self.adapter.address, IPv4Interface) else None

    @property
    def network(self) -> IPv4Network:
        """Return the network that the static address says it is in; nothing but itself where there is none."""
        address = self.adapter.address
        return address.network if isinstance(address, IPv4Interface) else IPv4Network("0.0.0.0/32")

    def __str__(self) -> str:
        return _("`{interface}` of machine `{machine}`").format(
            interface=interface_name(self.adapter.slot), machine=self.machine.name
        )


@dataclass(frozen=True)
class Subject:
    """A topology under examination."""

    topology: Topology
    source: Source
    fit: Fit[Topology]
    known: Known
    for_copy: bool = False  # whether it is for a copy of the lab, which is isolated

    def place(self, place: Place) -> Place:
        """Return where in the file a place of the model stands."""
        return place_in_file(self.fit.original(place), self.source)

    def problem(self, code: str, place: Place, message: str) -> Problem:
        """Return a problem of the value at a place of the model, naming the parameters that the value was made with."""
        place = self.place(place)
        return Problem(code, self.source.value(place), message + self._made_with(place), place)

    def doubt(self, code: str, place: Place, message: str) -> Problem:
        """Return a warning of the value at a place of the model."""
        return replace(self.problem(code, place, message), severity="warning")

    def problem_of_key(self, code: str, place: Place, message: str) -> Problem:
        """Return a problem of the key at a place of the model."""
        place = self.place(place)
        return Problem(code, self.source.key(place), message, place)

    def repeated(self, code: str, place: Place, first: Place, message: str) -> Problem:
        """Return the problem that a value repeats the one at an earlier place, which the message may name by {line}."""
        place, first = self.place(place), self.place(first)
        position, earlier = self.source.value(place), self.source.value(first)
        line = earlier.line_seen_from(position, self.source.file)
        if position == earlier:  # both came from one anchor: what is wrong is where the alias or merge brings it in
            position = self.source.spot(place).used or position
        return Problem(code, position, message.replace("{line}", line) + self._made_with(place), place)

    def _made_with(self, place: Place) -> str:
        raw = self.source.get(place)
        values = self.topology.values
        names = [name for name in dict.fromkeys(names_in(raw)) if name in values] if isinstance(raw, str) else []
        text = _("parameter `{name}` is {value}")
        said = ", ".join(text.format(name=name, value=show(values[name] or None)) for name in names)
        return f" ({said})" if said else ""

    def text(self, place: Place) -> str:
        """Return the text that the file has at a place of the model."""
        raw = self.value(place)
        return raw if isinstance(raw, str) else ""

    def value(self, place: Place) -> Data:
        """Return what the file has at a place of the model, before parameters are filled in."""
        return self.source.get(self.place(place))

    def named_in_file(self, section: str) -> tuple[str, ...] | None:
        """Return the names that a section of the file defines, also of what the model had to leave out.

        None when the file has no such section, or something else there, or when names of it are not known: then
        nothing can be said about names.
        """
        if section in self.source.uncertain:
            return None
        found = self.source.get((section,))
        return tuple(found) if isinstance(found, dict) else None

    def no_machine(self, name: str, place: Place) -> str:
        """Say at a place of the model that there is no machine of a name, and why when a `when` leaves it out."""
        names = self.named_in_file("machines") or ()
        return self._left_out("machines", name, place) or _("there is no machine `{machine}`; {expected}").format(
            machine=name, expected=one_of(names) + did_you_mean(name, names)
        )

    def no_network(self, name: str, place: Place) -> str:
        """Say at a place of the model that there is no network of a name, and why when a `when` leaves it out."""
        names = self.named_in_file("networks") or ()
        return self._left_out("networks", name, place) or _("there is no network `{network}`; {expected}").format(
            network=name, expected=one_of(names) + did_you_mean(name, names)
        )

    def no_disk(self, name: str, place: Place) -> str:
        """Say at a place of the model that there is no shared disk of a name, and why when a `when` leaves it out."""
        names = self.named_in_file("disks") or ()
        return self._left_out("disks", name, place) or _(
            "there is no disk `{disk}` under `disks` of the topology; {expected}"
        ).format(disk=name, expected=one_of(names) + did_you_mean(name, names))

    def no_secret(self, name: str, place: Place, fitting: Sequence[str]) -> str:
        """Say at a place of the model that there is no secret of a name, and why when a `when` leaves it out."""
        text = _("there is no secret `{secret}` under `secrets` of the topology; {expected}")
        return self._left_out("secrets", name, place) or text.format(
            secret=name, expected=one_of(fitting) + did_you_mean(name, fitting)
        )

    def _left_out(self, section: str, name: str, place: Place) -> str:
        left = self.source.left_out.get((section, name))
        if left is None:
            return ""
        text = _(
            "`when` leaves out {what}, as `{parameter}` is {value} (line {line}); "
            "expected something that is there, or the same `when` here"
        )
        return text.format(
            what=describe((section, name), None),
            parameter=left.parameter,
            value=show(left.value or None),
            line=left.position.line_seen_from(self.source.value(self.place(place)), self.source.file),
        )

    def is_spared(self, step: Step, section: str, name: str) -> bool:
        """Tell whether a step is not carried out, so that it may name what a `when` leaves out."""
        return (section, name) in self.source.left_out and not step.applies(self.topology.values)

    def adapters(self) -> Iterator[Placed]:
        """Return every adapter of every machine."""
        for machine in self.topology.machines.values():
            for index, adapter in enumerate(machine.adapters):
                yield Placed(machine, adapter, ("machines", machine.name, "adapters", index))

    def holders(self, asking: Machine, address: IPv4Address) -> tuple[Placed, ...]:
        """Return the adapters that an address means where a machine asks for it (vboxlab.topology.sites)."""
        having = (placed for placed in self.adapters() if placed.ip == address)
        return nearest(having, sites_of(self.topology, asking), self._sites)

    def taken(self, address: IPv4Address, network: str | None) -> Placed | None:
        """Return an adapter whose having an address keeps it from being used in a network, the last in the file."""
        sites = site_of(self.topology, network)
        having = [placed for placed in self.adapters() if placed.ip == address and may_meet(self._sites(placed), sites)]
        return having[-1] if having else None

    def _sites(self, placed: Placed) -> frozenset[str]:
        return site_of(self.topology, placed.adapter.network)

    def roles(self) -> Iterator[tuple[Machine, Role, Place]]:
        """Return every role of every machine with its place: those of no stage first, then stage by stage."""
        for machine in self.topology.machines.values():
            place: Place = ("machines", machine.name)
            for index, role in enumerate(machine.roles):
                yield machine, role, (*place, "roles", index)
            for stage, roles in machine.stages.items():
                for index, role in enumerate(roles):
                    yield machine, role, (*place, "stages", stage, index)

    def roles_of(self, kind: type[OfRole]) -> Iterator[tuple[Machine, OfRole, Place]]:
        """Return every role of one kind with its machine and place."""
        for machine, role, place in self.roles():
            if isinstance(role, kind):
                yield machine, role, place

    def adapter_named(self, machine: Machine, interface: str) -> Adapter | None:
        """Return a machine's adapter by the interface name that Debian gives it."""
        return next((adapter for adapter in machine.adapters if interface_name(adapter.slot) == interface), None)


def one_of_interfaces(machine: Machine, wrong: str) -> str:
    """Return which interfaces a machine has, and which of them may be meant, for a sentence about a wrong one."""
    names = [interface_name(adapter.slot) for adapter in machine.adapters]
    return f"{one_of(names)}{did_you_mean(wrong, names)}"
