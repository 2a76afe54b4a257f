"""The guests of a sequence, in the place of SshGuests: what is done in them is kept with the machine.

They keep to what the real ones do as far as files of vboxlab's are concerned: host keys are pinned and compared,
secrets read and made, and a file that somebody changed is kept beside unless the guest is told to be fresh.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from tests.campaign.host import CONFIGURED, DISK, EDIT, HANGS, HOST_KEY, IDENTITY, WORK, Host, joined
from tests.campaign.points import Points
from vboxlab.base.model import Base, Bases
from vboxlab.errors import GuestError
from vboxlab.guest import canonical
from vboxlab.guest.configurator import ResourceResult, StageReport, Status
from vboxlab.guest.executor import Completed, Executor
from vboxlab.guest.hostkeys import forget, pin, pinned_key
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.guest.resources import Resource
from vboxlab.guest.secrets import SecretStore
from vboxlab.hypervisor.driver import Work
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.guests import Report
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.settings import Settings

BASE_KEY = "ssh-ed25519 KEYOFTHEBASE"


class CampaignGuests:
    """See vboxlab.lab.guests.Guests. Made like SshGuests, for the host and points of this process."""

    host: Host
    points: Points

    def __init__(
        self, settings: Settings, bases: Bases, alive: Callable[[str], bool], *, patience: float = 1.0,
        work: Callable[[str], Work | None] = lambda _handle: None,
    ) -> None:  # fmt: skip
        del settings, bases, alive, patience, work

    def introduce(self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, report: Report) -> str:
        now = self._reach(machine)
        first, management = now.adapter(1), now.adapter(8)
        assert first is not None, "no adapter 1 for the first contact"
        assert management is not None
        assert [forward.guest_port for forward in first.attachment.forwards] == [22], "adapter 1 is not lent"
        self._did("introduce", machine)
        return "management address"

    def contact(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, first: bool, report: Report
    ) -> None:
        now = self._reach(machine)
        management = now.adapter(8)
        assert management is not None
        if first:
            forget(directory.known_hosts, machine.machine)
            if now.marks.get(IDENTITY) != management.mac:
                key = f"ssh-ed25519 {hashlib.sha256(f'{machine.handle}{management.mac}'.encode()).hexdigest()}"
                self.host.mark(machine.handle, marks={**now.marks, IDENTITY: management.mac, HOST_KEY: key})
            self.points.guest(machine.machine)
            pin(directory.known_hosts, machine.machine, self._now(machine).marks.get(HOST_KEY, BASE_KEY))
        pinned = pinned_key(directory.known_hosts, machine.machine)
        shown = self._now(machine).marks.get(HOST_KEY, BASE_KEY)
        if pinned is None:
            raise GuestError(f"{machine.machine}: no host key of it is known")
        if pinned != shown:
            raise GuestError(f"{machine.machine}: whoever answers does not have its host key")
        self._did("contact", machine)

    def await_server(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, seconds: float | None = None
    ) -> bool:
        try:
            self._reach(machine)
        except GuestError:
            return False
        return True

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
        self._reach(machine)
        secrets = SecretStore(directory.secrets).for_resources(resources)
        wanted = hashlib.sha256(f"{canonical.digest(resources)}{secrets}".encode()).hexdigest()
        now = self._reach(machine)
        found, edited = now.marks.get(CONFIGURED), now.marks.get(EDIT)
        kept = () if edited is None or fresh else ("/etc/motd",)
        same = found == wanted
        if changes and not same:
            marks = {key: value for key, value in now.marks.items() if key != EDIT}
            if edited is not None and kept:
                marks[WORK] = joined(marks.get(WORK), edited)
            self.host.mark(machine.handle, marks={**marks, CONFIGURED: wanted})
            if DISK in marks:
                self.host.foreign_disks.setdefault(marks[DISK], []).append(machine.name)
            self._did("configure", machine)
        else:
            self.points.guest(machine.machine)
        status: Status = "unchanged" if same else "changed" if changes else "would-change"
        return StageReport(machine.machine, (ResourceResult("everything", status, found or "nothing there"),), kept)

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        def answer(script: str, _stdin: bytes) -> Completed:
            now = self._reach(machine)
            if pinned_key(directory.known_hosts, machine.machine) != now.marks.get(HOST_KEY, BASE_KEY):
                raise GuestError(f"{machine.machine}: whoever answers does not have its host key")
            if script.startswith("systemctl kill") and CONFIGURED not in now.marks:
                return Completed(1, "", "Failed to kill unit: Unit apache2.service not loaded.")
            if script.startswith("systemctl kill"):
                marks = {key: value for key, value in now.marks.items() if key != HANGS}
                marks |= {HANGS: "yes"} if "--signal=STOP" in script else {}
                self.host.mark(machine.handle, marks=marks)
                self._did("signal", machine)
            return Completed(0, "", "")

        return RecordingExecutor(machine.machine, [("", answer)])

    def forget(self, machine: ObservedMachine) -> None:
        pass

    def close(self) -> None:
        pass

    def _now(self, machine: ObservedMachine) -> ObservedMachine:
        return self.host.machines[machine.handle]

    def _reach(self, machine: ObservedMachine) -> ObservedMachine:
        self.points.guest(machine.machine)
        now = self.host.machines.get(machine.handle)
        if now is None or now.power is not PowerState.RUNNING:
            what = now.power.value if now is not None else "gone"
            raise GuestError(f"{machine.machine} does not answer: it is {what}")
        return now

    def _did(self, what: str, machine: ObservedMachine) -> None:
        self.host.did(what, machine.name)
        self.points.guest(machine.machine)
