"""Noticing that this computer stood still: asleep, or so busy that nothing ran. What was measured then says little."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

TICK = 0.25
NOTICED = 2.0  # seconds; shorter ones neither fail a check nor let a cluster node be taken for dead


class Stillness:
    """Ticks in the background, and keeps by how much a tick was late at most."""

    def __init__(self, noticed: float = NOTICED) -> None:
        self._noticed = noticed
        self._longest = 0.0
        self._last = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stillness", daemon=True)

    def __enter__(self) -> Self:
        self._last = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def take(self) -> float:
        """Return the seconds of the longest standstill since the last call, 0 when none was long enough to matter."""
        self._tick()
        with self._lock:
            longest, self._longest = self._longest, 0.0
        return longest if longest >= self._noticed else 0.0

    def _run(self) -> None:
        while not self._ended.wait(TICK):
            self._tick()

    def _tick(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._longest = max(self._longest, now - self._last - TICK)
            self._last = now
