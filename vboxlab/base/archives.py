"""Package archives (.deb files) for a guest that lacks packages and is not as any layer or delta would have it.

apt on this host is given the guest's own package database, and says and fetches what is missing there. The guest needs
no mirror then, only its package manager.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from vboxlab.lazily import dataclass

INSTALLED = re.compile(r"^Package: (\S+)\nStatus: \S+ \S+ installed$", re.MULTILINE)
# A line of `apt-get --print-uris`: 'URI' FILE SIZE [HASH].
FETCHED = re.compile(r"^'[^']+' (?P<file>[A-Za-z0-9][A-Za-z0-9.+~%_-]*\.deb) \d+", re.MULTILINE)


@dataclass(frozen=True)
class PackageArchives:
    """Archives ready to be installed: send `content` on standard input of `install_script`, as root."""

    packages: tuple[str, ...]  # that were asked for
    along: tuple[str, ...]  # that the guest has not, and that come because these need them
    content: bytes  # a tar of .deb files


def fetched_files(printed: str) -> tuple[str, ...]:
    """Return the names that apt gives the archives it would fetch, from what `apt-get --print-uris` prints."""
    return tuple(match["file"] for match in FETCHED.finditer(printed))


def along(files: Iterable[str], packages: Iterable[str], status: str) -> tuple[str, ...]:
    """Return the packages of these archives (NAME_VERSION_ARCHITECTURE.deb) that are new to a guest and not asked for.

    `status` is its package database, as dpkg writes it.
    """
    known = {*packages, *INSTALLED.findall(status)}
    return tuple(sorted({file.partition("_")[0] for file in files} - known))


def install_script(archives: PackageArchives) -> str:
    """Return the POSIX sh script that installs archives: run it as root with their tar on standard input.

    apt puts them in order; a name with an encoded colon (an epoch's) would be another one to it, so they are numbered.
    Packages that come along count as installed automatically (apt-mark(8)). Services are started as Debian does.
    """
    install = (
        "apt-get -q -y -o DPkg::Lock::Timeout=300 "
        "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "
        '-o APT::Sandbox::User=root --no-install-recommends install "$folder"/*.deb'
    )
    parts = [
        "export DEBIAN_FRONTEND=noninteractive LC_ALL=C",
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "folder=$(mktemp -d) || exit 1",
        "trap 'rm -rf \"$folder\"' EXIT",
        'tar --extract --no-same-owner --directory "$folder" --file - || exit 1',
        'number=0; for file in "$folder"/*.deb; do',
        '    number=$((number + 1)); mv "$file" "$folder/$number.deb" || exit 1',
        "done",
        f"said=$({install} </dev/null 2>&1) || {{ printf '%s\\n' \"$said\" | tail -n 5 >&2; exit 1; }}",
        *([f"apt-mark auto {shlex.join(archives.along)} >/dev/null || true"] if archives.along else []),
    ]
    return "\n".join(parts) + "\n"
