"""Starting and stopping machines, and seeing what they do."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vboxlab.errors import CapabilityMissing, DriverError, DriverUnavailable, WaitTimeout
from vboxlab.hypervisor.qemu.client import Process, launch
from vboxlab.hypervisor.qemu.command import RunPaths, nic_id, qemu_command
from vboxlab.hypervisor.qemu.definition import Definition, disk_path
from vboxlab.hypervisor.qemu.images import LOCKED_SECONDS, await_disk, is_locked
from vboxlab.hypervisor.qemu.networks import check_ports_free, port_taken
from vboxlab.hypervisor.qemu.refusals import MonitorGone, MonitorRefused, QemuEndedAtOnce
from vboxlab.hypervisor.qemu.workspace import CONSOLE_FILE, ERRORS_FILE, Workspace
from vboxlab.language import N_, _
from vboxlab.planning.observed import PowerOffHow, PowerState
from vboxlab.waiting import Deadline, wait_until

# A guest that is still booting does not hear the button: press it again.
BUTTON_SECONDS = 5.0
QUIT_SECONDS = 10.0
SETTLE_SECONDS = 30.0
PID_FILE_LOCKED = "Cannot lock pid file"  # in the words of a QEMU whose pid file another one keeps locked
# QEMU's run states (QAPI RunState) that are neither running nor waiting for somebody.
CHANGING_STATES = frozenset({"", "inmigrate", "postmigrate", "finish-migrate", "restore-vm", "save-vm", "shutdown"})
PAUSE_REASONS = {
    "io-error": N_("paused by a disk error: most likely the host's disk is full"),
    "internal-error": N_("paused by an error of QEMU or of the processor"),
    "guest-panicked": N_("the guest's kernel has crashed"),
}


def power_state(status: str | None, definition: Definition) -> tuple[PowerState, str]:
    """Return the state for QEMU's run state (None: no process), with what a user should know about it."""
    if status is None:
        return (PowerState.SAVED if definition.saved else PowerState.OFF), ""
    if status == "running":
        return PowerState.RUNNING, ""
    if status in CHANGING_STATES:
        return PowerState.CHANGING, "" if status else _("QEMU does not answer")
    return PowerState.PAUSED, _(PAUSE_REASONS.get(status, ""))


def last_power_change(status: str | None, definition: Definition) -> str:
    """Return a word that is another one after each start and each stop."""
    return f"{'off' if status is None else 'on'} {definition.started}".strip()


class Power:
    """Power buttons of all machines."""

    def __init__(self, workspace: Workspace) -> None:
        self._work = workspace

    def status(self, machine_id: str) -> str | None:
        """Return QEMU's run state, None when the machine does not run, "" when its process is there but silent."""
        return self.statuses([machine_id])[0]

    def statuses(self, machine_ids: Sequence[str]) -> list[str | None]:
        """Return the run states of several machines, asked at once."""
        answers = self._work.monitors.states([self._work.layout.status(machine_id) for machine_id in machine_ids])
        return [
            "" if answer is None and self._is_alive(machine_id) else answer
            for machine_id, answer in zip(machine_ids, answers, strict=True)
        ]

    def _is_alive(self, machine_id: str) -> bool:
        with Process(self._work.pid_file(machine_id)) as process:
            return process.alive

    def start(self, machine_id: str, *, gui: bool = False) -> None:
        """Start, resume or leave running. See Driver.start."""
        definition = self._work.definitions.load(machine_id)
        if gui:
            raise CapabilityMissing(_("QEMU machines have no window"), resolution=_("start it without --gui"))
        status = self._steady_status(definition)
        if status is None:
            definition = self._launch(self._work.settle(definition))
        else:
            self._work.switches.plug(definition)
            if status == "prelaunch":
                self._unplug_cables(definition)
            if status != "running":
                self._work.monitors.execute(self._work.layout.monitor(machine_id), ("cont", {}))
        if definition.saved is not None:
            self._work.definitions.save(replace(definition, saved=None))

    def pause(self, machine_id: str) -> None:
        """Let a machine stand still. See Driver.pause."""
        definition = self._work.owned(machine_id)
        status = self._steady_status(definition)
        if status != "running":
            if power_state(status, definition)[0] is PowerState.PAUSED:
                return
            brief = _("{machine} does not run, so it cannot be paused")
            raise DriverError(brief.format(machine=definition.name))
        self._work.monitors.execute(self._work.layout.monitor(machine_id), ("stop", {}))

    def _steady_status(self, definition: Definition) -> str | None:
        def steady() -> tuple[str | None] | None:
            status = self.status(definition.id)
            return None if status in CHANGING_STATES else (status,)

        try:
            return wait_until(steady, Deadline.after(SETTLE_SECONDS), what=_("an answer of QEMU"))[0]
        except WaitTimeout as error:
            raise DriverError(
                _("{machine}: its QEMU process is there, but does not answer").format(machine=definition.name),
                resolution=_("power the machine off: that ends the process"),
            ) from error

    def _launch(self, definition: Definition) -> Definition:
        work, machine_id = self._work, definition.id
        readiness = work.readiness()
        if readiness.problem:
            raise DriverUnavailable(
                _("{machine} cannot start").format(machine=definition.name), details=[readiness.problem]
            )
        image = work.images.get(definition.image)
        adapters = definition.hardware.adapters
        self._check_ports(definition)
        work.switches.plug(definition)
        directory = work.layout.machine(machine_id)
        paths = RunPaths(
            disk=disk_path(work.layout, machine_id),
            monitor=work.layout.monitor(machine_id),
            status=work.layout.status(machine_id),
            pid=work.pid_file(machine_id),
            console=directory / CONSOLE_FILE,
            ports=work.switches.ports(definition),
            disks=work.disks(definition),
        )
        paused = not all(adapter.cable for adapter in adapters)
        command = qemu_command(readiness.program, definition, paths, image.kernel, paused=paused)
        # Before the guest can change anything: killed in between, the machine is taken for started, never the reverse.
        definition = replace(definition, started=secrets.token_hex(6), untouched=False)
        work.definitions.save(definition)
        self._run(definition, command, directory / ERRORS_FILE)
        if paused:
            self._unplug_cables(definition)
            work.monitors.execute(paths.monitor, ("cont", {}))
        return definition

    def _check_ports(self, definition: Definition) -> None:
        """Check that forwarded ports are free, or taken by a QEMU of this machine that has come up now: see _run."""
        try:
            check_ports_free(definition.hardware.adapters)
        except DriverError:
            if self._steady_status(definition) is None:
                raise

    def _run(self, definition: Definition, command: Sequence[str], errors: Path) -> None:
        """Start the process, again when a qemu-img whose caller was killed has the disk for some more milliseconds.

        Where a QEMU has the machine's pid file that was not there a moment ago, it is that of a start whose caller was
        killed just then: the machine is on its way up already.
        """
        await_disk(disk_path(self._work.layout, definition.id))
        deadline = Deadline.after(LOCKED_SECONDS)
        while True:
            try:
                launch(command, errors, lambda: self.status(definition.id) not in (None, ""))
            except QemuEndedAtOnce as error:
                words = "\n".join(error.details)
                started = PID_FILE_LOCKED in words
                if started and self._steady_status(definition) is not None:
                    return
                if not (started or is_locked(words)) or deadline.expired:
                    raise _explained(definition, error.details) from error
                time.sleep(0.05)
            else:
                return

    def _unplug_cables(self, definition: Definition) -> None:
        commands = [
            ("set_link", {"name": nic_id(adapter.slot), "up": False})
            for adapter in definition.hardware.adapters
            if not adapter.cable
        ]
        self._work.monitors.execute(self._work.layout.monitor(definition.id), *commands)

    def power_off(self, machine_id: str, how: PowerOffHow, timeout: float) -> bool:
        """Bring a machine to the off state. See Driver.power_off."""
        definition = self._work.owned(machine_id)
        return self.end(definition, how, timeout)

    def end(self, definition: Definition, how: PowerOffHow, timeout: float) -> bool:
        """End a machine's process and forget its saved state; tell whether nothing had to be forced."""
        by_itself = definition.saved is None
        with Process(self._work.pid_file(definition.id)) as process:
            if process.alive:
                by_itself = how == "graceful" and self._press_button(definition, process, timeout)
                if not by_itself:
                    self._pull_plug(definition, process)
        if definition.saved is not None:
            with self._work.changing(definition.id):
                self._work.definitions.save(replace(self._work.definitions.load(definition.id), saved=None))
        return by_itself

    def _press_button(self, definition: Definition, process: Process, timeout: float) -> bool:
        monitor = self._work.layout.monitor(definition.id)
        deadline = Deadline.after(timeout)
        pressed_at = float("-inf")
        while process.alive:
            if deadline.expired:
                return False
            if time.monotonic() - pressed_at >= BUTTON_SECONDS:
                pressed_at = time.monotonic()
                with suppress(MonitorGone, MonitorRefused):
                    paused = self.status(definition.id) == "paused"
                    wake = [("cont", dict[str, str]())] if paused else []
                    self._work.monitors.execute(monitor, *wake, ("system_powerdown", {}), timeout=BUTTON_SECONDS)
            time.sleep(deadline.capped(0.05))
        return True

    def _pull_plug(self, definition: Definition, process: Process) -> None:
        with suppress(MonitorGone, MonitorRefused):
            monitor = self._work.layout.monitor(definition.id)
            self._work.monitors.execute(monitor, ("quit", {}), timeout=QUIT_SECONDS)
            if _ended(process, QUIT_SECONDS):
                return
        process.kill()
        if not _ended(process, QUIT_SECONDS):
            raise DriverError(
                _("{machine}: its QEMU process does not end, even when killed").format(machine=definition.name)
            )


def _ended(process: Process, seconds: float) -> bool:
    deadline = Deadline.after(seconds)
    while process.alive:
        if deadline.expired:
            return False
        time.sleep(0.01)
    return True


def _explained(definition: Definition, words: Sequence[str]) -> DriverError:
    """Return the error for a QEMU that ended at once, with its words and the likely cause."""
    text = "\n".join(words)
    taken = re.search(r"host forwarding rule '(?:tcp|udp):[\d.]*:(\d+)-", text)
    if taken:
        return port_taken(int(taken[1]))
    resolution = None
    if is_locked(text):
        resolution = _("another process uses the machine's disk; run the command again when it has ended")
    elif "allocate memory" in text:
        resolution = _("the host has not {memory} MiB of memory left: stop other machines").format(
            memory=definition.hardware.memory
        )
    elif "No space left" in text:
        resolution = _("the host's disk is full: free some space")
    return DriverError(
        _("{machine} ended at once").format(machine=definition.name),
        details=words or [_("QEMU said nothing")],
        resolution=resolution,
    )
