"""What a topology says of VMs that exist: names made fit, networks put together, the rest as comments. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import PurePath, PureWindowsPath
from typing import NamedTuple, cast, get_args

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.drafting import Draft, DraftAdapter, DraftMachine, DraftNetwork, fit_name, scalar
from vboxlab.topology.model import MANAGEMENT_NETWORK, MANAGEMENT_SLOT, NetworkKind
from vboxlab.topology.rules_names import name_fault
from vboxlab.topology.rules_networks import LONGEST_WITH_BROADCAST

LEAST_MEMORY, MOST_CPUS = 64, 32  # of a machine's model
_BASE = re.compile(r"[^a-z0-9._-]+")
LONGEST_BASE = 39


class Plug(NamedTuple):
    """An adapter as the hypervisor tells of it: its kind of network may be one that topologies do not have."""

    slot: int
    kind: str
    name: str
    subnet: str
    cable: bool


@dataclass(frozen=True)
class Drawn:
    """A VM: memory in MiB, disks by file and size in bytes. With a `base` it is cloned, else adopted."""

    vm: str
    cpus: int
    memory: int
    adapters: tuple[Plug, ...]
    disks: tuple[tuple[str, int], ...] = ()
    base: str = ""


@dataclass(frozen=True)
class Drawing:
    """The networks and machines of a topology in the making, and what is otherwise in it than the VMs say."""

    parts: Draft
    remarks: tuple[str, ...]


def base_name(vm: str, taken: Iterable[str]) -> str:
    """Return a name fit for a base, made of a VM's name, that no other one has."""
    made = _BASE.sub("-", vm.lower()).strip("-._")[: LONGEST_BASE - 3].strip("-._") or "vm"
    known = set(taken)
    names = (made, *(f"{made}-{number}" for number in range(2, len(known) + 3)))
    return next(name for name in names if name not in known)


def draw(vms: Sequence[Drawn]) -> Drawing:
    """Return what a topology of some VMs says."""
    drawing = _Drawing()
    for number, vm in enumerate(vms):
        # One VM's name may be another machine's nowhere: it would not be clear which of the two is meant.
        others = [other.vm for place, other in enumerate(vms) if place != number]
        drawing.add(vm, others)
    parts = Draft("", "", "", tuple(drawing.networks.values()), tuple(drawing.machines))
    return Drawing(parts, tuple(drawing.remarks))


class _Drawing:
    """A topology in the making: its networks by what VMs call them."""

    def __init__(self) -> None:
        self.networks: dict[tuple[str, str], DraftNetwork] = {}
        self.machines: list[DraftMachine] = []
        self.remarks: list[str] = []
        self._subnets: list[IPv4Network] = [MANAGEMENT_NETWORK]

    def add(self, vm: Drawn, others: Sequence[str] = ()) -> None:
        """Add the machine of a VM; `others` are names that it must not have."""
        name = fit_name(vm.vm, [*others, *(machine.name for machine in self.machines)])
        if name != vm.vm:
            said = _("the VM {vm} is machine {machine}: a name has letters, digits and hyphens only")
            self.remarks.append(said.format(vm=vm.vm, machine=name))
        left_out: list[str] = []
        adapters = tuple(self._adapters(vm, left_out))
        keys = [("hostname", name)]
        if vm.base:
            keys += [("base", vm.base), ("configured", "false")]
        cpus, memory = min(max(vm.cpus, 1), MOST_CPUS), max(vm.memory, LEAST_MEMORY)
        keys += [("cpus", str(cpus)), ("memory", str(memory))]
        more = () if vm.base else (f"adopt: {{vm: {scalar(vm.vm)}}}",)
        remarks = (*self._about(vm, name), *left_out)
        self.machines.append(DraftMachine(name, tuple(keys), adapters, more, remarks))

    def _about(self, vm: Drawn, name: str) -> Iterator[str]:
        yield _("The VM {vm}. Its host name inside is not known: {name} is made of the VM's.").format(
            vm=vm.vm, name=name
        )
        if vm.base:
            yield _(
                "It is left alone: wired and started, never logged in to. Is it a Debian? Add its base with --user "
                "instead of --no-login, and take `configured: false` away."
            )
        for number, (path, size) in enumerate(vm.disks, start=1):
            text = _("Disk {number}: {file}, {size} MiB.") if size else _("Disk {number}: {file}.")
            file = PureWindowsPath(path).name if "\\" in path else PurePath(path).name
            yield text.format(number=number, file=file, size=size >> 20)
        if not vm.disks:
            yield _("It has no disk.")

    def _adapters(self, vm: Drawn, left_out: list[str]) -> Iterator[DraftAdapter]:
        for plug in sorted(vm.adapters):
            if plug.kind not in get_args(NetworkKind):
                text = _("Adapter {slot} is left out: it is plugged into {kind}, for which a topology has no word.")
                left_out.append(text.format(slot=plug.slot, kind=plug.kind))
            elif plug.slot == MANAGEMENT_SLOT:
                text = _("Adapter {slot} on {network} is left out: that slot is kept for vboxlab.")
                left_out.append(text.format(slot=plug.slot, network=f"{plug.kind} {plug.name}".strip()))
            elif not plug.cable and not vm.base:
                text = _("Adapter {slot} on {network} is left out: its cable is unplugged.")
                left_out.append(text.format(slot=plug.slot, network=f"{plug.kind} {plug.name}".strip()))
            else:
                yield DraftAdapter(self._network(plug), plug.slot, cable=plug.cable)

    def _network(self, plug: Plug) -> str:
        """Return what the topology calls the network of an adapter."""
        known = self.networks.get((plug.kind, plug.name))
        if known is None:
            known = self.networks[plug.kind, plug.name] = self._new_network(plug)
        return known.name

    def _new_network(self, plug: Plug) -> DraftNetwork:
        taken = {network.name.lower() for network in self.networks.values()}
        wanted = plug.name or plug.kind
        is_fit = name_fault(wanted) is None and wanted.lower() not in taken and not set("{}") & set(wanted)
        name = wanted if is_fit else fit_name(wanted, taken, default="network")
        if name != wanted:
            self.remarks.append(_("the network {network} is called {name} here").format(network=wanted, name=name))
        host_name = plug.name if plug.name and plug.name != name else ""
        subnet, remarks = self._subnet(plug)
        return DraftNetwork(name, cast("NetworkKind", plug.kind), subnet, host_name, remarks)

    def _subnet(self, plug: Plug) -> tuple[str, tuple[str, ...]]:
        if plug.kind == "nat":
            return "", ()
        if not plug.subnet:
            return "", (_("Its subnet is not known: write `subnet: …` here, and its addresses are checked."),)
        subnet = IPv4Network(plug.subnet)
        clash = next((other for other in self._subnets if other.overlaps(subnet)), None)
        if clash is not None or subnet.prefixlen > LONGEST_WITH_BROADCAST:
            text = _("VirtualBox says {subnet} of it, which cannot stand here: {reason}.")
            reason = _("no machine has room in it") if clash is None else _("{other} is taken").format(other=clash)
            return "", (text.format(subnet=subnet, reason=reason),)
        self._subnets.append(subnet)
        return str(subnet), ()
