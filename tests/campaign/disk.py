"""What is left of a folder after a power loss: what was flushed for sure, of the rest what chance will have.

fsync(2) of a file keeps its content, of a folder its entries; nothing else is promised. A file system may keep more:
often a rename outlives the data that it was made for, so that the file is there, and empty or cut short.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MOODS = ("strict", "names", "torn", "mixed")


@dataclass(frozen=True)
class Entry:
    """A name in a folder: the inode that it stands for, and its mode."""

    inode: int
    mode: int

    @property
    def is_folder(self) -> bool:
        """Tell whether it is a folder."""
        return stat.S_ISDIR(self.mode)


class Disk:
    """The disk below one folder, of which everything is flushed when this is made."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contents, self._folders = _scan(root)
        self._top = root.stat().st_ino

    def flush(self, descriptor: int) -> None:
        """Keep what an open file or folder holds now, as fsync(2) does."""
        found = os.fstat(descriptor)
        place = f"/proc/self/fd/{descriptor}"
        if stat.S_ISDIR(found.st_mode):
            self._folders[found.st_ino] = _listed(place)
        else:
            self._contents[found.st_ino] = Path(place).read_bytes()

    def lose_power(self, mood: str, seed: int) -> None:
        """Make the folder what a power loss at this moment leaves of it."""
        contents, folders = _scan(self._root)
        random_ = random.Random(seed)

        def choose(odds: dict[str, float]) -> bool:
            return random_.random() < odds[mood]

        def entries(inode: int) -> dict[str, Entry]:
            now, kept = folders.get(inode), self._folders.get(inode, {})
            newer = choose({"strict": 0, "names": 1, "torn": 1, "mixed": 0.5})
            return now if now is not None and newer else kept

        def content(inode: int) -> bytes:
            now, kept = contents.get(inode), self._contents.get(inode)
            if now is None or now == kept:
                return kept or b""
            if choose({"strict": 0, "names": 0, "torn": 0, "mixed": 0.3}):
                return now
            if choose({"strict": 0, "names": 0, "torn": 1, "mixed": 0.5}):
                return now[: len(now) // 2]
            return kept or b""

        new = self._root.with_name(f"{self._root.name}.after")
        _write(new, self._top, entries, content)
        new.chmod(stat.S_IMODE(self._root.stat().st_mode))
        shutil.rmtree(self._root)
        new.rename(self._root)


def _write(
    folder: Path, inode: int, entries: Callable[[int], dict[str, Entry]], content: Callable[[int], bytes]
) -> None:
    folder.mkdir()
    for name, entry in sorted(entries(inode).items()):
        path = folder / name
        if entry.is_folder:
            _write(path, entry.inode, entries, content)
        else:
            path.write_bytes(content(entry.inode))
        path.chmod(stat.S_IMODE(entry.mode))


def _scan(root: Path) -> tuple[dict[int, bytes], dict[int, dict[str, Entry]]]:
    """Return the contents of all files and the entries of all folders, by inode."""
    contents: dict[int, bytes] = {}
    folders: dict[int, dict[str, Entry]] = {}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        listed = _listed(folder)
        folders[folder.stat().st_ino] = listed
        for name, entry in listed.items():
            if entry.is_folder:
                waiting.append(folder / name)
            else:
                contents[entry.inode] = (folder / name).read_bytes()
    return contents, folders


def _listed(folder: str | Path) -> dict[str, Entry]:
    with os.scandir(folder) as found:
        return {entry.name: Entry(entry.inode(), entry.stat(follow_symlinks=False).st_mode) for entry in found}
