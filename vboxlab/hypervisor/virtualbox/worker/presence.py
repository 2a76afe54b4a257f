"""Who is there: locked files by which a worker whose vboxlab was killed, and that still finishes its calls, is seen.

A vboxlab process and its worker hold one file each in a common folder, locked as long as they live. A worker's file
that is locked beside a client's file that is not belongs to such an orphan, whatever way its parent ended.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import IO

WORKER, CLIENT = "worker-", "client-"
FAR_BYTE = 1 << 30  # locked bytes cannot be read on Windows, so one far behind the text is locked
POLL = 0.005


def try_lock(stream: IO[str]) -> bool:
    """Lock an open file until it is closed; return False when another open file of any process holds the lock."""
    try:
        if os.name == "nt":
            import msvcrt

            stream.seek(FAR_BYTE)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Presence:
    """The file of one process."""

    def __init__(self, folder: Path, role: str, token: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / (role + token)
        self._stream = self._path.open("a+", encoding="ascii")
        try_lock(self._stream)

    def leave(self) -> None:
        """Take the file away."""
        self._stream.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def wait_for_orphans(folder: Path, token: str, timeout: float) -> None:
    """Return once no worker but those of living vboxlab processes is at work, or after so many seconds."""
    deadline = time.monotonic() + timeout
    for path in folder.glob(WORKER + "*"):
        if path.name == WORKER + token:
            continue
        client = path.with_name(CLIENT + path.name[len(WORKER) :])
        while _is_held(path) and not _is_held(client) and time.monotonic() < deadline:
            time.sleep(POLL)
        if not _is_held(client) and not _is_held(path):
            for gone in (path, client):
                with contextlib.suppress(OSError):
                    gone.unlink()


def _is_held(path: Path) -> bool:
    try:
        with path.open("r+", encoding="ascii") as stream:
            return not try_lock(stream)
    except OSError:
        return False
