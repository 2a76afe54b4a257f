"""What the lab asks of its guests; the real ones are reached over SSH (vboxlab.lab.access)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from vboxlab.base.model import Base
from vboxlab.guest.configurator import StageReport
from vboxlab.guest.executor import Executor
from vboxlab.guest.resources import Resource
from vboxlab.lab.directory import LabDirectory
from vboxlab.planning.observed import ObservedMachine

Report = Callable[[str], None]


class Guests(Protocol):
    """Reaching and configuring the guests of a lab. All errors are GuestError or WaitTimeout."""

    def introduce(self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, report: Report) -> str:
        """Reach the guest of a stock base over its adapter 1 and let it have its management address.

        Afterwards the base's user may become root without being asked, and the key of its login opens the guest.
        Done again, it changes nothing. Returns what was done, in a few words.
        """

    def contact(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, first: bool, report: Report
    ) -> None:
        """Wait until the guest answers and is the one expected; with first, reset the clone's identity."""

    def await_server(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, seconds: float | None = None
    ) -> bool:
        """Wait so long (default: the time of a boot) until its SSH server answers; tell whether it does."""

    def configure(
        self,
        directory: LabDirectory,
        machine: ObservedMachine,
        base: Base,
        resources: Sequence[Resource],
        *,
        changes: bool,
        installed: tuple[str, ...],
        fresh: bool = False,
    ) -> StageReport:
        """Bring the guest to its resources in one run; `installed` are the packages that its image came with.

        Packages that it lacks are given to it where this host can; BaseError when it can and they are not to be had.

        A file that somebody changed is kept beside before it is overwritten, unless the guest is fresh: a clone in
        which nobody has worked yet.
        """

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        """Return the way to run commands in the guest."""

    def forget(self, machine: ObservedMachine) -> None:
        """Drop connections to a machine that is about to be stopped or restored."""
