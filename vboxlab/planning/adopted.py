"""Adopted machines against what the topology expects of them: they are never edited, so a mismatch stops the plan."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.planning.names import Naming
from vboxlab.planning.observed import ObservedLab, ObservedMachine, PowerState
from vboxlab.topology.model import Machine, Topology


def adopted_mismatches(topology: Topology, naming: Naming, observed: ObservedLab) -> list[str]:
    """Return why adopted machines do not fit the topology, one line a finding; empty when they all do."""
    findings = []
    on_plain_names = []
    for machine in topology.adopted_machines:
        assert machine.adopt is not None  # noqa: S101 -- adopted_machines returns only those
        vm = machine.adopt.vm
        found = observed.adopted.get(machine.name)
        if vm in observed.adopters:
            findings.append(
                f"{machine.name}: lab {observed.adopters[vm]} adopts the VM {vm}, which can be in one lab at a time; "
                "destroy that lab first, or --set environment"
            )
        elif observed.others.get(vm) is not None:
            findings.append(
                f"{machine.name}: the VM {vm} to adopt is lab {observed.others[vm]}'s; adopt one of your own"
            )
        elif found is None:
            findings.append(f"{machine.name}: the VM {vm} to adopt does not exist; import it, or --set environment")
        elif found.power is PowerState.INACCESSIBLE:
            findings.append(
                f"{machine.name}: the VM {vm} to adopt cannot be read ({found.problem or 'no reason given'}); "
                "mend it in VirtualBox, or --set environment"
            )
        elif _is_on_plain_names(topology, naming, machine, found):
            on_plain_names.append(vm)
        else:
            findings += _wiring(topology, naming, machine, vm, found)
    if on_plain_names:
        why = naming.why or "its machines were made when another lab had them"
        findings.append(
            f"{', '.join(on_plain_names)}: plugged into the plain names of networks, which this lab does not have "
            f"({why}); remove what is in the way, destroy this lab if it exists, and bring it up then"
        )
    return findings


def _internal(topology: Topology, naming: Naming, machine: Machine) -> Iterator[tuple[str, str]]:
    """Return the internal networks of a machine, each with the name that it has on the host."""
    for adapter in machine.adapters:
        network = topology.networks[adapter.network]
        if network.kind == "internal":
            yield adapter.network, network.host_name or naming.names.network(adapter.network)


def _is_on_plain_names(topology: Topology, naming: Naming, machine: Machine, found: ObservedMachine) -> bool:
    present = {adapter.attachment.name for adapter in found.adapters}
    names = list(_internal(topology, naming, machine))
    return any(name not in present and plain in present for plain, name in names)


def _wiring(topology: Topology, naming: Naming, machine: Machine, vm: str, found: ObservedMachine) -> Iterator[str]:
    present = {adapter.attachment.name: adapter for adapter in found.adapters if adapter.attachment.name}
    for _plain, name in _internal(topology, naming, machine):
        if name not in present:
            where = ", ".join(f"{a.slot}: {a.attachment}" for a in found.adapters) or "none"
            yield (
                f"{machine.name}: the adopted VM {vm} has no adapter on {name} (its adapters: {where}); "
                f"attach one in VirtualBox, vboxlab does not edit adopted machines"
            )
        elif not present[name].cable:
            yield f"{machine.name}: the cable of {vm}'s adapter on {name} is unplugged"
