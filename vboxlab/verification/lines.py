"""Lines made bad and networks cut: by the hypervisor's own switch where it has one, else in the guests, over SSH.

In a guest that is tc(8) of iproute2: netem(8) for what an adapter sends, a filter that drops what comes from the
hardware addresses that are not to be seen. A boot of the guest undoes both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vboxlab.errors import GuestError
from vboxlab.language import _
from vboxlab.planning.observed import Impairment, PowerState
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import Topology
from vboxlab.verification.subject import LabUnderTest

Port = tuple[str, int]  # machine, slot
Run = Callable[[str, str], object]
"""Runs a script on a machine as root. Raises GuestError, WaitTimeout."""
REST = 0  # the group of the machines that none names


def groups_of(topology: Topology, network: str, groups: Sequence[Sequence[str]]) -> Mapping[Port, frozenset[int]]:
    """Return the groups that each adapter on a network is in; without any groups all are in none: nothing is cut."""
    found = {}
    for name, machine in topology.machines.items():
        own = frozenset(number for number, group in enumerate(groups, start=1) if name in group)
        for adapter in machine.adapters:
            if adapter.network == network:
                found[name, adapter.slot] = own or (frozenset({REST}) if groups else frozenset())
    return found


def cut(lab: LabUnderTest, network: str, groups: Sequence[Sequence[str]], run: Run) -> None:
    """Cut a network into groups of machines, or make it whole without any. Machines that do not exist are left out."""
    ports = {port: own for port, own in groups_of(lab.topology, network, groups).items() if lab.has(port[0])}
    if lab.shapes_lines:
        for (machine, slot), own in ports.items():
            if lab.topology.is_adopted(lab.topology.machines[machine]):  # it was never cut off: Faults refuses that
                continue
            lab.set_groups(machine, slot, own)
        return
    for (machine, slot), own in ports.items():
        unseen = [lab.mac(*port) for port, others in ports.items() if groups and own.isdisjoint(others)]
        if groups or lab.power(machine) is not PowerState.OFF:
            _in_guest(lab, machine, dropping_script(slot, unseen), run)


def join_all(lab: LabUnderTest, run: Run) -> None:
    """Make every network of a lab whole, in whichever topology it was cut: adapters take that along to another one.

    Of guests, only those that run and are in the topology are reached.
    """
    if lab.shapes_lines:
        lab.join_all()
        return
    for name, needed in lab.topology.machines.items():
        if lab.has(name) and lab.power(name) is not PowerState.OFF:
            for adapter in needed.adapters:
                _in_guest(lab, name, dropping_script(adapter.slot, ()), run)


def impair(lab: LabUnderTest, machine: str, slot: int, impairment: Impairment, run: Run) -> None:
    """Make the line of an adapter bad, or good with an Impairment()."""
    if lab.shapes_lines:
        lab.impair(machine, slot, impairment)
    else:
        _in_guest(lab, machine, netem_script(slot, impairment), run)


def _in_guest(lab: LabUnderTest, machine: str, script: str, run: Run) -> None:
    try:
        run(machine, script)
    except GuestError as error:
        text = _("{driver} cannot change the lines of a network, and the guest of {machine} could not do it either")
        raise GuestError(
            text.format(driver=lab.driver, machine=machine),
            details=[error.brief, *error.details],
            resolution=_("the guest needs tc (package iproute2) and an SSH server that answers"),
        ) from error


def dropping_script(slot: int, unseen: Sequence[str]) -> str:
    """Return what lets an interface drop frames that come from hardware addresses (tc-flower(8)); "" for none."""
    device = interface_name(slot)
    gone = f"tc qdisc del dev {device} clsact 2>/dev/null"
    if not unseen:
        return f"{gone}\n! tc qdisc show dev {device} | grep -qw clsact"
    filters = [
        f"tc filter add dev {device} ingress protocol all flower src_mac {_with_colons(mac)} action drop"
        for mac in unseen
    ]
    return "\n".join([gone, "set -e", f"tc qdisc add dev {device} clsact", *filters])


def netem_script(slot: int, impairment: Impairment) -> str:
    """Return what makes what an interface sends bad (tc-netem(8); its rates are in bits), or good again."""
    device = interface_name(slot)
    asked = [
        *(["loss", f"{100 * impairment.loss:g}%"] if impairment.loss else []),
        *(["delay", f"{1000 * impairment.delay:g}ms"] if impairment.delay else []),
        *(["rate", f"{8 * impairment.rate}bit"] if impairment.rate else []),
    ]
    if asked:
        return f"tc qdisc replace dev {device} root netem {' '.join(asked)}"
    return f"tc qdisc del dev {device} root 2>/dev/null\n! tc qdisc show dev {device} | grep -qw netem"


def _with_colons(mac: str) -> str:
    return ":".join(mac[index : index + 2] for index in range(0, 12, 2)).lower()
