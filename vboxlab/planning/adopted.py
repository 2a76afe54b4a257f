"""Adopted machines against what the topology expects of them: they are never edited, so a mismatch stops the plan."""

from __future__ import annotations

from vboxlab.planning.observed import ObservedLab
from vboxlab.topology.model import Topology


def adopted_mismatches(topology: Topology, observed: ObservedLab) -> list[str]:
    """Return why adopted machines do not fit the topology, one line a finding; empty when they all do."""
    findings = []
    for machine in topology.adopted_machines:
        assert machine.adopt is not None  # noqa: S101 -- adopted_machines returns only those
        vm = machine.adopt.vm
        found = observed.adopted.get(machine.name)
        if found is None:
            findings.append(f"{machine.name}: the VM {vm} to adopt does not exist; import it, or --set environment")
            continue
        present = {adapter.attachment.name: adapter for adapter in found.adapters if adapter.attachment.name}
        for adapter in machine.adapters:
            network = topology.networks[adapter.network]
            name = network.host_name or adapter.network
            if network.kind != "internal":
                continue
            if name not in present:
                where = ", ".join(f"{a.slot}: {a.attachment}" for a in found.adapters) or "none"
                findings.append(
                    f"{machine.name}: the adopted VM {vm} has no adapter on {name} (its adapters: {where}); "
                    f"attach one in VirtualBox, vboxlab does not edit adopted machines"
                )
            elif not present[name].cable:
                findings.append(f"{machine.name}: the cable of {vm}'s adapter on {name} is unplugged")
    return findings
