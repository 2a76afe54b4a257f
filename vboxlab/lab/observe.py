"""Seeing a lab as it is now, through the driver and by ownership marks only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from vboxlab.errors import InfrastructureTrouble, UsageError, WaitTimeout
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.context import Context
from vboxlab.lab.journal import pending_restore, record_progress
from vboxlab.language import _
from vboxlab.planning.host import Host
from vboxlab.planning.names import possible_vms
from vboxlab.planning.observed import ObservedLab, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Topology
from vboxlab.waiting import Deadline, wait_until

SETTLE_SECONDS = 60.0


def observe(driver: Driver, lab: LabName, topology: Topology | None = None) -> ObservedLab:
    """Report the lab's machines by their marks, the adopted ones by name, and whose the VMs beside them are."""
    return observed_lab(driver, Host(driver.machines()), lab, topology)


def observed_lab(driver: Driver, host: Host, lab: LabName, topology: Topology | None = None) -> ObservedLab:
    """Pick one lab out of all machines that a driver reported."""
    ours = {machine.machine: machine for machine in host.of(lab)}
    if topology is None:
        return ObservedLab(lab, ours)
    to_adopt = {machine.name: machine.adopt.vm for machine in topology.adopted_machines if machine.adopt is not None}
    adopted = {name: driver.inspect(found.handle) for name, vm in to_adopt.items() if (found := host.foreign(vm))}
    vms = {*possible_vms(topology, lab), *to_adopt.values()}
    return ObservedLab(
        lab,
        ours,
        adopted,
        host.others_of(lab, vms),
        host.adopters_of(lab, vms),
        unreadable=host.unreadable_of(lab, vms),
    )


def see(context: Context, lab: LabName, topology: Topology | None = None) -> ObservedLab:
    """Observe a lab within an operation that may be one of many on copies."""
    return observed_lab(context.driver, context.machines(lab), lab, topology)


def at_first_sight(context: Context, lab: LabName) -> ObservedLab:
    """Observe a lab as it was when the host was looked at, for an estimate: what is done later looks again."""
    return observed_lab(context.driver, context.machines(), lab)


def begin(context: Context, lab: LabName) -> ObservedLab:
    """Observe a lab that is about to be changed, as `settle` does. The caller holds its lock."""
    observed = settle(context, lab)
    record_progress(context.directory(lab), observed.pending)
    return observed


def settle(context: Context, lab: LabName, topology: Topology | None = None) -> ObservedLab:
    """Observe a lab as `settled` does, and nothing else."""
    return settled(context, lab, topology)[1]


def settled(context: Context, lab: LabName, topology: Topology | None = None) -> tuple[Host, ObservedLab]:
    """Observe a lab, with the restore that it may be in the middle of, once no machine of it is between two states.

    Returns all machines of the host beside it, as they were seen with it. Raises InfrastructureTrouble naming the
    machines that stay between states.
    """

    def look() -> tuple[Host, ObservedLab] | None:
        host = context.machines(lab)
        found = observed_lab(context.driver, host, lab, topology)
        changing = [m for m in found.machines.values() if m.power is PowerState.CHANGING]
        return None if changing else (host, found)

    try:
        what = _("an end to the changes of lab {lab}").format(lab=lab)
        host, found = wait_until(look, Deadline.after(SETTLE_SECONDS), what=what, every=0.3)
    except WaitTimeout as error:
        stuck = ", ".join(name for name, m in see(context, lab).machines.items() if m.power is PowerState.CHANGING)
        raise InfrastructureTrouble(
            _("lab {lab}: {machines} neither runs nor is off after {seconds:.0f} s").format(
                lab=lab, machines=stuck, seconds=SETTLE_SECONDS
            ),
            resolution=_("look at it in the hypervisor's own window; power it off there"),
        ) from error
    return host, replace(found, pending=pending_restore(context.directory(lab), found))


def labs(everything: Iterable[ObservedMachine]) -> Mapping[LabName, list[ObservedMachine]]:
    """Group the machines that carry our marks by lab and copy, sorted; copy 2 comes before copy 10."""
    found: dict[LabName, list[ObservedMachine]] = {}
    for machine in everything:
        if machine.lab is not None:
            found.setdefault(machine.lab, []).append(machine)
    return dict(sorted(found.items(), key=lambda item: (item[0].lab, _natural(item[0].copy or ""))))


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


def need_machine(observed: ObservedLab, name: str) -> ObservedMachine:
    """Return one machine of a lab. Raises UsageError naming those that exist."""
    machine = observed.machines.get(name)
    if machine is None:
        exist = (
            _("machines: {machines}").format(machines=", ".join(sorted(observed.machines)))
            if observed.machines
            else _("machines: none; run `vboxlab up` first")
        )
        brief = _("lab {lab} has no machine {machine!r}").format(lab=observed.name, machine=name)
        raise UsageError(brief, details=[exist])
    return machine
