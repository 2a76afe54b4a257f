"""`check`: a lab's machines compared with its topology."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vboxlab.guest.telling import Told, told
from vboxlab.lab.check import MachineCheck
from vboxlab.lab.check import check as compare
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.topology.addressing import LabName


@dataclass(frozen=True, kw_only=True)
class CheckRequest(LabRequest):
    """The lab or topology, or one machine of it, and the stage to compare with (None: the last)."""

    lab: str
    machine: str | None = None
    stage: str | None = None


@dataclass(frozen=True)
class Checked:
    """What was found in one lab or copy."""

    lab: LabName
    topology: str
    machines: Sequence[MachineCheck]

    @property
    def is_fine(self) -> bool:
        """Tell whether there is nothing but hints."""
        return all(machine.is_fine for machine in self.machines)

    def told(self, machine: MachineCheck) -> list[Told]:
        """Return in words what was found on one of the machines."""
        return [told(finding) for finding in machine.findings]

    def record(self) -> dict[str, Any]:
        """Return it as plain data; keys are stable."""
        return {
            "lab": self.lab.lab,
            "copy": self.lab.copy,
            "topology": self.topology,
            "fine": self.is_fine,
            "machines": [self._record(machine) for machine in self.machines],
        }

    def _record(self, machine: MachineCheck) -> dict[str, Any]:
        return {
            "machine": machine.machine,
            "fine": machine.is_fine,
            "guest_seen": machine.guest_seen,
            "findings": [each.data() for each in self.told(machine)],
        }


def check(request: CheckRequest, door: Door) -> OneOrCopies[Checked]:
    """Compare machines with the topology, and change nothing.

    Raises UsageError for a machine or stage that the topology does not have, and as choose does.
    """

    def one(session: Session, entry: Chosen, jobs: int) -> Checked:
        target = entry.target(session)
        found = compare(
            session.context, target.needed, target.lab, machine=request.machine, stage=request.stage, jobs=jobs
        )  # fmt: skip
        return Checked(target.lab, target.needed.topology.name, found)

    with opened(door, request.driver) as session:
        chosen = choose(session, request.lab, request, parameters=True)
        return on_labs(session, chosen, request, one, lock=False)
