"""Comparing a lab with its topology without changing anything: the hypervisor's side, then each guest that runs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import field, replace

from vboxlab.errors import UsageError, VboxlabError
from vboxlab.guest.differences import guest_findings
from vboxlab.guest.facts import Facts
from vboxlab.guest.facts_script import read_facts
from vboxlab.guest.findings import Finding, Where
from vboxlab.guest.place import Place
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.roles import Judged
from vboxlab.guest.together import judged_together
from vboxlab.lab.context import Context
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.wiring import adopted_findings, wiring_findings
from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.desired import Desired
from vboxlab.planning.observed import MARK_CONTACTED, ObservedLab, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Machine
from vboxlab.waiting import in_threads


@dataclass(frozen=True)
class MachineCheck:
    """What was found on one machine, and whether its guest could be looked at; `facts` is what it was found in."""

    machine: str
    guest_seen: bool
    findings: tuple[Finding, ...]
    facts: Facts = field(default_factory=Facts, compare=False)

    @property
    def is_fine(self) -> bool:
        """Tell whether there is nothing but hints."""
        return all(finding.severity == "hint" for finding in self.findings)


def check(
    context: Context,
    blueprint: Blueprint,
    lab: LabName,
    *,
    machine: str | None = None,
    stage: str | None = None,
    jobs: int = 2,
) -> list[MachineCheck]:
    """Compare the machines of a lab (or one of them) with the topology at a stage (default: the last).

    Changes nothing on the host or in the guests. Raises UsageError for a machine or stage that the topology does not
    have; a guest that cannot be looked at is a finding.
    """
    topology = blueprint.topology
    if machine is not None and machine not in topology.machines:
        raise UsageError(
            _("{topology} has no machine {machine!r}").format(topology=topology.name, machine=machine),
            details=[_("machines: {names}").format(names=", ".join(topology.machines))],
        )
    if stage is not None and stage not in topology.stage_order:
        raise UsageError(
            _("{topology} has no stage {stage!r}").format(topology=topology.name, stage=stage),
            details=[_("stages: {names}").format(names=_words(topology.stage_order))],
        )
    _plan, desired, observed = make_plan(context, replace(blueprint, whole=True), lab)
    chosen = [topology.machines[machine]] if machine is not None else list(topology.machines.values())
    nonce = secrets.token_hex(16) if machine is None else ""
    one = _Check(context, lab, desired, observed, stage or topology.last_stage, nonce)
    return _together(one, in_threads(one, chosen, width=jobs))


def _together(one: _Check, checked: Sequence[MachineCheck]) -> list[MachineCheck]:
    """Add what only several guests together show."""
    seen = {
        each.machine: Judged(one.place_of(each.machine), each.facts, each.findings)
        for each in checked
        if each.guest_seen
    }
    findings = judged_together(seen)
    return [replace(each, findings=findings.get(each.machine, each.findings)) for each in checked]


def _words(names: Sequence[str]) -> str:
    return ", ".join(names) or C_("stages", "none")


@dataclass(frozen=True)
class _Check:
    """The check of one lab; called with each machine, by several threads at once."""

    context: Context
    lab: LabName
    desired: Desired
    observed: ObservedLab
    stage: str | None
    nonce: str  # of digests by which guests are compared; "": they are not

    def place_of(self, machine: str) -> Place:
        """Return where the roles of a machine are applied."""
        return Place(self.desired.topology, self.desired.topology.machines[machine], self.stage)

    def __call__(self, machine: Machine) -> MachineCheck:
        name, topology = machine.name, self.desired.topology
        if topology.is_adopted(machine):
            findings = adopted_findings(topology, self.desired.naming.names, machine, self.observed.adopted)
            vm = self.observed.adopted.get(name)
            if vm is not None and vm.power is not PowerState.RUNNING:
                findings.append(_on_machine("not-running", name, power=vm.power.value))
            return MachineCheck(name, False, tuple(findings))
        found = self.observed.machines.get(name)
        if found is None:
            return MachineCheck(name, False, (_on_machine("not-created", name),))
        findings = wiring_findings(self.desired.machines[name], found)
        if not machine.configured and found.power is PowerState.RUNNING:
            return MachineCheck(name, False, tuple(findings))
        problem = _why_not_seen(name, found)
        if problem is None:
            try:
                found_in, facts = self._guest(machine, found)
                return MachineCheck(name, True, (*findings, *found_in), facts)
            except VboxlabError as error:
                problem = Finding("unreachable", name, Where("guest"), {"reason": error.brief})
        return MachineCheck(name, False, (*findings, problem))

    def _guest(self, machine: Machine, found: ObservedMachine) -> tuple[list[Finding], Facts]:
        topology, directory = self.desired.topology, self.context.directory(self.lab)
        base = self.context.bases.get(machine.base or topology.base)
        resources = resources_for(topology, machine, self.stage)
        facts = read_facts(self.context.guests.executor(directory, found, base), resources, self.nonce)
        preview = self.context.guests.configure(directory, found, base, resources, changes=False, installed=())
        return guest_findings(self.place_of(machine.name), resources, facts, preview), facts


def _on_machine(code: str, machine: str, **values: str) -> Finding:
    return Finding(code, machine, Where("machine"), values)


def _why_not_seen(name: str, found: ObservedMachine) -> Finding | None:
    """Return why a guest cannot be looked at, if it cannot."""
    if found.power is not PowerState.RUNNING:
        return _on_machine("not-running", name, power=found.power.value)
    if MARK_CONTACTED not in found.marks:
        return Finding("never-reached", name, Where("guest"))
    return None
