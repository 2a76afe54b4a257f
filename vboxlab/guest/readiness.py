"""Waiting until a guest can be worked with, by stages: process, TCP, banner, authentication, system running.

A stage that is not reached says so with its own reason, because each has its own cause.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import field

from vboxlab.errors import GuestError, WaitTimeout
from vboxlab.guest.executor import Executor
from vboxlab.guest.ssh import SshExecutor
from vboxlab.language import C_, NC_, _
from vboxlab.lazily import dataclass
from vboxlab.waiting import Deadline

PAUSE = 0.2  # seconds between two connections
# Seconds between two looks at the process. They grow with what a look takes: a hypervisor that is slow to answer gets
# slower by each one.
LOOK = 1.0
LONGEST_LOOK = 10.0
LOOK_SHARE = 0.05  # of the time that goes into looking, until looks are LONGEST_LOOK apart
AT_ONCE = 4  # connections kept open; the oldest gives way to a new one (sshd's MaxStartups is 10)
# Seconds between two connections, and their share of the time waited so far: a guest that is slow to answer gets slower
# by each one. The oldest lasts AT_ONCE times as long: on a busy computer sshd takes half a minute to greet, and a guest
# whose every connection gave way before that never answered.
FIRST_GAP = 1.0
GAP_SHARE = 0.125

# systemctl(1): is-system-running --wait returns when the boot is over; degraded means over, with failed units. While it
# is not, the jobs that are left tell whether anything moves.
MOST_CHANGES = 10
SYSTEM_STATE = (
    "jobs() { systemctl --plain --no-legend list-jobs 2>/dev/null; }; before=$(jobs); "
    'state=$(timeout "$LIMIT" systemctl is-system-running --wait 2>/dev/null); '
    'if [ "$?" != 124 ]; then echo "$state"; systemctl --failed --plain --no-legend list-units 2>/dev/null; '
    'elif [ "$(jobs)" = "$before" ]; then echo still; jobs; else echo moving; fi'
)


class GuestSilent(WaitTimeout):
    """No SSH server answered in a guest whose machine runs."""


@dataclass
class Ready:
    """How a guest became ready: seconds after the start of the wait at which each stage was reached."""

    stages: dict[str, float] = field(default_factory=dict)
    failed_units: tuple[str, ...] = ()  # what systemd could not start; the guest is usable all the same


def wait_ready(
    executor: SshExecutor,
    seconds: float,
    *,
    alive: Callable[[], bool] = lambda: True,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> Ready:
    """Return once the guest has booted and its executor is logged in.

    So many seconds are given to each step forward: until it answers, and from then on for each change of what its boot
    still has to do. A slow computer makes every step longer. `alive` tells whether the machine's process still runs.
    Raises WaitTimeout naming the stage that was not reached, GuestError when the machine stopped, refuses the login or
    shows a wrong host key.
    """
    ready = Ready()
    began = time.monotonic()

    def reached(stage: str) -> None:
        ready.stages[stage] = time.monotonic() - began
        on_stage(C_("boot", stage))

    connection = wait_banner(executor, Deadline.after(seconds), alive=alive, on_stage=reached)
    reached(NC_("boot", "banner"))
    executor.connect(connection)
    reached(NC_("boot", "authentication"))
    ready.failed_units = wait_booted(executor, seconds)
    reached(NC_("boot", "system running"))
    return ready


def wait_banner(
    executor: SshExecutor,
    deadline: Deadline,
    *,
    alive: Callable[[], bool] = lambda: True,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> socket.socket:
    """Return a connection to the guest's SSH server once it answers, with its banner unread.

    Raises WaitTimeout naming the stage that was not reached (GuestSilent: the machine takes connections, its guest says
    nothing), GuestError when the machine stopped.
    """
    return _Banner(executor, alive, on_stage).wait(deadline)


class _Banner:
    """Opens connections in turn until a server sends its SSH banner on one of them.

    A port forward of the hypervisor accepts connections long before the guest does, and one that was opened too early
    may hang for the guest's TCP retransmission time; so a new one is opened now and then beside the older ones.
    """

    def __init__(
        self,
        executor: SshExecutor,
        alive: Callable[[], bool],
        reached: Callable[[str], None],
        first_gap: float = FIRST_GAP,
    ) -> None:
        self._first_gap = first_gap
        self._executor = executor
        self._alive = alive
        self._reached = reached
        self._accepted = False
        self._running = False
        self._refused = ""
        self._opened: list[socket.socket] = []  # oldest first
        self._began = time.monotonic()
        self._next = 0.0
        self._next_look = 0.0

    def wait(self, deadline: Deadline) -> socket.socket:
        """Return a connection on which the banner stands unread. Raises WaitTimeout at the deadline."""
        try:
            while True:
                self._look(deadline)
                self._open()
                if not self._opened:
                    time.sleep(deadline.capped(PAUSE))
                    continue
                for connection in select.select(self._opened, (), (), deadline.capped(PAUSE))[0]:
                    self._opened.remove(connection)
                    if _greets(connection):
                        return connection
                    connection.close()
                    time.sleep(deadline.capped(PAUSE))
        finally:
            for connection in self._opened:
                connection.close()

    def _look(self, deadline: Deadline) -> None:
        name, access = self._executor.machine, self._executor.access
        now = time.monotonic()
        if now >= self._next_look:
            alive = self._alive()
            took = time.monotonic() - now
            self._next_look = now + took + min(max(LOOK, took / LOOK_SHARE), LONGEST_LOOK)
            if not alive:
                raise GuestError(
                    _("{machine}: the machine is not running any more").format(machine=name),
                    resolution=_("look at its console or log"),
                )
        if not self._running:
            self._running = True
            self._reached(NC_("boot", "process"))
        if deadline.expired:
            if self._accepted:
                text = _("{host} port {port} takes connections, but no banner comes")
                raise GuestSilent(
                    _("{machine}: no SSH server answers in the guest").format(machine=name),
                    details=[text.format(host=access.host, port=access.port)],
                    resolution=_(
                        "look at the machine's console: it may still boot, or have no sshd or no management address; "
                        "`vboxlab up` again goes on from here, and VBOXLAB_TIME_SCALE=10 lets it wait longer"
                    ),
                )
            text = _("{machine}: nothing listens on {host} port {port}")
            raise WaitTimeout(
                text.format(machine=name, host=access.host, port=access.port),
                details=[self._refused],
                resolution=_("is the port forward there?"),
            )

    def _open(self) -> None:
        now = time.monotonic()
        if self._opened and now < self._next:
            return
        access = self._executor.access
        try:
            connection = socket.create_connection((access.host, access.port), timeout=2)
        except OSError as error:
            self._refused = str(error)
            return
        if not self._accepted:
            self._accepted = True
            self._reached(NC_("boot", "tcp"))
        self._opened.append(connection)
        if len(self._opened) > AT_ONCE:
            self._opened.pop(0).close()
        self._next = now + max(self._first_gap, (now - self._began) * GAP_SHARE)


def _greets(connection: socket.socket) -> bool:
    """Tell whether an SSH banner stands in the connection, leaving it there for the SSH client."""
    try:
        return connection.recv(4, socket.MSG_PEEK) == b"SSH-"
    except OSError:
        return False


def wait_booted(executor: Executor, seconds: float) -> tuple[str, ...]:
    """Return once a guest's boot is over, with the units that failed.

    It has so many seconds for each change of what it still has to do, MOST_CHANGES times. Raises WaitTimeout with the
    jobs that stand still.
    """
    limit = max(1, int(seconds))
    for _change in range(MOST_CHANGES):
        found = executor.run(f"LIMIT={limit}; {SYSTEM_STATE}", timeout=limit + 30)
        state, *lines = found.stdout.splitlines() or [""]
        if state != "moving":
            break
    if state == "running":
        return ()
    if state == "degraded":
        return tuple(line.split()[0] for line in lines if line.split())
    said = state or found.stderr.strip() or _("no answer")
    told = _("systemctl is-system-running: {state}").format(state=said)
    raise WaitTimeout(
        _("{machine}: the guest answers, but its boot does not end").format(machine=executor.machine),
        details=lines if state == "still" else [told],
        resolution=_("look at `systemctl list-jobs` in the guest"),
    )
