"""Powering the machines of a lab, or of several copies, off."""

from __future__ import annotations

from vboxlab.lab.down import down as power_off
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.topology.addressing import LabName


@dataclass(frozen=True, kw_only=True)
class DownRequest(LabRequest):
    """Which lab to power off (a lab or topology name; None: the only one), and how.

    `timeout`: seconds before the plug is pulled; with `hard` it is pulled at once.
    """

    lab: str | None
    timeout: float = 60.0
    hard: bool = False


@dataclass(frozen=True)
class Down:
    """A lab that is down, and how many machines were powered off for it."""

    lab: LabName
    machines: int


def down(request: DownRequest, door: Door) -> OneOrCopies[Down]:
    """Power machines off: gracefully, then by pulling the plug. Raises UsageError when no lab is meant, LabBusy."""

    def one(session: Session, entry: Chosen, jobs: int) -> Down:
        count = power_off(session.context, entry.lab, timeout=request.timeout, hard=request.hard, jobs=jobs)
        return Down(entry.lab, count)

    with opened(door, request.driver) as session:
        return on_labs(session, choose(session, request.lab, request), request, one)
