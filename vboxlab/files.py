"""Files of ours that must survive a power cut whole, and be read by nobody else."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

MOST_JSON_BYTES = 64 << 20
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
DRAFT = ".draft"  # ends the name of a file that write_durably has not finished


def read_json(path: Path) -> Any:
    """Return what a JSON file of ours holds.

    Raises OSError, and ValueError for whatever holds none: text cut short, bytes that are no UTF-8, endless nesting, a
    size that we never write.
    """
    if path.stat().st_size > MOST_JSON_BYTES:
        raise ValueError(f"{path} has more than {MOST_JSON_BYTES >> 20} MiB")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deep") from None


def write_durably(path: Path, data: str | bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace a file in one step, flushed to the disk: after a crash it holds all of the old or all of the new.

    The file has the mode from its first byte (Windows knows no such modes: there the folder's rights count). Text is
    UTF-8. Raises OSError, and then the old file is as it was.
    """
    content = data.encode() if isinstance(data, str) else data
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=DRAFT, dir=path.parent)  # 0600 whatever the umask
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def clear_drafts(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder in which nobody else writes now."""
    for draft in folder.glob(f".*{DRAFT}"):
        draft.unlink(missing_ok=True)


def opened_privately(path: str, flags: int) -> int:
    """Open a file such that one that is made has the mode 0600: an `opener` for open(), where a file only grows."""
    return os.open(path, flags, PRIVATE_FILE)


def remove_durably(path: Path) -> None:
    """Remove a file, flushed to the disk; none there is fine. Raises OSError."""
    path.unlink(missing_ok=True)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk where the system can do that (fsync(2); Windows cannot)."""
    if os.name == "nt":
        return
    with contextlib.suppress(FileNotFoundError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, with 0700 from its creation whatever the umask; parents too.

    An existing folder of ours is closed as well; parents that exist are left as they are. What was made outlives a
    power cut: a flushed file in a folder that is gone would be gone too.
    """
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        with contextlib.suppress(FileExistsError):  # another process made it in this moment
            missing.mkdir(mode=PRIVATE_FOLDER)
        flush_folder(missing.parent)
    with contextlib.suppress(OSError):  # not ours to close, or a file system without rights
        folder.chmod(PRIVATE_FOLDER)
