"""The worker's heartbeat: a thread that says that the worker lives, whether VirtualBox does, and which calls get on.

All is counted in beats and not by a clock: while the host sleeps, or this process is stopped, nothing is late.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from vboxlab.hypervisor.virtualbox.worker.protocol import Beat
from vboxlab.lazily import dataclass

BEAT = 2.0  # seconds


@dataclass
class _Sign:
    request: int
    beats: int = 0


class Signs:
    """Which calls get on: a call gives a sign whenever it has heard from VirtualBox, waits on purpose, or copies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signs: dict[int, _Sign] = {}

    @contextlib.contextmanager
    def of(self, request: int) -> Iterator[None]:
        """Let the signs that this thread gives in the block be those of a call."""
        thread = threading.get_ident()
        with self._lock:
            self._signs[thread] = _Sign(request)
        try:
            yield
        finally:
            with self._lock:
                del self._signs[thread]

    def sign(self) -> None:
        """Say that this thread's call gets on."""
        with self._lock:
            sign = self._signs.get(threading.get_ident())
            if sign is not None:
                sign.beats = 0

    def beat(self) -> dict[str, float]:
        """Count a beat and return how many seconds each call has given no sign."""
        with self._lock:
            for sign in self._signs.values():
                sign.beats += 1
            return {str(sign.request): sign.beats * BEAT for sign in self._signs.values()}


class Pulse:
    """Sends a heartbeat as long as the process lives."""

    def __init__(self, send: Callable[[Beat], None], signs: Signs) -> None:
        self._send = send
        self._signs = signs
        self._owed = 0  # beats since the question that is not answered yet
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def watch(self, ask: Callable[[], bool]) -> None:
        """Ask VirtualBox's service something in a thread of its own from now on, until it is known to be gone."""
        threading.Thread(target=self._ask, args=(ask,), name="asking", daemon=True).start()

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT)
            if self._owed:
                self._owed += 1
            self._send(Beat(max(0, self._owed - 1) * BEAT, self._signs.beat()))

    def _ask(self, ask: Callable[[], bool]) -> None:
        lives = True
        while lives:
            self._owed = 1
            with contextlib.suppress(Exception):  # what calls meet as well, and say
                lives = ask()
            self._owed = 0
            time.sleep(BEAT)
