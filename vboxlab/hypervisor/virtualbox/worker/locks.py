"""Files that are locked as long as their holder lives: the system frees the lock however the holder ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from pathlib import Path
from typing import IO

from vboxlab.files import opened_privately

FAR_BYTE = 1 << 30  # locked bytes cannot be read on Windows, so one far behind the text is locked
POLL = 0.005
REMOVAL_TRIES = 100
TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


def hold(path: Path, *, make: bool = True) -> IO[str] | None:
    """Open and lock a file, made when it is missing and `make` is set; return None when that is not possible just now.

    That is when another thread or process holds it, has just taken it away, or (without `make`) it does not exist.
    """
    try:
        # A path has no opener, and the stream is closed by whom it is handed to.
        stream = open(path, "a+" if make else "r+", encoding="utf-8", opener=opened_privately)  # noqa: SIM115
    except FileNotFoundError:
        return None
    except PermissionError:
        if os.name != "nt":  # where a file that is being removed cannot be opened
            raise
        return None
    # Between opening and locking, the holder before may have removed the file, and another may have made a new one.
    held = False
    try:
        held = _try_lock(stream) and _names(path, stream)
    finally:
        if not held:
            stream.close()
    return stream if held else None


def is_held(path: Path) -> bool:
    """Tell whether somebody holds a file."""
    try:
        with path.open("r+", encoding="utf-8") as stream:
            return not _try_lock(stream)
    except OSError:
        return False


def remove_held(path: Path, stream: IO[str]) -> None:
    """Remove a file that is held, and let it go: nobody else can hold it in between."""
    if os.name != "nt":
        path.unlink(missing_ok=True)
        stream.close()
        return
    stream.close()  # Windows does not remove a file that is open, be it by somebody who only looks whether it is held
    for _try in range(REMOVAL_TRIES):
        with contextlib.suppress(PermissionError):
            path.unlink(missing_ok=True)
            return
        time.sleep(POLL)


def _try_lock(stream: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            stream.seek(FAR_BYTE)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Anything else, such as a file system without locks, is not an answer (flock(2); _locking in Microsoft's CRT).
        if error.errno not in TAKEN:
            raise
        return False
    return True


def _names(path: Path, stream: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except OSError:
        return False
