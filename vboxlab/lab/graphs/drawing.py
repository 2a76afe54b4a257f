"""What a picture of a lab shows: networks, machines, the adapters between them, and the state of each machine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import PurePath
from typing import Literal

from vboxlab.lab.status import machine_statuses
from vboxlab.language import C_, N_, NC_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.desired import Desired
from vboxlab.planning.observed import ObservedLab, PowerState
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.disks import in_words
from vboxlab.topology.model import Machine, Network, Topology
from vboxlab.topology.sites import held_in_turn

State = Literal["unknown", "running", "off", "drift", "absent"]
"""`unknown`: nobody looked; `off` holds whatever does not run; `drift` is not wired as the topology says."""

ABSENT = NC_("machine", "absent")  # the power of a machine that does not exist, as status reports it
_SHARED = {"floating": N_("floating {address}"), "virtual": N_("virtual {address}")}


@dataclass(frozen=True)
class DrawnNetwork:
    """A network with what its label says."""

    name: str
    kind: str
    subnet: str
    shared: tuple[str, ...]  # floating and virtual addresses on it
    site: str = ""

    @property
    def label(self) -> str:
        """Return kind, subnet and site in a few words."""
        site = _("site {name}").format(name=self.site) if self.site else ""
        return " ".join(part for part in (self.kind, self.subnet, site) if part)


@dataclass(frozen=True)
class Link:
    """An adapter that plugs a machine into a network."""

    slot: int
    interface: str
    network: str
    address: str
    cable: bool

    @property
    def label(self) -> str:
        """Return interface and address."""
        return f"{self.interface} {self.address}".strip()


@dataclass(frozen=True)
class DrawnDisk:
    """A disk besides a machine's first, or one that machines share."""

    name: str
    size: str
    shared: bool = False

    @property
    def label(self) -> str:
        """Return what it is in a few words."""
        text = _("shared disk {name}, {size}") if self.shared else _("disk {name}, {size}")
        return text.format(name=self.name, size=self.size)


@dataclass(frozen=True)
class DrawnMachine:
    """A machine with what its label says; `remark` is what the observed state adds."""

    name: str
    hostname: str
    roles: tuple[str, ...]
    links: tuple[Link, ...]
    adopted: str = ""  # the VM that stands for it
    state: State = "unknown"
    remark: str = ""
    disks: tuple[DrawnDisk, ...] = ()
    disc: str = ""  # the file in its drive

    @property
    def drive(self) -> str:
        """Return what is in its drive in a few words."""
        return _("disc {file}").format(file=self.disc) if self.disc else ""


@dataclass(frozen=True)
class Drawing:
    """Everything that a renderer needs."""

    name: str
    title: str
    networks: tuple[DrawnNetwork, ...]
    machines: tuple[DrawnMachine, ...]
    observed: bool  # whether the machines' states are known

    @property
    def shared_disks(self) -> tuple[DrawnDisk, ...]:
        """Return the disks that machines share, each once."""
        return tuple(dict.fromkeys(disk for machine in self.machines for disk in machine.disks if disk.shared))


def drawing(topology: Topology, desired: Desired | None = None, observed: ObservedLab | None = None) -> Drawing:
    """Return what there is to draw: the topology, and the state of its machines where the lab was observed."""
    states: Mapping[str, tuple[State, str]] = {}
    if observed is not None:
        states = {row.machine: _state(row.power, row.drift) for row in machine_statuses(observed, desired)}
    return Drawing(
        topology.name,
        topology.title or topology.name,
        tuple(_network(topology, name, network) for name, network in topology.networks.items()),
        tuple(
            _machine(topology, machine, states.get(machine.name, _state(ABSENT, ()) if observed else ("unknown", "")))
            for machine in topology.machines.values()
        ),
        observed is not None,
    )


def _state(power: str, drift: tuple[str, ...]) -> tuple[State, str]:
    said = C_("machine", power)
    if power == ABSENT:
        return "absent", said
    if drift:
        more = f" (+{len(drift) - 1})" if len(drift) > 1 else ""
        return "drift", f"{said}, {drift[0]}{more}"
    return ("running" if power == PowerState.RUNNING.value else "off"), said


def _shared_addresses(topology: Topology, name: str) -> list[tuple[str, IPv4Address]]:
    """Return the addresses on a network that the lab's service is reached at, each with its kind."""
    found: dict[IPv4Address, str] = {}
    for each in held_in_turn(topology):
        if each.network == name:
            found[each.shared.address] = each.shared.kind
    return [(kind, address) for address, kind in found.items()]


def _network(topology: Topology, name: str, network: Network) -> DrawnNetwork:
    subnet = network.subnet
    shared = tuple(
        _(_SHARED[kind]).format(address=address)
        for kind, address in _shared_addresses(topology, name)
        if subnet is not None
    )
    return DrawnNetwork(name, network.kind, str(subnet) if subnet else "", shared, network.site or "")


def _machine(topology: Topology, machine: Machine, state: tuple[State, str]) -> DrawnMachine:
    roles = machine.roles_until(topology.last_stage, topology.stage_order)
    links = tuple(
        Link(
            adapter.slot,
            interface_name(adapter.slot),
            adapter.network,
            "" if adapter.address is None else str(adapter.address),
            adapter.cable,
        )
        for adapter in sorted(machine.adapters, key=lambda adapter: adapter.slot)
    )
    adopted = machine.adopt.vm if machine.adopt is not None and topology.is_adopted(machine) else ""
    return DrawnMachine(
        machine.name,
        machine.hostname,
        tuple(dict.fromkeys(role.role for role in roles if role.is_drawn)),
        links,
        adopted,
        *state,
        tuple(
            DrawnDisk(disk.called, in_words(topology.disk_size(disk)), disk.shared is not None)
            for disk in machine.disks
        ),
        PurePath(machine.dvd).name if machine.dvd else "",
    )
