"""Adopted machines against what the topology expects of them: they are never edited, so a mismatch stops the plan."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.adapters import same_network
from vboxlab.planning.names import Naming
from vboxlab.planning.observed import Attachment, ObservedLab, ObservedMachine, PowerState
from vboxlab.topology.addressing import Names
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
            text = _(
                "{machine}: lab {lab} adopts the VM {vm}, which can be in one lab at a time; destroy that lab first, "
                "or --set environment"
            )
            findings.append(text.format(machine=machine.name, lab=observed.adopters[vm], vm=vm))
        elif observed.others.get(vm) is not None:
            text = _("{machine}: the VM {vm} to adopt is lab {lab}'s; adopt one of your own")
            findings.append(text.format(machine=machine.name, vm=vm, lab=observed.others[vm]))
        elif found is None:
            text = _("{machine}: the VM {vm} to adopt does not exist; import it, or --set environment")
            findings.append(text.format(machine=machine.name, vm=vm))
        elif found.power is PowerState.INACCESSIBLE:
            text = _(
                "{machine}: the VM {vm} to adopt cannot be read ({reason}); mend it in VirtualBox, or --set environment"
            )
            reason = found.problem or _("no reason given")
            findings.append(text.format(machine=machine.name, vm=vm, reason=reason))
        else:
            missing = lacks(topology, naming.names, machine, found)
            if _is_on_plain_names(missing, found):
                on_plain_names.append(vm)
            else:
                findings += _wiring(missing, machine, vm, found)
    if on_plain_names:
        text = _(
            "{vms}: plugged into the plain names of networks, which this lab does not have ({reason}); remove what is "
            "in the way, destroy this lab if it exists, and bring it up then"
        )
        reason = naming.why or _("its machines were made when another lab had them")
        findings.append(text.format(vms=", ".join(on_plain_names), reason=reason))
    return findings


@dataclass(frozen=True)
class Lack:
    """An internal network that an adopted VM is not on: no adapter of it is, or none whose cable is plugged in.

    `unplugged` is the slot of one whose cable is not. `slot` is that of the topology, which the VM need not keep.
    """

    network: str  # as the topology calls it
    attachment: Attachment
    slot: int
    unplugged: int | None = None


def lacks(topology: Topology, names: Names, machine: Machine, found: ObservedMachine) -> list[Lack]:
    """Return the internal networks of an adopted machine that its VM is not on; its adapters may be in any slot."""
    result = []
    for adapter in machine.adapters:
        network = topology.networks[adapter.network]
        if network.kind != "internal":
            continue
        wanted = Attachment("internal", network.host_name or names.network(adapter.network))
        there = [each for each in found.adapters if same_network(each.attachment, wanted)]
        if not any(each.cable for each in there):
            result.append(Lack(adapter.network, wanted, adapter.slot, there[0].slot if there else None))
    return result


def _is_on_plain_names(missing: list[Lack], found: ObservedMachine) -> bool:
    plain = [Attachment("internal", lack.network) for lack in missing if lack.unplugged is None]
    return any(same_network(adapter.attachment, each) for adapter in found.adapters for each in plain)


def _wiring(missing: list[Lack], machine: Machine, vm: str, found: ObservedMachine) -> Iterator[str]:
    for lack in missing:
        if lack.unplugged is not None:
            text = _("{machine}: the cable of {vm}'s adapter on {network} is unplugged")
            yield text.format(machine=machine.name, vm=vm, network=lack.attachment.name)
            continue
        adapters = [_("{name}: {value}").format(name=each.slot, value=each.attachment) for each in found.adapters]
        yield _(
            "{machine}: the adopted VM {vm} has no adapter on {network} (its adapters: {adapters}); attach one in "
            "VirtualBox, vboxlab does not edit adopted machines"
        ).format(
            machine=machine.name, vm=vm, network=lack.attachment.name,
            adapters=", ".join(adapters) or C_("adapters", "none"),
        )  # fmt: skip
