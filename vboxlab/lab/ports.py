"""Management ports: stable per lab, copy and machine, never one that somebody else listens on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from vboxlab.errors import LabError
from vboxlab.language import _
from vboxlab.listening import LOOPBACK, is_free
from vboxlab.planning.host import Host, ports_of
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.topology.addressing import PORT_COUNT, PORT_FIRST, LabName, first_port


class Reservations:
    """Ports given to labs whose machines are still being made: copies made at once must not get the same."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self._ports: dict[LabName, dict[str, int]] = {}
        self._labs: dict[int, set[LabName]] = {}  # by port

    def others_have(self, lab: LabName, port: int) -> bool:
        """Tell whether a port was given to another lab."""
        return bool(self._labs.get(port, set()) - {lab})

    def given(self, lab: LabName) -> Mapping[str, int]:
        """Return the ports given to a lab's machines before."""
        return self._ports.get(lab, {})

    def keep(self, lab: LabName, ports: Mapping[str, int]) -> None:
        """Remember a lab's ports."""
        for port in self.given(lab).values():
            self._labs[port].discard(lab)
        self._ports[lab] = dict(ports)
        for port in ports.values():
            self._labs.setdefault(port, set()).add(lab)


def management_ports(
    lab: LabName,
    names: Iterable[str],
    host: Host,
    free: Callable[[int], bool] = is_free,
    reserved: Reservations | None = None,
) -> Mapping[str, int]:
    """Give each machine of a lab its port: the one it has unless somebody else took it, else the next free one.

    Raises LabError when no port is left.
    """
    reserved = reserved or Reservations()
    with reserved.guard:
        ports = _ports(lab, names, host, free, reserved)
        reserved.keep(lab, ports)
    return ports


def _ports(
    lab: LabName,
    names: Iterable[str],
    host: Host,
    free: Callable[[int], bool],
    reserved: Reservations,
) -> Mapping[str, int]:
    mine = {machine.machine: machine for machine in host.of(lab)}
    taken = {port for machine in host.of(lab) for port in ports_of(machine)}

    def usable(port: int) -> bool:
        others = host.others_have_port(lab, port) or reserved.others_have(lab, port)
        return port not in taken and not others and free(port)

    ports: dict[str, int] = {}
    given_now: set[int] = set()
    for name in names:
        machine = mine.get(name)
        port = machine.management_port if machine else None
        if machine is None or port is None or port in given_now or not (_has(machine) or free(port)):
            given = reserved.given(lab).get(name)
            start = given if given is not None and machine is None else first_port(lab, name)
            port = _next_port(start, usable, lab)
        taken.add(port)
        given_now.add(port)
        ports[name] = port
    return ports


def _has(machine: ObservedMachine) -> bool:
    """Tell whether a process of the machine listens on its ports; that of a saved one has ended."""
    return machine.power not in (PowerState.OFF, PowerState.SAVED)


def _next_port(start: int, usable: Callable[[int], bool], lab: LabName) -> int:
    for offset in range(PORT_COUNT):
        port = PORT_FIRST + (start - PORT_FIRST + offset) % PORT_COUNT
        if usable(port):
            return port
    raise LabError(
        _("lab {lab}: no port of {address} between {first} and {last} is free").format(
            lab=lab, address=LOOPBACK, first=PORT_FIRST, last=PORT_FIRST + PORT_COUNT - 1
        ),
        resolution=_("destroy labs that are no longer needed (`vboxlab status --all`)"),
    )
