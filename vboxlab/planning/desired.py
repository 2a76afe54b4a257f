"""The desired state of each machine in a driver's words, derived from the topology alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from ipaddress import IPv4Address
from types import MappingProxyType

from vboxlab.lazily import dataclass
from vboxlab.planning.disks import disks_of
from vboxlab.planning.names import Naming
from vboxlab.planning.observed import (
    MARK_COPY,
    MARK_LAB,
    MARK_MACHINE,
    MARK_NAMES,
    MARK_STAGE,
    NAMES_PLAIN,
    NAMES_PREFIXED,
    AdapterState,
    Attachment,
    DiskState,
    Forward,
    MachineSpec,
)
from vboxlab.topology.addressing import Names, mac_address
from vboxlab.topology.model import MANAGEMENT_NETWORK, MANAGEMENT_SLOT, Machine, Topology
from vboxlab.topology.sites import owners

# VirtualBox's own default for a NAT adapter in slot 1 (manual, "Network Address Translation"); set explicitly so that
# no driver's numbering by slot can make it meet the management network.
WAN_NETWORK = "10.0.2.0/24"
SSH_PORT = 22
FIRST_SLOT = 1  # the adapter that a stock Debian asks for an address on (enp0s3)


@dataclass(frozen=True)
class DesiredMachine:
    """One machine as it shall be. `digests` says what "configured" means at each stage (None: before all stages).

    `earlier_digests` is what earlier versions of vboxlab said for the very same.
    """

    name: str
    vm_name: str
    image: str
    cpus: int
    memory: int
    adapters: tuple[AdapterState, ...]
    digests: Mapping[str | None, str]
    stages: tuple[str, ...]  # those of the topology's stages that concern this machine, in order
    fetches_through: tuple[str, ...] = ()  # machines to be configured before this one can fetch packages
    stock: bool = False  # its base knows only DHCP on adapter 1
    earlier_digests: Mapping[str | None, tuple[str, ...]] = field(default_factory=dict)
    configured: bool = True  # else it has no way in, and nobody logs in to it
    disks: tuple[DiskState, ...] = ()
    dvd: str = ""
    left: bool = False  # to a student: what is in its guest is his once the exercise has begun

    def is_digest(self, found: str | None, stage: str | None) -> bool:
        """Tell whether a digest found in a mark means that the guest was brought to the stage as it is written now."""
        return found == self.digests[stage] or found in self.earlier_digests.get(stage, ())

    @property
    def first_adapters(self) -> tuple[AdapterState, ...]:
        """Return the adapters for the first contact with a clone of a stock base: adapter 1 is lent the way in."""
        ways_in = next(adapter.attachment.forwards for adapter in self.adapters if adapter.slot == MANAGEMENT_SLOT)
        lent = {
            FIRST_SLOT: Attachment("nat", subnet=WAN_NETWORK, forwards=ways_in),
            MANAGEMENT_SLOT: Attachment("nat", subnet=str(MANAGEMENT_NETWORK)),
        }
        return tuple(
            replace(adapter, attachment=lent[adapter.slot], cable=True) if adapter.slot in lent else adapter
            for adapter in self.adapters
        )

    def is_the_students(self, marks: Mapping[str, str]) -> bool:
        """Tell whether a machine with such marks is in a student's hands."""
        return self.left and marks.get(MARK_STAGE) == self.last_stage

    @property
    def has_first_slot(self) -> bool:
        """Tell whether there is an adapter 1."""
        return any(adapter.slot == FIRST_SLOT for adapter in self.adapters)

    @property
    def last_stage(self) -> str | None:
        """Return the last stage that concerns this machine."""
        return self.stages[-1] if self.stages else None

    def spec(self, names: Names, marks: Mapping[str, str]) -> MachineSpec:
        """Return what a driver needs to make the machine, carrying the lab's ownership mark and how it is named."""
        lab = names.lab
        owned = {MARK_LAB: lab.lab, MARK_MACHINE: self.name} | ({MARK_COPY: lab.copy} if lab.copy else {})
        owned[MARK_NAMES] = NAMES_PLAIN if names.plain else NAMES_PREFIXED
        return MachineSpec(self.vm_name, self.image, self.cpus, self.memory, self.adapters, {**marks, **owned})


def attachment(topology: Topology, names: Names, network: str) -> Attachment:
    """Return what an adapter in that network of the topology is plugged into."""
    declared = topology.networks[network]
    if declared.kind == "internal":
        return Attachment("internal", names.network(network))
    if declared.kind == "nat":
        return Attachment("nat", subnet=WAN_NETWORK)
    return Attachment(declared.kind, declared.host_name or network)


def adapters(topology: Topology, names: Names, machine: Machine, port: int | None) -> tuple[AdapterState, ...]:
    """Return the adapters of a machine: the topology's, and the management NAT in slot 8 with its SSH forward.

    A machine that has no port has no way in.
    """
    own = [
        AdapterState(
            adapter.slot,
            attachment(topology, names, adapter.network),
            mac_address(names.lab, machine.name, adapter.slot),
            adapter.cable,
        )
        for adapter in machine.adapters
    ]
    if port is None:
        return tuple(sorted(own, key=lambda adapter: adapter.slot))
    management = AdapterState(
        MANAGEMENT_SLOT,
        Attachment("nat", subnet=str(MANAGEMENT_NETWORK), forwards=(Forward(port, SSH_PORT),)),
        mac_address(names.lab, machine.name, MANAGEMENT_SLOT),
    )
    return tuple(sorted((*own, management), key=lambda adapter: adapter.slot))


def stages_of(topology: Topology, machine: Machine, snapshot_members: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the stages that configure the machine or end in a snapshot of it."""
    return tuple(
        stage.name
        for stage in topology.stages
        if machine.stages.get(stage.name) or machine.name in snapshot_members.get(stage.snapshot or "", ())
    )


def fetches_through(topology: Topology, machine: Machine) -> tuple[str, ...]:
    """Return the owned machines that a machine's downloads depend on: its gateway, and its DNS servers.

    A DNS server that is itself behind the machine is none of them: a router must come up before it.
    """
    gateways = _owners(topology, machine, _gateways(machine)) - {machine.name}
    servers = _owners(topology, machine, set(machine.dns)) - {machine.name}
    return tuple(sorted(gateways | {name for name in servers if machine.name not in _path_out(topology, name)}))


def _path_out(topology: Topology, name: str) -> set[str]:
    """Return the machines that lie between a machine and the Internet."""
    passed: set[str] = set()
    ahead = {name}
    while ahead:
        behind = [topology.machines[each] for each in ahead]
        ahead = set().union(*(_owners(topology, each, _gateways(each)) for each in behind)) - passed
        passed |= ahead
    return passed


def _gateways(machine: Machine) -> set[IPv4Address]:
    return {adapter.gateway for adapter in machine.adapters if adapter.gateway}


def _owners(topology: Topology, asking: Machine, addresses: set[IPv4Address]) -> set[str]:
    having = (machine for address in addresses for machine in owners(topology, asking, address))
    return {machine.name for machine in having if not topology.is_adopted(machine)}


def desired_machine(
    topology: Topology,
    names: Names,
    machine: Machine,
    *,
    image: str,
    port: int | None,
    digests: Mapping[str | None, str],
    snapshot_members: Mapping[str, tuple[str, ...]],
    needs_network: bool,
    stock: bool = False,
    earlier_digests: Mapping[str | None, tuple[str, ...]] = MappingProxyType({}),
    left: bool = False,
) -> DesiredMachine:
    """Put together one machine's desired state; `snapshot_members` maps snapshot sets to their machines."""
    return DesiredMachine(
        name=machine.name,
        vm_name=names.vm(machine.name),
        image=image,
        cpus=machine.cpus,
        memory=machine.memory,
        adapters=adapters(topology, names, machine, port),
        digests=digests,
        stages=stages_of(topology, machine, snapshot_members),
        fetches_through=fetches_through(topology, machine) if needs_network and machine.configured else (),
        stock=stock and machine.configured,
        earlier_digests=earlier_digests,
        configured=machine.configured,
        disks=disks_of(topology, machine),
        dvd=machine.dvd or "",
        left=left,
    )


@dataclass(frozen=True)
class Desired:
    """Everything that the planner compares the observed lab with."""

    topology: Topology
    naming: Naming
    machines: Mapping[str, DesiredMachine]
    # Marks that every machine of the lab carries once it has been brought to the topology (None: it does not).
    marks: Mapping[str, str | None]
    snapshot_members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    until: str | None = None  # stop at this stage, or at UNTIL_CREATED; None: the whole topology
    kinds: frozenset[str] | None = None  # of networks that the driver has; None: not known
    # Machines that are right for the topology that this one is brought about for, and only run meanwhile.
    spared: frozenset[str] = frozenset()
