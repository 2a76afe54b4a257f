"""Looks through the command lines of all processes for as long as a test runs, and through what it left."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType


class CommandLines:
    """A thread that reads /proc/*/cmdline all the time and keeps every command line that has a planted text."""

    def __init__(self, planted: Iterable[str]) -> None:
        self._planted = [text.encode() for text in planted]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seen: set[bytes] = set()
        self.rounds = 0

    def __enter__(self) -> CommandLines:
        self._thread.start()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.rounds += 1
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = process.read_bytes()
                except OSError:
                    continue
                if any(text in line for text in self._planted):
                    self.seen.add(line.replace(b"\0", b" "))


def holding(folder: Path, planted: Iterable[str]) -> set[str]:
    """Return the files below a folder that have one of the planted texts in them."""
    needles = [text.encode() for text in planted]
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path.relative_to(folder).as_posix() for path in files if any(needle in path.read_bytes() for needle in needles)
    }


def open_to_others(folder: Path) -> dict[str, str]:
    """Return what below a folder (and the folder itself) gives others any right, with its mode."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if not path.is_symlink() and mode & 0o077:
            found[path.relative_to(folder).as_posix()] = f"{mode & 0o7777:o}"
    return found
