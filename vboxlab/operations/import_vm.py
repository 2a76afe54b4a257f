"""`import vm`: a topology from VMs that exist. They are only read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from vboxlab.base.recipe import RECIPES
from vboxlab.base.store import BaseStore
from vboxlab.errors import CapabilityMissing, DriverError, MachineConflict, MachineNotFound, UsageError
from vboxlab.hypervisor.driver import Description, Driver
from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.operations.new_topology import free_name, write_topology
from vboxlab.operations.session import opened
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.topology.drafting import Draft, fit_name
from vboxlab.topology.drawn_from import Drawn, Plug, base_name, draw
from vboxlab.topology.problems import nearest
from vboxlab.topology.rules_names import name_fault

MOST_NAMES = 20  # that an error offers


@dataclass(frozen=True)
class ImportRequest:
    """The VMs by name or UUID, and the name of the topology (None: made of theirs).

    They are adopted, or with `clone` the machines are clones of them.
    """

    vms: tuple[str, ...]
    name: str | None = None
    clone: bool = False
    driver: str | None = None


@dataclass(frozen=True)
class Imported:
    """A topology that was written: the commands to type first, and what is otherwise than the VMs say."""

    name: str
    path: Path
    commands: tuple[str, ...]
    remarks: tuple[str, ...]


def import_vm(request: ImportRequest, door: Door) -> Imported:
    """Write a topology of VMs that exist, and change nothing of them.

    Raises MachineNotFound with the nearest names, MachineConflict for a name that several have or a VM that is
    vboxlab's, DriverError for one that cannot be read, UsageError for one whose name keeps it from being adopted,
    CapabilityMissing where the driver has no VMs of others, and as write_topology does.
    """
    with opened(door, request.driver) as session:
        driver, settings = session.context.driver, session.settings
        if not driver.capabilities.adopts:
            raise CapabilityMissing(
                _("{driver} has no VMs but vboxlab's, so there is nothing to import").format(driver=driver.name),
                resolution=_("choose VirtualBox with --driver virtualbox"),
            )
        found = _described(driver, request.vms)
        for each in () if request.clone else found:
            _check_adoptable(each.machine)
        meant = {each.machine.handle: _meant(each.machine, driver) for each in found}
    bases, commands = _bases(BaseStore(settings), meant, found) if request.clone else ({}, [])
    drawn = draw([_as_drawn(each, bases.get(each.machine.handle, "")) for each in found])
    names = [each.machine.name for each in found]
    usual = fit_name(names[0]).lower()[:36] if len(names) == 1 else "imported"
    name = request.name or free_name(settings, usual.strip("-"))
    path, _topology = write_topology(settings, name, _draft(name, drawn.parts, request, commands))
    return Imported(name, path, tuple(commands), drawn.remarks)


def _check_adoptable(vm: ObservedMachine) -> None:
    fault = name_fault(vm.name)
    if fault is not None:
        raise UsageError(
            _("the VM {vm} cannot be adopted: its name {fault}").format(vm=vm.name, fault=fault),
            resolution=_("give it another name in VirtualBox's window, or let the machines be clones: --clone"),
        )


def _bases(
    store: BaseStore, meant: Mapping[str, str], found: Sequence[Description]
) -> tuple[dict[str, str], list[str]]:
    """Return the base of each VM by its handle, and the commands that add those which are not there."""
    taken = {*RECIPES, *(base.name for base in store.list())}
    added = {base.name: base.origin for base in store.added.all()}
    bases: dict[str, str] = {}
    commands = []
    for vm in (each.machine for each in found):
        there = next((name for name, origin in added.items() if origin in (f"VM {vm.name}", f"VM {vm.handle}")), None)
        bases[vm.handle] = there or base_name(vm.name, {*taken, *added, *bases.values()})
        if there is None:
            commands.append(f"vboxlab base add {bases[vm.handle]} --vm {shlex.quote(meant[vm.handle])} --no-login")
    return bases, commands


def _as_drawn(found: Description, base: str) -> Drawn:
    disks = tuple((disk.path, disk.size) for disk in found.disks)
    machine = found.machine
    adapters = tuple(
        Plug(each.slot, each.attachment.kind, each.attachment.name, found.subnets.get(each.slot, ""), each.cable)
        for each in machine.adapters
    )
    return Drawn(machine.name, machine.cpus, machine.memory, adapters, disks, base)


def _meant(vm: ObservedMachine, driver: Driver) -> str:
    """Return what names a VM and no other: its name, or where others have it too its UUID."""
    alike = [each for each in driver.machines() if each.name == vm.name]
    return vm.name if len(alike) == 1 else vm.handle


def _described(driver: Driver, wanted: Sequence[str]) -> list[Description]:
    machines = driver.machines()
    chosen: dict[str, ObservedMachine] = {}
    for name in wanted:
        machine = _named(machines, name)
        chosen.setdefault(machine.handle, machine)
    return [driver.describe(handle) for handle in chosen]


def _named(machines: Sequence[ObservedMachine], wanted: str) -> ObservedMachine:
    by_id = [each for each in machines if each.handle == wanted.strip("{}").lower()]
    found = by_id or [each for each in machines if each.name == wanted]
    if not found:
        known = sorted({each.name for each in machines if each.lab is None})
        near = nearest(wanted, known)
        more = ", …" if len(known) > MOST_NAMES else ""
        names = ", ".join(known[:MOST_NAMES]) + more
        raise MachineNotFound(
            _("there is no VM {vm}").format(vm=wanted),
            details=[_("VMs: {vms}").format(vms=names or C_("VM", "none"))],
            resolution=_("did you mean `{word}`?").format(word=near) if near else "",
        )
    if len(found) > 1:
        raise MachineConflict(
            _("{count} VMs are named {vm}").format(count=len(found), vm=wanted),
            details=[each.handle for each in found],
            resolution=_("give the UUID of the one that is meant"),
        )
    machine = found[0]
    if machine.lab is not None:
        raise MachineConflict(
            _("{vm} is vboxlab's own: it is a machine of lab {lab}").format(vm=machine.name, lab=machine.lab),
            resolution=_("name VMs of your own; `vboxlab list` shows the topologies that there are"),
        )
    if machine.power is PowerState.INACCESSIBLE:
        raise DriverError(
            _("the VM {vm} cannot be read ({reason})").format(
                vm=machine.name, reason=machine.problem or _("no reason given")
            ),
            resolution=_("mend it in VirtualBox's window, or leave it out"),
        )
    return machine


def _draft(name: str, parts: Draft, request: ImportRequest, commands: Sequence[str]) -> Draft:
    vms = ", ".join(request.vms)
    if request.clone:
        how = _("Made by vboxlab from the VMs {vms}. The machines are linked clones of them; the VMs stay as they are.")
        first = [_("Type first, once:"), *commands] if commands else []
    else:
        how = _(
            "Made by vboxlab from the VMs {vms}. They are adopted: started and checked, and never edited nor removed."
        )
        first = []
    again = _("Is it right?    vboxlab validate {name}        Bring it up:    vboxlab up {name}").format(name=name)
    return Draft(
        lab=name,
        title="",
        base="debian12",
        networks=parts.networks,
        machines=parts.machines,
        head=(how.format(vms=vms), *first, again),
        about_base=(_("For machines that you add below; those from the VMs need none of it."),),
        tail=(
            _(
                "What nobody can see from outside is missing: addresses in the guests, and what they are for. What you"
                " know, write down: `address: 192.168.1.5/24` on an adapter lets the others know it."
            ),
        ),
    )
