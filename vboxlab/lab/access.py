"""The ways into a lab's guests over SSH, through the management port of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from vboxlab.base.model import Base, Bases
from vboxlab.credentials import known
from vboxlab.errors import GuestError, WaitTimeout
from vboxlab.guest.configurator import StageReport, configure
from vboxlab.guest.executor import Executor
from vboxlab.guest.identity import check_identity, take_identity
from vboxlab.guest.introduction import introduce, ways_to_root
from vboxlab.guest.readiness import wait_banner, wait_ready
from vboxlab.guest.resources import Resource, prepared_packages
from vboxlab.guest.script import AptOptions
from vboxlab.guest.secrets import SecretStore
from vboxlab.guest.ssh import Access, SshExecutor
from vboxlab.hypervisor.driver import Work
from vboxlab.lab.context import Context
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.guests import Report
from vboxlab.lab.packages import Supply
from vboxlab.lab.watching import Watch
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.listening import LOOPBACK
from vboxlab.planning.observed import ObservedMachine
from vboxlab.settings import Settings
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import MANAGEMENT_SLOT
from vboxlab.waiting import Deadline

BOOT_SECONDS = 120.0  # for each step of a boot, see wait_ready


@dataclass(frozen=True)
class WayIn:
    """What an OpenSSH client needs to reach a machine."""

    machine: str
    base: Base
    port: int
    known_hosts: Path

    def _options(self) -> list[tuple[str, str]]:
        options = [
            ("HostName", LOOPBACK),
            ("Port", str(self.port)),
            ("User", self.base.login.user),
            ("HostKeyAlias", self.machine),
            ("UserKnownHostsFile", f'"{self.known_hosts}"'),
            ("GlobalKnownHostsFile", "none"),
            ("StrictHostKeyChecking", "yes"),
            ("LogLevel", "ERROR"),
        ]
        if self.base.login.key_file is not None:
            options += [("IdentityFile", f'"{self.base.login.key_file}"'), ("IdentitiesOnly", "yes")]
        return options

    def client_options(self) -> list[str]:
        """Return the arguments of ssh(1) up to and including the destination."""
        return ["-F", "none", *(f"-o{key}={value}" for key, value in self._options()), self.machine]

    def client_configuration(self) -> str:
        """Return a block of ssh_config(5)."""
        return "\n".join([f"Host {self.machine}", *(f"    {key} {value}" for key, value in self._options()), ""])


def way_in(context: Context, lab: LabName, machine: ObservedMachine, base: str) -> WayIn:
    """Return the way into a machine. Raises GuestError when it has no management port."""
    found = context.bases.get(base)
    return WayIn(machine.machine, found, _port(machine), context.directory(lab).known_hosts)


def _port(machine: ObservedMachine) -> int:
    if machine.management_port is None:
        raise GuestError(
            _("{machine}: it has no management adapter, so there is no way in").format(machine=machine.machine),
            resolution=_("`vboxlab up` gives it back its adapter 8"),
        )
    return machine.management_port


class SshGuests:
    """The guests of labs, reached over SSH through their management ports (implements vboxlab.lab.guests.Guests).

    `patience` stretches the waits for guests, for hosts where they run in software emulation. `work` tells how much a
    machine works.
    """

    def __init__(
        self,
        settings: Settings,
        bases: Bases,
        alive: Callable[[str], bool],
        *,
        patience: float = 1.0,
        work: Callable[[str], Work | None] = lambda _handle: None,
    ) -> None:
        self._settings = settings
        self._bases = bases
        self._alive = alive
        self._patience = patience
        self._work = work
        self._executors: dict[str, SshExecutor] = {}
        self._lock = threading.Lock()

    def introduce(self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, report: Report) -> str:
        """Reach the guest of a stock base over its adapter 1 and let it have its management address."""
        adapter = machine.adapter(MANAGEMENT_SLOT)
        if adapter is None:
            raise GuestError(_("{machine}: it has no management adapter").format(machine=machine.machine))
        executor = self._ready(directory, machine, base, first=True, report=report)
        check_identity(executor, adapter.mac)
        report(_("giving it its management address"))
        public_key = _public_half(base.login.key_file)
        try:
            for access in ways_to_root(executor.access, _reader(base.login.root_password_file)):
                as_root = SshExecutor(machine.machine, access, directory.known_hosts, first_contact=True)
                try:
                    if as_root.run("exit 0", root=True, timeout=60.0 * self._patience).exit_code == 0:
                        check_identity(as_root, adapter.mac)
                        return introduce(as_root, base.login.user, public_key, time_scale=self._patience)
                finally:
                    as_root.close()
        finally:
            self.forget(machine)  # what follows answers elsewhere, with another host key
        tried = (
            _("tried: sudo without and with the user's password, su with root's")
            if base.login.root_password_file
            else _("tried: sudo without and with the user's password; root's password is not known")
        )
        raise GuestError(
            _("{machine}: {user} cannot become root").format(machine=machine.machine, user=base.login.user),
            details=[tried],
            resolution=_(
                "add the base again with --root-password-from: vboxlab base remove {base}, then base add"
            ).format(base=base.name),
        )

    def contact(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, first: bool, report: Report
    ) -> None:
        """Wait until the guest answers and is the one expected; with first, reset the clone's identity."""
        executor = self._ready(directory, machine, base, first=first, report=report)
        adapter = machine.adapter(MANAGEMENT_SLOT)
        if first and adapter is not None:
            report(_("resetting the clone's identity"))
            take_identity(executor, adapter.mac, directory.known_hosts)

    def await_server(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, seconds: float | None = None
    ) -> bool:
        """Wait so long (default: the time of a boot) until its SSH server answers; tell whether it does."""
        executor = self._executor(directory, machine, base)
        deadline = Deadline.after(BOOT_SECONDS * self._patience if seconds is None else seconds)
        try:
            wait_banner(executor, deadline, alive=lambda: self._alive(machine.handle)).close()
        except WaitTimeout:
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
        """Bring the guest to its resources in one run; `installed` are the packages that its image came with.

        A file that somebody changed is kept beside before it is overwritten, unless the guest is fresh.
        """
        executor, wanted = self._executor(directory, machine, base), prepared_packages(resources)
        supply = Supply(self._bases, base, executor, installed, wanted)
        return configure(
            executor,
            resources,
            changes=changes,
            secrets=SecretStore(directory.secrets).for_resources(resources),
            time_scale=self._patience,
            apt=AptOptions(mirror=self._settings.mirror, proxy=self._settings.proxy),
            ways=supply.ways() if changes and base.prepared and wanted else (),
            fresh=fresh,
        )

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        """Return the way to run commands in the guest."""
        return self._executor(directory, machine, base)

    def forget(self, machine: ObservedMachine) -> None:
        """Drop the connection to a machine that is about to be stopped or restored."""
        with self._lock:
            executor = self._executors.pop(machine.handle, None)
        if executor is not None:
            executor.close()

    def close(self) -> None:
        """Drop all connections."""
        with self._lock:
            executors, self._executors = list(self._executors.values()), {}
        for executor in executors:
            executor.close()

    def _ready(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, first: bool, report: Report
    ) -> SshExecutor:
        """Return the way into a guest once it can be worked with; meanwhile, and in errors, tell whether it works."""
        executor = self._executor(directory, machine, base, first=first)
        watch = Watch(lambda: self._work(machine.handle), report)

        def alive() -> bool:
            watch.look()
            return self._alive(machine.handle)

        with watch.explaining():
            wait_ready(executor, BOOT_SECONDS * self._patience, alive=alive, on_stage=report)
        return executor

    def _executor(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, first: bool = False
    ) -> SshExecutor:
        with self._lock:
            found = self._executors.get(machine.handle)
            if found is None or found.access.port != _port(machine):
                access = Access(
                    _port(machine),
                    base.login.user,
                    key_file=base.login.key_file,
                    password=_reader(base.login.password_file),
                )
                directory.ensure()
                found = SshExecutor(machine.machine, access, directory.known_hosts, first_contact=first)
                self._executors[machine.handle] = found
            return found


def _reader(file: Path | None) -> Callable[[], str] | None:
    """Return what reads a password when it is needed; None where there is none."""
    return None if file is None else lambda: _password_in(file)


def _password_in(file: Path) -> str:
    try:
        return known(file.read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise GuestError(
            _("the password of a base cannot be read from {file}").format(file=file),
            details=[type(error).__name__],  # the text of the error would show bytes of it
            resolution=_("write it there again, as one line of UTF-8, or remove the base and add it again"),
        ) from error


def _public_half(key: Path | None) -> str | None:
    """Return the public half of a key where it lies beside it, as a line of authorized_keys."""
    public = None if key is None else key.with_name(key.name + ".pub")
    if public is None or not public.is_file():
        return None
    return public.read_text(encoding="utf-8", errors="replace").strip()
