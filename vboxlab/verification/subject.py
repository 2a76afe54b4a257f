"""The lab under test: what a scenario may ask of it and do to it. vboxlab.lab implements it over driver and SSH."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from vboxlab.guest.executor import Executor
from vboxlab.planning.observed import Impairment, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Topology
from vboxlab.topology.sites import addresses_seen


class LabUnderTest(Protocol):
    """A lab that is up. Calls on different machines may come from several threads at once."""

    @property
    def name(self) -> LabName:
        """Return which lab and copy it is."""

    @property
    def topology(self) -> Topology:
        """Return the topology that it is in, with the parameters in force."""

    @property
    def driver(self) -> str:
        """Return the driver's name, for the report."""

    @property
    def is_accelerated(self) -> bool:
        """Tell whether its guests run on hardware virtualisation."""

    @property
    def driver_version(self) -> str:
        """Return the hypervisor's version, for the report."""

    def executor(self, machine: str) -> Executor:
        """Return the way into a machine (the same one for the same machine). Raises VboxlabError when there is none."""

    def power(self, machine: str) -> PowerState:
        """Return what the hypervisor reports of a machine now."""

    def power_off(self, machine: str) -> None:
        """Pull the machine's plug, return at once when it is off, and drop the connections to its guest."""

    def start(self, machine: str, *, wait: bool) -> None:
        """Power the machine on; with wait, return once its guest can be worked with, else at once."""

    def pause(self, machine: str) -> None:
        """Let the machine stand still until it is started."""

    def has(self, machine: str) -> bool:
        """Tell whether a machine of the topology exists."""

    def mac(self, machine: str, slot: int) -> str:
        """Return the hardware address of an adapter 1..7: 12 hexadecimal digits."""

    @property
    def shapes_lines(self) -> bool:
        """Tell whether the hypervisor can do `impair` and `set_groups`."""

    def impair(self, machine: str, slot: int, impairment: Impairment) -> None:
        """Make the line of an adapter on an internal network as bad as said, for what it sends."""

    def set_groups(self, machine: str, slot: int, groups: Collection[int]) -> None:
        """Let an adapter on an internal network see only those that share a group with it; without any, all."""

    def join_all(self) -> None:
        """Let all adapters of the lab's own machines see all others, also of machines that the topology has not."""

    def set_cable(self, machine: str, slot: int, connected: bool) -> None:
        """Plug the cable of an adapter 1..7 in or out."""


def page_owners(topology: Topology) -> Mapping[str, str]:
    """Return the page of each machine whose role has one: how answers are told apart."""
    owners = {}
    for name, machine in topology.machines.items():
        for role in machine.roles_until(topology.last_stage, topology.stage_order):
            page = role.told_by()
            if page is not None:
                owners[name] = page
    return owners


def own_seconds(topology: Topology) -> Mapping[str, float]:
    """Return what the programs of each machine wait by their own settings before they act on a failure."""
    waits = {}
    for name, machine in topology.machines.items():
        roles = machine.roles_until(topology.last_stage, topology.stage_order)
        if longest := max((role.own_seconds() for role in roles), default=0.0):
            waits[name] = longest
    return waits


def address_of(topology: Topology, asking: str, target: str) -> str:
    """Return the first address by which a machine of the topology is reached from another; else the target itself."""
    machine = topology.machines.get(target)
    addresses = addresses_seen(topology, topology.machines[asking], machine) if machine else ()
    return str(addresses[0]) if addresses else target
