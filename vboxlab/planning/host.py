"""All machines of a host, found by what is asked of them: what a lab's neighbours have is looked up, not searched for.

Planning asks for each copy of a class whose a name, a port or a network is: to go through all machines for an answer
would make the work grow with the square of the class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import TypeVar

from vboxlab.language import _
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName

Key = TypeVar("Key")


class _Index(dict[Key, list[ObservedMachine]]):
    """Machines by something that they have, in the order in which they were added."""

    def add(self, keys: Iterable[Key], machine: ObservedMachine) -> None:
        for key in keys:
            self.setdefault(key, []).append(machine)

    def drop(self, keys: Iterable[Key], machine: ObservedMachine) -> None:
        for key in keys:
            # A new list: another thread may be reading the old one, and would miss a machine.
            self[key] = [other for other in self[key] if other is not machine]

    def of_others(self, key: Key, lab: LabName) -> list[ObservedMachine]:
        return [machine for machine in self.get(key, ()) if machine.lab != lab]


class Host:
    """All machines that a driver reported.

    One thread at a time may add or drop machines, while others look up.
    """

    def __init__(self, machines: Iterable[ObservedMachine] = ()) -> None:
        self._machines: dict[str, ObservedMachine] = {}  # by handle
        self._by_lab: _Index[LabName] = _Index()
        self._by_copy: _Index[str | None] = _Index()  # those of labs
        self._by_name: _Index[str] = _Index()
        self._by_adopted: _Index[str] = _Index()  # by the name of a foreign VM
        self._by_port: _Index[int] = _Index()
        self._by_network: _Index[str] = _Index()  # those of labs, by the internal networks that they are on
        self._now: tuple[LabName, Sequence[ObservedMachine]] | None = None
        for machine in machines:
            self.add(machine)

    def __iter__(self) -> Iterator[ObservedMachine]:
        machines = list(self._machines.values())
        if self._now is None:
            return iter(machines)
        lab, now = self._now
        return iter([*(machine for machine in machines if machine.lab != lab), *now])

    def add(self, machine: ObservedMachine) -> None:
        """Add a machine, in place of what it was before."""
        before = self._machines.get(machine.handle)
        if before is machine:
            return
        self._machines[machine.handle] = machine
        self._enter(machine)
        if before is not None:  # last: at no time is it missing
            self._remove(before)

    def drop(self, handle: str) -> None:
        """Forget a machine, if it is known."""
        machine = self._machines.pop(handle, None)
        if machine is not None:
            self._remove(machine)

    def with_now(self, lab: LabName, machines: Sequence[ObservedMachine]) -> Host:
        """Return the same host with a lab's machines as they are now. What is added here later is seen there too."""
        view = copy(self)
        view._now = (lab, tuple(machines))  # noqa: SLF001 -- one of its own class
        return view

    def of(self, lab: LabName) -> Sequence[ObservedMachine]:
        """Return the machines of a lab."""
        if self._now is not None and self._now[0] == lab:
            return self._now[1]
        return tuple(self._by_lab.get(lab, ()))

    def labs_of(self, copy: str | None) -> Mapping[LabName, Sequence[ObservedMachine]]:
        """Return the labs that have a copy of that name (None: that are no copies), each with its machines."""
        labs = dict.fromkeys(machine.lab for machine in self._by_copy.get(copy, ()))
        return {lab: self.of(lab) for lab in labs if lab is not None}

    def foreign(self, vm: str) -> ObservedMachine | None:
        """Return the VM of that name that is no lab's."""
        found = [machine for machine in self._by_name.get(vm, ()) if machine.lab is None]
        return found[-1] if found else None

    def others_of(self, lab: LabName, vms: Iterable[str]) -> dict[str, LabName | None]:
        """Return those of the names that VMs have which are not the lab's, each with its lab (None: a foreign VM)."""
        found = {vm: self._by_name.of_others(vm, lab) for vm in vms}
        unreadable = self.unreadable_of(lab, found)
        return {vm: machines[-1].lab for vm, machines in found.items() if machines and vm not in unreadable}

    def unreadable_of(self, lab: LabName, vms: Iterable[str]) -> dict[str, str]:
        """Return those of the names whose VM cannot be read, with the reason: nobody can tell whose it is."""
        return {
            vm: machine.problem or _("no reason given")
            for vm in vms
            for machine in self._by_name.of_others(vm, lab)
            if machine.power is PowerState.INACCESSIBLE
        }

    def adopters_of(self, lab: LabName, vms: Iterable[str]) -> dict[str, LabName]:
        """Return those of the foreign VMs that other labs adopt, by their marks, each with its lab."""
        return _labs({vm: self._by_adopted.of_others(vm, lab) for vm in vms})

    def sharers_of(self, lab: LabName, networks: Iterable[str]) -> dict[str, LabName]:
        """Return those of the internal networks that machines of other labs are on, each with such a lab."""
        return _labs({name: self._by_network.of_others(name, lab) for name in networks})

    def others_have_port(self, lab: LabName, port: int) -> bool:
        """Tell whether a machine that is not the lab's forwards that port of the host."""
        return bool(self._by_port.of_others(port, lab))

    def _enter(self, machine: ObservedMachine) -> None:
        self._by_name.add((machine.name,), machine)
        self._by_port.add(ports_of(machine), machine)
        if machine.lab is not None:
            self._by_lab.add((machine.lab,), machine)
            self._by_copy.add((machine.lab.copy,), machine)
            self._by_adopted.add(set(machine.adopts), machine)
            self._by_network.add(_networks_of(machine), machine)

    def _remove(self, machine: ObservedMachine) -> None:
        self._by_name.drop((machine.name,), machine)
        self._by_port.drop(ports_of(machine), machine)
        if machine.lab is not None:
            self._by_lab.drop((machine.lab,), machine)
            self._by_copy.drop((machine.lab.copy,), machine)
            self._by_adopted.drop(set(machine.adopts), machine)
            self._by_network.drop(_networks_of(machine), machine)


def ports_of(machine: ObservedMachine) -> set[int]:
    """Return the ports of the host that a machine forwards."""
    return {forward.host_port for adapter in machine.adapters for forward in adapter.attachment.forwards}


def _networks_of(machine: ObservedMachine) -> set[str]:
    attachments = (adapter.attachment for adapter in machine.adapters)
    return {attachment.name for attachment in attachments if attachment.kind == "internal"}


def _labs(found: Mapping[str, Sequence[ObservedMachine]]) -> dict[str, LabName]:
    return {key: machines[-1].lab for key, machines in found.items() if machines and machines[-1].lab is not None}
