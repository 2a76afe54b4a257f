"""Locks on machines: always released, retried for a while when somebody else holds them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told

T = TypeVar("T")

# What a machine answers while another session is being opened or closed (VirtualBox SDK, "Result codes"):
# VBOX_E_INVALID_OBJECT_STATE, VBOX_E_VM_ERROR, VBOX_E_OBJECT_IN_USE, and E_ACCESSDENIED from one that is spawning.
INVALID_OBJECT_STATE = 0x80BB0007
TRANSIENT = frozenset({INVALID_OBJECT_STATE, 0x80BB0003, 0x80BB000C, 0x80070005})
ONLINE = frozenset({
    "Running", "Paused", "Stuck", "LiveSnapshotting", "OnlineSnapshotting", "DeletingSnapshotOnline",
    "DeletingSnapshotPaused", "Starting", "Stopping", "Saving", "Restoring", "TeleportingPausedVM", "Teleporting",
    "TeleportingIn",
})  # fmt: skip
UNLOCK_TIMEOUT = 10.0
POLL = 0.02


def state_name(connection: Connection, machine: Any) -> str:
    """Return a machine's state by name."""
    return connection.name_of("MachineState", machine.state)


def is_up(connection: Connection, machine: Any) -> bool:
    """Tell whether a machine's VM process lives."""
    return state_name(connection, machine) in ONLINE


def retried(connection: Connection, call: Callable[[], T], doing: Told, machine: Any | None = None) -> T:
    """Make a call that a lock of somebody else may refuse, again and again until the connection's patience ends.

    Raises Failure of kind "locked", saying who holds the machine's lock as far as VirtualBox tells.
    """
    deadline = time.monotonic() + connection.patience
    while True:
        try:
            return call()
        except connection.api_error as error:
            failure = connection.failure(error, doing)
        except Failure as error:
            failure = error
        if failure.result_code not in TRANSIENT:
            raise failure
        if time.monotonic() >= deadline:
            refused = Failure("locked", failure.told, result_code=failure.result_code, details=failure.details)
            raise refused if machine is None else with_holder(connection, machine, refused)
        connection.pause(POLL)


@contextlib.contextmanager
def locked(connection: Connection, machine: Any, doing: Told) -> Iterator[Any]:
    """Hold a machine's lock and yield its session: shared with the VM process while it runs, exclusive otherwise.

    Changes that were not saved when the block ends are dropped by VirtualBox.
    """
    holder: list[Any] = []

    def lock() -> None:
        session = connection.session()
        shared = state_name(connection, machine) in ONLINE
        machine.lockMachine(session, connection.value_of("LockType", "Shared" if shared else "Write"))
        holder.append(session)

    retried(connection, lock, doing, machine)
    session = holder[0]
    try:
        with connection.errors(doing):
            yield session
    finally:
        unlock(connection, session)


def console_of(session: Any) -> Any:
    """Return the console of a running machine that a session holds. Raises Failure when its process is gone."""
    console = session.console
    if console is None:
        raise Failure("ended", Told("vm-process-ended"))
    return console


def with_holder(connection: Connection, machine: Any, failure: Failure) -> Failure:
    """Return a failure that says who holds the machine's lock, as far as VirtualBox tells."""
    told = Told("held-by-unknown")
    with contextlib.suppress(connection.api_error):
        pid, name = int(machine.sessionPID), str(machine.sessionName)
        failure.holder = pid if 0 < pid < 0xFFFFFFFF else None
        told = _holder(name, failure.holder)
    failure.details.append(told)
    return failure


def _holder(name: str, pid: int | None) -> Told:
    if pid is None:
        return Told("held-by", {"program": name}) if name else Told("held-by-nameless")
    if name:
        return Told("held-by-process", {"program": name, "process": pid})
    return Told("held-by-nameless-process", {"process": pid})


def unlock(connection: Connection, session: Any) -> None:
    """Release a session's lock if it holds one, and return when it is really released."""
    unlocked = connection.value_of("SessionState", "Unlocked")
    locked_state = connection.value_of("SessionState", "Locked")
    deadline = time.monotonic() + UNLOCK_TIMEOUT
    # The VM process may end, and with it the session, between the look and the call; a dead service has no locks.
    with contextlib.suppress(connection.api_error):
        if session.state == locked_state:
            session.unlockMachine()
    with contextlib.suppress(connection.api_error):
        while session.state != unlocked and time.monotonic() < deadline:
            connection.pause(POLL)


def wait_unlocked(connection: Connection, machine: Any) -> None:
    """Return once nobody holds the machine's lock: after power-off its process takes a moment to let go."""
    if not is_let_go(connection, machine, min(UNLOCK_TIMEOUT, connection.patience)):
        raise with_holder(connection, machine, Failure("locked", Told("off-but-held")))


def is_let_go(connection: Connection, machine: Any, within: float) -> bool:
    """Tell whether nobody holds a machine, or lets it go within so many seconds."""
    unlocked = connection.value_of("SessionState", "Unlocked")
    deadline = time.monotonic() + within
    while machine.sessionState != unlocked:
        if time.monotonic() >= deadline:
            return False
        connection.pause(POLL)
    return True
