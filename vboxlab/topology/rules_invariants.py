"""Rules for what the invariants of a scenario refer to."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.topology.invariants import HoldersInvariant
from vboxlab.topology.problems import Problem, one_of
from vboxlab.topology.subject import Subject


def asked_networks(subject: Subject) -> Iterator[Problem]:
    """not-in-network: by ARP a machine sees who has an address in a network of its own, and nowhere else."""
    if not subject.fit.complete:
        return
    topology = subject.topology
    for index, step in enumerate(topology.verify.steps):
        if not isinstance(step, HoldersInvariant) or step.source not in topology.machines or step.address is None:
            continue
        networks = {name for name, each in topology.networks.items() if each.subnet and step.address in each.subnet}
        having = [topology.machines[name] for name in step.on if name in topology.machines]
        near = networks & {adapter.network for machine in having for adapter in machine.adapters}
        networks = near or networks  # several sites may have such a network
        there = [m.name for m in topology.machines.values() if any(a.network in networks for a in m.adapters)]
        if step.source not in there:
            message = _("machine `{machine}` is not in the network of {address}, so it sees no ARP of it; {expected}")
            expected = one_of(name for name in there if name not in step.on) if there else ""
            text = message.format(machine=step.source, address=step.address, expected=expected)
            yield subject.problem("not-in-network", ("verify", "steps", index, "from"), text)
