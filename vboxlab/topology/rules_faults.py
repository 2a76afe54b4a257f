"""Rules for what the faults of a scenario refer to: adapters, networks, and machines on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vboxlab.language import _
from vboxlab.topology.caused import CausedStep
from vboxlab.topology.fault_sequences import ChaosFault, TogetherFault
from vboxlab.topology.fault_step import FaultStep
from vboxlab.topology.faults import (
    CableFault,
    Fault,
    HealFault,
    ImpairFault,
    PartitionFault,
    PulledDiskFault,
    RepairFault,
)
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.subject import Subject


def _faults(subject: Subject) -> Iterator[tuple[Fault, Place]]:
    """Yield each single fault of the scenario, and where it stands."""
    for index, step in enumerate(subject.topology.verify.steps):
        place: Place = ("verify", "steps", index)
        if isinstance(step, CausedStep):
            yield from _within(step.cause, (*place, "cause"))
        elif isinstance(step, FaultStep):
            yield from _within(step, place)


def _within(step: Any, place: Place) -> Iterator[tuple[Fault, Place]]:
    if isinstance(step, TogetherFault | ChaosFault):
        key = "faults" if isinstance(step, TogetherFault) else "among"
        yield from _within(getattr(step, key), (*place, key))
    elif isinstance(step, tuple):
        for index, fault in enumerate(step):
            yield fault, (*place, index)
    else:
        yield step, place


def fault_adapters(subject: Subject) -> Iterator[Problem]:
    """unknown-adapter: a cable can be pulled, and a line be bad, only where the machine has an adapter."""
    for fault, place in _faults(subject):
        if not isinstance(fault, CableFault | ImpairFault | RepairFault):
            continue
        machine = subject.topology.machines.get(fault.machine)
        if machine is None or not subject.fit.complete:
            continue
        adapter = machine.adapter(fault.slot)
        named = {"machine": machine.name, "slot": fault.slot}
        if adapter is None:
            message = _("machine `{machine}` has no adapter in slot {slot}; {expected}").format(
                **named, expected=one_of(str(adapter.slot) for adapter in machine.adapters)
            )
            yield subject.problem("unknown-adapter", (*place, "slot"), message)
        elif not isinstance(fault, CableFault) and not _is_internal(subject, adapter.network):
            message = _(
                "adapter {slot} of machine `{machine}` is on `{network}`, which is not internal: "
                "its line cannot be changed; expected an adapter on an internal network"
            ).format(**named, network=adapter.network)
            yield subject.problem("not-internal", (*place, "slot"), message)


def fault_disks(subject: Subject) -> Iterator[Problem]:
    """unknown-disk: only a disk besides the first can be pulled out."""
    for fault, place in _faults(subject):
        machine = subject.topology.machines.get(fault.machine) if isinstance(fault, PulledDiskFault) else None
        if machine is None or not isinstance(fault, PulledDiskFault) or not subject.fit.complete:
            continue
        names = [disk.called for disk in machine.disks]
        if fault.disk not in names:
            message = _("machine `{machine}` has no disk `{disk}` besides its first; {expected}").format(
                machine=machine.name, disk=fault.disk, expected=one_of(names) + did_you_mean(fault.disk, names)
            )
            yield subject.problem("unknown-disk", (*place, "disk"), message)


def fault_networks(subject: Subject) -> Iterator[Problem]:
    """unknown-network, not-internal, not-on-network: what is cut is an internal network, between machines on it."""
    names = subject.named_in_file("networks")
    for fault, place in _faults(subject):
        if names is None or not isinstance(fault, PartitionFault | HealFault):
            continue
        network = fault.network
        if network not in names:
            if not subject.is_spared(subject.topology.verify.steps[int(place[2])], "networks", network):
                where = (*place, "network")
                yield subject.problem("unknown-network", where, subject.no_network(network, where))
        elif not _is_internal(subject, network):
            message = _("network `{network}` is not internal, so it cannot be cut; expected an internal network")
            yield subject.problem("not-internal", (*place, "network"), message.format(network=network))
        elif isinstance(fault, PartitionFault) and subject.fit.complete:
            yield from _members(subject, fault, place)


def _is_internal(subject: Subject, network: str) -> bool:
    """Tell whether a network is internal; of one that is not known nothing is to be said."""
    found = subject.topology.networks.get(network)
    return found is None or found.kind == "internal"


def _members(subject: Subject, fault: PartitionFault, place: Place) -> Iterator[Problem]:
    machines = subject.topology.machines
    there = [m.name for m in machines.values() if any(a.network == fault.network for a in m.adapters)]
    for number, group in enumerate(fault.groups):
        for index, name in enumerate(group):
            if name in machines and name not in there:
                message = _("machine `{machine}` has no adapter on network `{network}`; {expected}").format(
                    machine=name, network=fault.network, expected=one_of(there)
                )
                yield subject.problem("not-on-network", (*place, "groups", number, index), message)
