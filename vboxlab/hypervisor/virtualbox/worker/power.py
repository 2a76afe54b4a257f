"""Power: on, off, and what a machine's screen shows."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import adapters, lookup, marks, networks, repeating
from vboxlab.hypervisor.virtualbox.worker.calls import Delete, Pause, PowerOff, Screenshot, Start
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import (
    ONLINE,
    POLL,
    TRANSIENT,
    console_of,
    is_up,
    locked,
    state_name,
    unlock,
    wait_unlocked,
    with_holder,
)
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatims

SAVED = frozenset({"Saved", "AbortedSaved"})
PAUSED = frozenset({"Paused"})
SETTLE = 30.0  # seconds that a change of state may take before it is taken for stuck
ENDS_WITH_SERVICE = 20.0  # seconds that a VM's process may outlive VirtualBox's service (15 were seen)
SCREEN_WIDTH, SCREEN_HEIGHT = 1024, 768
SCREEN_APPEARS = 20.0  # seconds from power-on to the first picture, on a slow host
NOT_SUPPORTED = 0x80BB0009  # VBOX_E_NOT_SUPPORTED: "Screenshot is not possible at this time, invalid size"
# Which start of a machine was its last one, whoever made it, is told by the log that each start begins anew:
# IMachine::lastStateChange has seconds only in its file, and restoring a snapshot sets the two apart (7.2.22).
LOG = "VBox.log"  # the last run's; older ones have numbers (VirtualBox manual, "Collecting Debugging Information")
HEADER_BYTES = 1024
OPENED = re.compile(rb"Log opened (\S+)")


def check_off(connection: Connection, machine: Any) -> None:
    """Raise Failure unless the machine is off, which its processors and memory want."""
    state = state_name(connection, machine)
    if state in ONLINE or state in SAVED:
        raise Failure("running", Told("hardware-needs-off", {"machine": str(machine.name), "state": state.lower()}))


def settle(connection: Connection, machine: Any) -> str:
    """Return the machine's state once it is none that passes by itself (starting, saving, …)."""
    passing = {"Starting", "Stopping", "Saving", "Restoring", "SettingUp", "LiveSnapshotting", "OnlineSnapshotting",
               "Snapshotting", "RestoringSnapshot", "DeletingSnapshot", "DeletingSnapshotOnline"}  # fmt: skip
    deadline = time.monotonic() + SETTLE
    state = state_name(connection, machine)
    while state in passing and time.monotonic() < deadline:
        connection.pause(POLL)
        state = state_name(connection, machine)
    return state


def last_power_change(machine: Any, settings: Path, *, running: bool) -> str:
    """Return a word that is another one after each start and each stop, and the same as long as there was none.

    `settings` is the machine's settings file.
    """
    # One call of the API less for each machine of a long list, where VirtualBox was not told to log elsewhere.
    logs = Path(str(machine.logFolder)) if "VBOX_USER_LOGHOME" in os.environ else settings.parent / "Logs"
    return f"{'on' if running else 'off'} {last_start(logs)}".strip()


def last_start(logs: Path) -> str:
    """Return when the machine whose logs are in a folder was last started, "" when it never was."""
    with contextlib.suppress(OSError), (logs / LOG).open("rb") as log:
        found = OPENED.search(log.read(HEADER_BYTES))
        return found[1].decode(errors="replace") if found else ""
    return ""


def start(connection: Connection, call: Call[Start]) -> None:
    """Power a machine on, or resume it; no-op when it runs. Foreign machines may be started too.

    The run that a lost call began under a service that died since ends by itself, and holds its ports until then.
    """
    machine = lookup.find_machine(connection, call.arguments.handle)
    lost = bool(call.noted)
    deadline = time.monotonic() + (max(connection.patience, ENDS_WITH_SERVICE) if lost else connection.patience)
    with connection.errors(Told("starting-the-machine")):
        call.note(state=state_name(connection, machine))
        while True:
            try:
                if _bring_up(connection, machine, call):
                    break
                refused = Failure("locked", Told("machine-locked", {"machine": str(machine.name)}))
            except Failure as failure:
                if failure.kind != "port-taken" or not lost:
                    raise
                refused = failure
            if time.monotonic() >= deadline:
                raise with_holder(connection, machine, refused) if refused.kind == "locked" else refused
            connection.pause(POLL)
        if settle(connection, machine) not in {"Running", "Paused"}:
            told = Told("ended-at-once", {"machine": str(machine.name)})
            raise Failure("start", told, details=verbatims(_log_lines(machine)))


def _bring_up(connection: Connection, machine: Any, call: Call[Start]) -> bool:
    """Start or resume a machine unless it runs; return False while somebody holds its lock."""
    state = settle(connection, machine)
    if state == "Running":
        return True
    if state in PAUSED:
        with locked(connection, machine, Told("resuming-the-machine")) as session:
            console_of(session).resume()
        return True
    if state in ONLINE:
        raise Failure("stuck", Told("stuck-in-state", {"machine": str(machine.name), "state": state}))
    present = (adapter.attachment for adapter in adapters.read_adapters(connection, machine))
    networks.check_ports(networks.ports(present), str(machine.name))
    try:
        session = _launch(connection, machine, call)
    except connection.api_error as error:
        failure = connection.failure(error, Told("starting", {"machine": str(machine.name)}))
        if failure.result_code in TRANSIENT:
            return False
        raise failure from error
    unlock(connection, session)
    return True


def _launch(connection: Connection, machine: Any, call: Call[Start]) -> Any:
    session = connection.session()
    front_end = "gui" if call.arguments.gui else "headless"
    progress = machine.launchVMProcess(session, front_end, [])
    try:
        connection.wait(progress, Told("starting", {"machine": str(machine.name)}), call.report, moves=True)
    except Failure as failure:
        if failure.kind == "api":
            details = [*failure.details, *verbatims(_log_lines(machine))]
            raise Failure("start", failure.told, result_code=failure.result_code, details=details) from failure
        raise
    return session


def _log_lines(machine: Any) -> list[str]:
    """Return the lines of the machine's log that tell why it ended."""
    with contextlib.suppress(OSError):
        text = (Path(str(machine.logFolder)) / "VBox.log").read_text(encoding="utf-8", errors="replace")
        telling = [line.strip() for line in text.splitlines() if "VERR_" in line or "VMSetError" in line]
        return telling[-3:]
    return []


def pause(connection: Connection, call: Call[Pause]) -> None:
    """Let a running machine of ours stand still; no-op when it does."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    with connection.errors(Told("pausing-the-machine")):
        marks.check_ours(machine)
        state = settle(connection, machine)
        if state in PAUSED:
            return
        if state != "Running":
            raise Failure("off", Told("does-not-run-to-pause", {"machine": str(machine.name)}))
        with locked(connection, machine, Told("pausing-the-machine")) as session:
            console_of(session).pause()


def power_off(connection: Connection, call: Call[PowerOff]) -> bool:
    """Bring a machine of ours to the off state; return whether its guest ended by itself."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    hard = call.arguments.how == "hard"
    with connection.errors(Told("switching-off")):
        marks.check_ours(machine)
        was_up = note_power(connection, machine, Path(str(machine.settingsFilePath)), call)
        state = settle(connection, machine)
    if was_up and state not in ONLINE:  # it is off since a call that was lost
        wait_unlocked(connection, machine)
        return not hard and state != "Aborted" and not call.noted.get("plug")
    return bring_down(
        connection, machine, hard=hard, timeout=call.arguments.timeout, pulling=lambda: call.note(plug=True)
    )


def note_power(
    connection: Connection, machine: Any, settings: Path, call: Call[PowerOff] | Call[Delete], *, ended: bool = False
) -> bool:
    """Note which run of a machine a call is about to end; return whether one that was lost was about to end it.

    Raises Failure when somebody has started or saved the machine since: that run is not ours to end, nor, with `ended`,
    to throw away once it has ended.
    """
    state = settle(connection, machine)
    now = last_power_change(machine, settings, running=state in ONLINE)
    before = call.noted.get("power")
    if before is None:
        call.note(power=now, state=state)
        return False
    if now.partition(" ")[2] != before.partition(" ")[2] if ended else state in ONLINE and now != before:
        raise repeating.changed(Told("started-meanwhile", {"machine": str(machine.name)}))
    if state in SAVED and call.noted["state"] not in SAVED:
        raise repeating.changed(Told("saved-meanwhile", {"machine": str(machine.name)}))
    return bool(call.noted["state"] in ONLINE)


def bring_down(
    connection: Connection, machine: Any, *, hard: bool, timeout: float, pulling: Callable[[], None] = lambda: None
) -> bool:
    """Switch a machine off and return once it can be changed; a saved state is discarded.

    Returns whether its guest ended by itself; `pulling` is called before its plug is pulled.
    """
    with connection.errors(Told("switching-off")):
        state = settle(connection, machine)
        if state in SAVED:
            with locked(connection, machine, Told("discarding-saved-state")) as session:
                session.machine.discardSavedState(True)
            return False
        if state not in ONLINE:
            wait_unlocked(connection, machine)
            return True
        ended = not hard and state == "Running" and _press_button(connection, machine, timeout)
        if not ended:
            pulling()
            _pull_plug(connection, machine)
        wait_unlocked(connection, machine)
        return ended


def _press_button(connection: Connection, machine: Any, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    with locked(connection, machine, Told("pressing-power-button")) as session:
        console_of(session).powerButton()
    while time.monotonic() < deadline:
        if state_name(connection, machine) not in ONLINE:
            return True
        connection.pause(0.1)
    return False


def _pull_plug(connection: Connection, machine: Any) -> None:
    try:
        with locked(connection, machine, Told("pulling-plug")) as session:
            if session.console is None:  # it ended by itself meanwhile
                return
            connection.wait(session.console.powerDown(), Told("pulling-plug"))
    except Failure:
        if state_name(connection, machine) in ONLINE:
            raise
    deadline = time.monotonic() + SETTLE
    while state_name(connection, machine) in ONLINE:
        if time.monotonic() >= deadline:
            raise Failure("stuck", Told("does-not-power-off", {"machine": str(machine.name)}))
        connection.pause(POLL)


def screenshot(connection: Connection, call: Call[Screenshot]) -> None:
    """Write a PNG of the machine's screen to a file."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    with connection.errors(Told("taking-screenshot")):
        if not is_up(connection, machine):
            raise Failure("off", Told("off-without-screen", {"machine": str(machine.name)}))
    deadline = time.monotonic() + SCREEN_APPEARS
    while (picture := _picture(connection, machine)) is None:
        if time.monotonic() >= deadline:
            raise Failure("screen", Told("nothing-drawn", {"machine": str(machine.name)}))
        connection.pause(POLL)
    Path(call.arguments.target).write_bytes(picture)


def _picture(connection: Connection, machine: Any) -> bytes | None:
    # None while the screen has no size yet: between power-on and the first mode that the firmware sets.
    try:
        with locked(connection, machine, Told("taking-screenshot")) as session:
            display = console_of(session).display
            width, height = (int(number) for number in display.getScreenResolution(0)[:2])
            png = connection.value_of("BitmapFormat", "PNG")
            return bytes(display.takeScreenShotToArray(0, width or SCREEN_WIDTH, height or SCREEN_HEIGHT, png))
    except Failure as failure:
        if failure.result_code == NOT_SUPPORTED and is_up(connection, machine):
            return None
        raise
