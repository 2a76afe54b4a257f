"""What of a machine's hardware and cabling is not as the topology says: the hypervisor's side of a check. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vboxlab.guest.findings import Finding, Severity, Where
from vboxlab.planning.desired import DesiredMachine
from vboxlab.planning.observed import AdapterState, Attachment, ObservedMachine
from vboxlab.topology.addressing import Names, interface_name
from vboxlab.topology.model import MANAGEMENT_SLOT, Machine, Topology


def wiring_findings(wanted: DesiredMachine, found: ObservedMachine) -> list[Finding]:
    """Return how adapters, processors and memory of a machine of ours differ from those wanted."""
    have = {adapter.slot: adapter for adapter in found.adapters}
    need = {adapter.slot: adapter for adapter in wanted.adapters}
    findings = [
        finding
        for slot in sorted(have.keys() | need.keys())
        for finding in _adapter(wanted.name, slot, have.get(slot), need.get(slot))
    ]
    if (found.cpus, found.memory) != (wanted.cpus, wanted.memory):
        values = {
            "found": f"{found.cpus} CPU, {found.memory} MiB",
            "expected": f"{wanted.cpus} CPU, {wanted.memory} MiB",
        }
        findings.append(Finding("hardware", wanted.name, Where("machine"), values, "warning"))
    return findings


def _adapter(machine: str, slot: int, have: AdapterState | None, need: AdapterState | None) -> Iterator[Finding]:
    where = Where("adapter", f"{slot} ({interface_name(slot)})")

    def finding(code: str, severity: Severity = "error", **values: str | Attachment) -> Finding:
        return Finding(code, machine, where, values, severity)

    if have is None:
        if need is not None:
            yield finding("no-adapter", expected=need.attachment)
        return
    if need is None:
        yield finding("extra-adapter", "warning", found=have.attachment)
        return
    if (have.attachment.kind, have.attachment.name) != (need.attachment.kind, need.attachment.name):
        code = "similar-network" if _similar(have.attachment, need.attachment) else "wrong-network"
        yield finding(code, found=have.attachment, expected=need.attachment)
    elif slot == MANAGEMENT_SLOT and have.attachment != need.attachment:
        yield finding("management", "warning", found=_forwards(have), expected=_forwards(need))
    if have.cable != need.cable:
        yield finding("unplugged" if need.cable else "plugged")
    if have.mac.upper() != need.mac.upper():
        yield finding("other-mac", "warning", found=have.mac, expected=need.mac)


def _similar(have: Attachment, need: Attachment) -> bool:
    """Tell whether two names differ only in case, spaces and punctuation: to VirtualBox they are two networks."""

    def letters(text: str) -> str:
        return "".join(character for character in text.casefold() if character.isalnum())

    return have.kind == need.kind and letters(have.name) == letters(need.name)


def _forwards(adapter: AdapterState) -> str:
    ports = ", ".join(f"{forward.host_port} → {forward.guest_port}" for forward in adapter.attachment.forwards)
    return f"{adapter.attachment.subnet or 'NAT'}: {ports or '-'}"


def adopted_findings(
    topology: Topology, names: Names, machine: Machine, adopted: Mapping[str, ObservedMachine]
) -> list[Finding]:
    """Return what of an adopted machine does not fit the topology: its adapters may be in any slot."""
    vm = machine.adopt.vm if machine.adopt is not None else machine.name
    found = adopted.get(machine.name)
    if found is None:
        return [Finding("not-adopted", machine.name, Where("machine"), {"vm": vm})]
    findings = []
    present = {adapter.attachment.name: adapter for adapter in found.adapters}
    for adapter in machine.adapters:
        network = topology.networks[adapter.network]
        if network.kind != "internal":
            continue
        attachment = Attachment("internal", network.host_name or names.network(adapter.network))
        there = present.get(attachment.name)
        where = Where("adapter", f"{adapter.slot} ({interface_name(adapter.slot)})")
        if there is None:
            findings.append(Finding("no-adapter", machine.name, where, {"expected": attachment}))
        elif not there.cable:
            where = Where("adapter", f"{there.slot} ({interface_name(there.slot)})")
            findings.append(Finding("unplugged", machine.name, where))
    return findings
