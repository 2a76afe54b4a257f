"""Watching this computer: when it stood still (asleep, or so busy that nothing ran), and how busy it was."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import psutil

from vboxlab.verification.history import Load, StoodStill
from vboxlab.verification.recorder import Recorder

TICK = 0.25
NOTICED = 2.0  # seconds; shorter ones neither fail a check nor let a cluster node be taken for dead
LOAD_EVERY = 20  # ticks


class HostWatch:
    """Ticks in the background, and records by how much a tick was late when it is enough to matter."""

    def __init__(self, recorder: Recorder, noticed: float = NOTICED) -> None:
        self._recorder, self._noticed = recorder, noticed
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hostwatch", daemon=True)

    def __enter__(self) -> Self:
        psutil.cpu_percent(None)  # the first call only sets the beginning
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        last, ticks = self._recorder.now(), 0
        while not self._ended.wait(TICK):
            now = self._recorder.now()
            late = now - last - TICK
            if late >= self._noticed:
                self._recorder.add(StoodStill(at=now, seconds=round(late, 3)))
            last, ticks = now, ticks + 1
            if ticks % LOAD_EVERY == 0:
                busy = min(1.0, psutil.cpu_percent(None) / 100)
                self._recorder.add(Load(at=self._recorder.now(), busy=round(busy, 3)))
