"""What of a machine's hardware and cabling is not as the topology says: the hypervisor's side of a check. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.guest.findings import Finding, Severity, Where
from vboxlab.planning.adapters import AdapterDifference, compare
from vboxlab.planning.adopted import Lack, lacks
from vboxlab.planning.desired import DesiredMachine
from vboxlab.planning.observed import AdapterState, Attachment, ObservedMachine
from vboxlab.topology.addressing import Names, interface_name
from vboxlab.topology.model import MANAGEMENT_SLOT, Machine, Topology


def wiring_findings(wanted: DesiredMachine, found: ObservedMachine) -> list[Finding]:
    """Return how adapters, processors and memory of a machine of ours differ from those wanted."""
    findings = [_adapter(wanted.name, difference) for difference in compare(wanted.adapters, found.adapters)]
    if (found.cpus, found.memory) != (wanted.cpus, wanted.memory):
        values = {
            "found": f"{found.cpus} CPU, {found.memory} MiB",
            "expected": f"{wanted.cpus} CPU, {wanted.memory} MiB",
        }
        findings.append(Finding("hardware", wanted.name, Where("machine"), values, "warning"))
    return findings


def _adapter(machine: str, difference: AdapterDifference) -> Finding:
    where = Where("adapter", f"{difference.slot} ({interface_name(difference.slot)})")

    def finding(code: str, severity: Severity = "error", **values: str | Attachment) -> Finding:
        return Finding(code, machine, where, values, severity)

    have, need = difference.found, difference.wanted
    if need is None or have is None:
        if need is not None:
            return finding("no-adapter", expected=need.attachment)
        assert have is not None  # noqa: S101 -- one of the two there is
        return finding("extra-adapter", "warning", found=have.attachment)
    match difference.kind:
        case "network":
            code = "similar-network" if _similar(have.attachment, need.attachment) else "wrong-network"
            return finding(code, found=have.attachment, expected=need.attachment)
        case "nat":
            code = "management" if difference.slot == MANAGEMENT_SLOT else "forwards"
            return finding(code, "warning", found=_forwards(have), expected=_forwards(need))
        case "cable":
            return finding("unplugged" if need.cable else "plugged")
        case _:
            return finding("other-mac", "warning", found=have.mac, expected=need.mac)


def _similar(have: Attachment, need: Attachment) -> bool:
    """Tell whether two names differ only in case, spaces and punctuation: to VirtualBox they are two networks."""

    def letters(text: str) -> str:
        return "".join(character for character in text.casefold() if character.isalnum())

    return have.kind == need.kind and letters(have.name) == letters(need.name)


def _forwards(adapter: AdapterState) -> str:
    ports = ", ".join(f"{forward} → {forward.guest_port}" for forward in adapter.attachment.forwards)
    return f"{adapter.attachment.subnet or 'NAT'}: {ports or '-'}"


def adopted_findings(
    topology: Topology, names: Names, machine: Machine, adopted: Mapping[str, ObservedMachine]
) -> list[Finding]:
    """Return what of an adopted machine does not fit the topology: its adapters may be in any slot."""
    vm = machine.adopt.vm if machine.adopt is not None else machine.name
    found = adopted.get(machine.name)
    if found is None:
        return [Finding("not-adopted", machine.name, Where("machine"), {"vm": vm})]
    return [_adopted(machine.name, lack) for lack in lacks(topology, names, machine, found)]


def _adopted(machine: str, lack: Lack) -> Finding:
    slot = lack.slot if lack.unplugged is None else lack.unplugged
    where = Where("adapter", f"{slot} ({interface_name(slot)})")
    if lack.unplugged is not None:
        return Finding("unplugged", machine, where)
    return Finding("no-adapter", machine, where, {"expected": lack.attachment})
