"""Who is there: locked files by which a worker whose vboxlab was killed, and that still finishes its calls, is seen.

A vboxlab process and its worker hold one file each in a common folder, locked as long as they live. A worker's file
that is locked beside a client's file that is not belongs to such an orphan, whatever way its parent ended.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from vboxlab.hypervisor.virtualbox.worker.locks import hold, is_held, remove_held
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told

WORKER, CLIENT = "worker-", "client-"
POLL = 0.005
HOLD_TIMEOUT = 5.0


class Presence:
    """The file of one process."""

    def __init__(self, folder: Path, role: str, token: str) -> None:
        """Make and lock it. Raises OSError, or Failure when another program locks it."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / (role + token)
        deadline = time.monotonic() + HOLD_TIMEOUT
        # Others that look whether it is held lock it for an instant.
        while (stream := hold(self._path)) is None:
            if time.monotonic() >= deadline:
                raise Failure("host", Told("presence-locked", {"file": str(self._path)}))
            time.sleep(POLL)
        self._stream = stream

    def leave(self) -> None:
        """Take the file away."""
        with contextlib.suppress(OSError):
            remove_held(self._path, self._stream)


def wait_for_orphans(folder: Path, token: str, timeout: float) -> bool:
    """Return once no worker but those of living vboxlab processes is at work, or after so many seconds.

    Tells whether there was none.
    """
    deadline = time.monotonic() + timeout
    none = True
    for path in folder.glob(WORKER + "*"):
        if path.name == WORKER + token:
            continue
        client = path.with_name(CLIENT + path.name[len(WORKER) :])
        while is_held(path) and not is_held(client):
            none = False
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL)
        if not is_held(client):
            for gone in (path, client):
                _remove_unheld(gone)
    return none


def _remove_unheld(path: Path) -> None:
    with contextlib.suppress(OSError):
        stream = hold(path, make=False)
        if stream is not None:
            remove_held(path, stream)
