"""Which lab has the plain names: decided once, when a lab's first machine is made, and kept by its marks.

VMs and internal networks of one host are one name space. The first lab (and the first copy of each name) gets the names
that its topology has; while that one exists, another gets names with its own in front, and so does one whose plain
names a foreign VM has. Labs of versions that did not mark it have the plain names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.host import Host
from vboxlab.planning.observed import MARK_NAMES, NAMES_PREFIXED, ObservedMachine
from vboxlab.topology.addressing import LabName, Names
from vboxlab.topology.model import Topology


@dataclass(frozen=True)
class Naming:
    """The names of a lab; `why` says what keeps one that is to be made from having the plain ones.

    `shared` are networks of its own that other labs have too, each with such a lab: older versions made that possible.
    """

    names: Names
    why: str = ""
    shared: Mapping[str, LabName] = field(default_factory=dict)


def recorded_names(lab: LabName, machines: Iterable[ObservedMachine]) -> Names:
    """Return the names that an existing lab has, by its machines' marks."""
    return Names(lab, plain=all(machine.marks.get(MARK_NAMES) != NAMES_PREFIXED for machine in machines))


def possible_vms(topology: Topology, lab: LabName) -> set[str]:
    """Return what a lab's VMs are called, with plain names and without."""
    both = (Names(lab, plain=True), Names(lab, plain=False))
    return {names.vm(machine.name) for names in both for machine in topology.owned_machines}


def choose_names(
    topology: Topology,
    lab: LabName,
    host: Host,
    *,
    plain_free: bool = True,
    to_come: Collection[str] = (),
) -> Naming:
    """Return the names that a lab has, or gets when it is made, from all machines of the host.

    `plain_free` is False while another vboxlab is giving the plain names to a lab that has no machine yet. `to_come`
    are machines that the topology does not have, and the lab will have nevertheless.
    """
    ours = host.of(lab)
    if ours:
        names = recorded_names(lab, ours)
        return Naming(names, shared=_shared(topology, names, host))
    machines = [machine.name for machine in topology.owned_machines]
    why = _in_the_way([*machines, *to_come], lab, host)
    if not why and not plain_free:
        why = _("another lab that is just being made takes the plain names")
    return Naming(Names(lab, plain=not why), why)


def _shared(topology: Topology, names: Names, host: Host) -> Mapping[str, LabName]:
    own = {names.network(name) for name, network in topology.networks.items() if network.kind == "internal"}
    return host.sharers_of(names.lab, own)


def _in_the_way(machines_to_be: Iterable[str], lab: LabName, host: Host) -> str:
    for other, machines in sorted(host.labs_of(lab.copy).items(), key=lambda item: str(item[0])):
        if recorded_names(other, machines).plain:
            return _("lab {lab} has the plain names").format(lab=other)
    vms = [Names(lab).vm(machine) for machine in machines_to_be]
    others = host.others_of(lab, vms)
    for name in vms:
        if name in others:
            owner = others[name]
            if owner is None:
                return _("a VM named {vm!r} exists already, which is not vboxlab's").format(vm=name)
            return _("a VM named {vm!r} exists already, which is lab {lab}'s").format(vm=name, lab=owner)
    return ""


def remarks(topology: Topology, naming: Naming) -> list[str]:
    """Return what a user should know of a lab's names: that they are not the plain ones, or are those of others too."""
    return [*_not_plain(topology, naming), *_not_its_own(naming)]


def _not_its_own(naming: Naming) -> list[str]:
    if not naming.shared:
        return []
    labs = ", ".join(sorted({str(lab) for lab in naming.shared.values()}))
    text = _(
        "{networks}: lab {labs} has networks of these names too, as an older vboxlab made it; destroy one of the labs "
        "and bring it up again: it gets names of its own"
    )
    return [text.format(networks=", ".join(sorted(naming.shared)), labs=labs)]


def _not_plain(topology: Topology, naming: Naming) -> list[str]:
    if not naming.why:
        return []
    names = naming.names
    vm = next((names.vm(machine.name) for machine in topology.owned_machines), None)
    internal = (name for name, network in topology.networks.items() if network.kind == "internal")
    network = next((names.network(name) for name in internal), None)
    if vm and network:
        text = _("{reason}: this lab's VMs are called {vm} and its networks {network}, and so on")
    elif vm:
        text = _("{reason}: this lab's VMs are called {vm}, and so on")
    elif network:
        text = _("{reason}: this lab's networks are called {network}, and so on")
    else:
        return []
    return [text.format(reason=naming.why, vm=vm, network=network)]
