"""Files of ours that must survive a power cut whole, and be read by nobody else."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from vboxlab.language import _

MOST_JSON_BYTES = 64 << 20
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
DRAFT = ".draft"  # ends the name of a file that write_durably has not finished


def read_json(path: Path) -> Any:
    """Return what a JSON file of ours holds.

    Raises OSError, and ValueError for whatever holds none: text cut short, bytes that are no UTF-8, endless nesting, a
    size that we never write.
    """
    if path.stat().st_size > MOST_JSON_BYTES:
        raise ValueError(_("{path} has more than {size} MiB").format(path=path, size=MOST_JSON_BYTES >> 20))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(_("{path} is nested too deep").format(path=path)) from None


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = PRIVATE_FILE, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a stream for the new content of a file, which replaces the old one in one step, flushed if `durable`.

    After a crash the file holds all of the old or all of the new. It has the mode from its first byte (Windows knows no
    such modes: there the folder's rights count). When the block raises, the old file stays as it is. Raises OSError.
    """
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=DRAFT, dir=path.parent)  # 0600 whatever the umask
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            yield stream
            if durable:
                flush(stream)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        flush_folder(path.parent)


def write_durably(path: Path, data: str | bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace a file as `replacing` does. Text is UTF-8. Raises OSError, and then the old file is as it was."""
    with replacing(path, mode=mode) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


def flush(stream: IO[Any]) -> None:
    """Flush what was written to an open file to the disk itself. Raises OSError.

    fsync(2) of macOS leaves it in the drive's cache, where a power cut takes it (its manual page). F_FULLFSYNC does
    not, but not every file system has it.
    """
    stream.flush()
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(stream.fileno(), fcntl.F_FULLFSYNC)
            return
    os.fsync(stream.fileno())


def flush_tree(tree: Path) -> None:
    """Flush a folder and everything in it to the disk. Raises OSError."""
    for folder, _folders, names in os.walk(tree):
        for name in names:
            file = Path(folder, name)
            if not file.is_symlink():
                # Windows flushes only what is open for writing (FlushFileBuffers, Microsoft's API reference).
                with file.open("rb+" if os.name == "nt" else "rb") as stream:
                    flush(stream)
        flush_folder(Path(folder))


def publish(draft: Path, final: Path) -> None:
    """Give a finished folder its name in one step, with everything in it flushed to the disk before. Raises OSError."""
    flush_tree(draft)
    draft.rename(final)
    for parent in {draft.parent, final.parent}:
        flush_folder(parent)


def bytes_on_disk(path: Path) -> int:
    """Return how much room a file takes; on Windows, which does not say (os.stat_result, st_blocks), how long it is."""
    found = path.stat()
    if sys.platform == "win32":
        return found.st_size
    return found.st_blocks * 512


def create_durably(path: Path, data: str | bytes, *, mode: int = PRIVATE_FILE) -> bool:
    """Make a file in one step, flushed to the disk, unless there is one already; tell whether it was made.

    Nobody ever sees half of it. Text is UTF-8. Raises OSError.
    """
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=DRAFT, dir=path.parent)
    os.close(number)
    draft = Path(name)
    try:
        write_durably(draft, data, mode=mode)
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links, such as that of a memory stick
            if path.exists():
                return False
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    flush_folder(path.parent)
    return True


def clear_drafts(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder in which nobody else writes now."""
    for draft in folder.glob(f".*{DRAFT}"):
        draft.unlink(missing_ok=True)


def opened_privately(path: str, flags: int) -> int:
    """Open a file such that one that is made has the mode 0600: an `opener` for open(), where a file only grows."""
    return os.open(path, flags, PRIVATE_FILE)


def remove_durably(path: Path) -> None:
    """Remove a file, flushed to the disk; none there is fine. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
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
    power cut: a flushed file in a folder that is gone would be gone too. Raises OSError, never FileNotFoundError, where
    no such folder can be made.
    """
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        try:
            missing.mkdir(mode=PRIVATE_FOLDER)
        except FileExistsError:  # another process made it in this moment
            pass
        except OSError as error:
            # ENOENT of a folder in which nothing can be made, such as /proc: there is no file that anybody looked for.
            number = errno.ENOTDIR if error.errno == errno.ENOENT else error.errno
            reason = error.strerror or ""
            text = _("the folder cannot be made: {reason}").format(reason=_(reason))
            raise OSError(number, text, str(folder)) from None
        flush_folder(missing.parent)
    with contextlib.suppress(OSError):  # not ours to close, or a file system without rights
        folder.chmod(PRIVATE_FOLDER)
