"""The index of a root tree, and the difference of two: what installing packages changed. Pure but for `index`."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from vboxlab.lazily import dataclass

# Never part of a difference: caches, logs of the installation itself, and what only lives while a machine runs.
PASSING = (
    "dev", "proc", "sys", "run", "tmp", "var/tmp", "var/log/apt", "var/log/dpkg.log", "var/log/alternatives.log",
    "var/cache/apt", "var/cache/man", "var/cache/ldconfig", "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old", "var/lib/apt/lists", "var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/status-old", "var/lib/dpkg/triggers/Lock", "etc/.pwd.lock", "etc/passwd-", "etc/group-",
    "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-",
)  # fmt: skip
# Lines for users are added to these, because the machine's own lines (a password, say) may have changed meanwhile.
MERGED = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid")
_NOT_HASHED = ("usr/lib/modules", "usr/lib/firmware", "boot")


@dataclass(frozen=True)
class Entry:
    """What is at a path: kind is f, d, l or o (other); text is a file's SHA-256 or a link's target."""

    kind: str
    mode: int
    uid: int
    gid: int
    text: str
    stamp: tuple[int, int]  # inode and change time: equal means that nothing touched it in between


@dataclass(frozen=True)
class Difference:
    """The paths (relative to the root, sorted) by what happened to them."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def index(root: Path, before: Mapping[str, Entry] | None = None) -> dict[str, Entry]:
    """Return the entries of the tree below root by relative path; hashes of untouched files are taken from `before`."""
    entries: dict[str, Entry] = {}
    pending = [""]
    while pending:
        directory = pending.pop()
        with os.scandir(root / directory) as found:
            for item in found:
                path = f"{directory}/{item.name}" if directory else item.name
                if path in PASSING:
                    continue
                entries[path] = entry = _entry(item, path, (before or {}).get(path))
                if entry.kind == "d":
                    pending.append(path)
    return entries


def _entry(item: os.DirEntry[str], path: str, before: Entry | None) -> Entry:
    status = item.stat(follow_symlinks=False)
    stamp = (status.st_ino, status.st_ctime_ns)
    if before is not None and before.stamp == stamp:
        return before
    kind, text = "o", ""
    if stat.S_ISREG(status.st_mode):
        kind = "f"
        text = "" if path.startswith(_NOT_HASHED) else _sha256(item.path)
    elif stat.S_ISDIR(status.st_mode):
        kind = "d"
    elif stat.S_ISLNK(status.st_mode):
        kind, text = "l", os.readlink(item.path)  # noqa: PTH115 -- a DirEntry has the path as text already
    return Entry(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, text, stamp)


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:  # noqa: PTH123
        return hashlib.file_digest(stream, "sha256").hexdigest()


def difference(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Difference:
    """Return what became of the tree. A directory counts as changed for its mode and owner only.

    A file that was written again with the same content, mode and owner has not changed.
    """
    changed = [path for path in before.keys() & after.keys() if _changed(before[path], after[path])]
    return Difference(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(changed)),
        tuple(sorted(before.keys() - after.keys())),
    )


def _changed(old: Entry, new: Entry) -> bool:
    if old.stamp == new.stamp:
        return False
    if old.kind == new.kind == "f" and not (old.text and new.text):
        return True  # not hashed, but touched
    return (old.kind, old.mode, old.uid, old.gid, old.text) != (new.kind, new.mode, new.uid, new.gid, new.text)
