"""A package delta: what installing packages does to a machine, to be applied to it without running apt there.

Installing heartbeat in an emulated guest takes minutes, because of the package manager and the maintainer scripts, not
because of the files. So the installation is done once, natively, in the same tree that the machine's disk was made
from; the difference goes into a tar, and the machine unpacks it when its package database is still the one it was for.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vboxlab.base.tree import MERGED, Difference, Entry
from vboxlab.lazily import dataclass

NOT_APPLICABLE = 3  # exit code of the script when the machine is not in the state the delta was made for
STATUS = "var/lib/dpkg/status"
_UNPACK = (
    "zstd -q -d -c | tar --extract --file - --numeric-owner --same-owner --preserve-permissions "
    "--no-overwrite-dir --keep-directory-symlink --xattrs '--xattrs-include=*'"
)


@dataclass(frozen=True)
class Manifest:
    """What must hold before a delta is applied, and what is not in its tar."""

    same: tuple[tuple[str, str], ...]  # (SHA-256, path) of files that are replaced or removed
    links: tuple[tuple[str, str], ...]  # (target, path) of symbolic links that are replaced or removed
    absent: tuple[str, ...]  # new paths in /etc and /var that somebody may have made meanwhile
    removed: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]  # (file, line) for users and groups
    tmpfiles: tuple[str, ...]
    sysctl: tuple[str, ...]
    udev: bool

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Manifest:
        """Read the plain data that `dataclasses.asdict` made of a manifest, lists in the place of tuples."""
        pairs = {key: tuple((a, b) for a, b in data[key]) for key in ("same", "links", "lines")}
        names = {key: tuple(data[key]) for key in ("absent", "removed", "tmpfiles", "sysctl")}
        values: dict[str, Any] = {**pairs, **names}
        return cls(**values, udev=bool(data["udev"]))


@dataclass(frozen=True)
class PackageDelta:
    """A delta ready to be applied: send `archive` on standard input of `apply_delta_script`, as root."""

    archive: Path  # .tar.zst
    manifest: Manifest
    packages: tuple[str, ...]  # what it installs, without dependencies

    @property
    def status_sha256(self) -> str:
        """Return the SHA-256 of the package database that the machine must have."""
        return next(digest for digest, path in self.manifest.same if path == STATUS)


def archive_paths(found: Difference, *, whole: bool = False) -> tuple[str, ...]:
    """Return the paths that go into the tar, the package database last: an interrupted unpacking leaves the old one.

    With `whole` the files of MERGED are in it too: for unpacking over the very tree it was made from.
    """
    left_out = () if whole else MERGED
    paths = [path for path in sorted((*found.added, *found.changed)) if path not in left_out and path != STATUS]
    return (*paths, STATUS) if STATUS in (*found.added, *found.changed) else tuple(paths)


def make_manifest(
    found: Difference,
    before: Mapping[str, Entry],
    after: Mapping[str, Entry],
    old_lines: Mapping[str, str],
    new_lines: Mapping[str, str],
) -> Manifest | None:
    """Return the manifest of a difference, or None when it cannot be applied by unpacking.

    old_lines and new_lines are the texts of the files in MERGED. None: a user's or group's existing line was changed,
    or the package database was not.
    """
    lines = added_lines(old_lines, new_lines)
    touched = [path for path in (*found.changed, *found.removed) if path not in MERGED]
    if lines is None or STATUS not in found.changed:
        return None
    return Manifest(
        same=tuple((before[p].text, p) for p in touched if before[p].kind == "f" and before[p].text),
        links=tuple((before[p].text, p) for p in touched if before[p].kind == "l"),
        absent=tuple(p for p in found.added if p.startswith(("etc/", "var/")) and after[p].kind != "d"),
        removed=found.removed,
        lines=lines,
        tmpfiles=tuple(p for p in found.added if p.startswith("usr/lib/tmpfiles.d/")),
        sysctl=tuple(p for p in found.added if p.startswith(("usr/lib/sysctl.d/", "etc/sysctl.d/"))),
        udev=any(p.startswith("usr/lib/udev/rules.d/") for p in found.added),
    )


def added_lines(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[tuple[str, str], ...] | None:
    """Return (file, line) for each line added to the user and group files; None when an existing line changed."""
    lines: list[tuple[str, str]] = []
    for path in MERGED:
        present = old.get(path, "").splitlines()
        wanted = new.get(path, "").splitlines()
        if set(present) - set(wanted):
            return None
        lines.extend((path, line) for line in wanted if line not in present)
    return tuple(lines)


def apply_delta_script(delta: PackageDelta) -> str:
    """Return the POSIX sh script that applies a delta: run it as root with the archive on standard input.

    It exits with NOT_APPLICABLE and has changed nothing when the machine is not in the state that the delta was made
    for; the caller then installs with apt. It starts no service. `VBOXLAB_ROOT` (tests) moves it into another root.
    """
    manifest = delta.manifest
    links = manifest.links
    sums = "".join(f"{digest}  {path}\n" for digest, path in manifest.same)
    parts = [
        'root=${VBOXLAB_ROOT:-/}; cd "$root" || exit 1',
        f'refuse() {{ echo "not applicable: $1" >&2; exit {NOT_APPLICABLE}; }}',
        f"printf '%s' {shlex.quote(sums)} | sha256sum --check --strict --status - 2>/dev/null || refuse 'files differ'",
        *(f'[ "$(readlink {shlex.quote(p)})" = {shlex.quote(to)} ] || refuse {shlex.quote(p)}' for to, p in links),
        f"for path in {shlex.join(manifest.absent)}; do",
        '    { [ ! -e "$path" ] && [ ! -L "$path" ]; } || refuse "$path exists"',
        "done",
        *_line_checks(manifest.lines),
        "set -e",
        # Existing directories keep their modes, /bin and the like stay symbolic links.
        _UNPACK,
        *(f"printf '%s\\n' {shlex.quote(line)} >> {shlex.quote(path)}" for path, line in manifest.lines),
        *([f"rm -f -- {shlex.join(manifest.removed)} 2>/dev/null || true"] if manifest.removed else []),
        '[ "$root" = / ] || exit 0',
        "systemctl daemon-reload",
    ]
    if manifest.tmpfiles:
        parts.append("systemd-tmpfiles --create " + shlex.join(f"/{p}" for p in manifest.tmpfiles) + " || true")
    if manifest.sysctl:
        parts.append("sysctl -q -p " + shlex.join(f"/{p}" for p in manifest.sysctl) + " || true")
    if manifest.udev:
        parts.append("udevadm control --reload || true")
    return "\n".join(parts) + "\n"


def _line_checks(lines: tuple[tuple[str, str], ...]) -> list[str]:
    """Return checks that the names are free, and the numbers of users and groups."""
    checks: list[str] = []
    for path, line in lines:
        fields = line.split(":")
        patterns = [f"^{fields[0]}:"]
        if path in ("etc/passwd", "etc/group"):
            patterns.append(f"^[^:]*:[^:]*:{fields[2]}:")
        checks.extend(f"! grep -qs {shlex.quote(pattern)} {path} || refuse 'taken in {path}'" for pattern in patterns)
    return checks
