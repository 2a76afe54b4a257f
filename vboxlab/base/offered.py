"""Packages offered in a guest: there as archives (.deb files) in a folder that apt takes for a repository.

A student installs the packages of a practical himself, on a machine that may reach no mirror. The folder is a flat
repository (sources.list(5): a suite that ends in a slash), which apt trusts because it is the machine's own disk.
Debian's sources stay as they are, and have the last word where they can be reached and have newer packages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from vboxlab.lazily import dataclass

FOLDER = "var/cache/vboxlab/apt"
SOURCES = "etc/apt/sources.list.d/vboxlab-practical.sources"
SETTINGS = "etc/apt/apt.conf.d/95vboxlab-practical"
LISTS = "var/lib/apt/lists"
_DATE = "Thu, 01 Jan 2015 00:00:00 UTC"
_EPOCH = re.compile(r"_\d+%3a", re.IGNORECASE)
_FIELD_OF_OURS = re.compile(
    r"^(?:Filename|Size|MD5sum|SHA1|SHA256|Status):.*\n(?:[ \t].*\n)*", re.MULTILINE | re.IGNORECASE
)

SOURCES_TEXT = f"""\
# The packages of this practical, on the machine's own disk: they can be installed without a mirror.
Types: deb
URIs: file:/{FOLDER}
Suites: ./
Trusted: yes
"""

# Where no mirror answers, `apt update` would ask each file of it four times, and wait half a minute each time.
SETTINGS_TEXT = """\
Acquire::Retries "0";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
Acquire::EnableSrvRecords "false";
"""


@dataclass(frozen=True)
class Archive:
    """A package archive of the repository: its control file (deb-control(5)) and what apt checks it by."""

    control: str
    size: int
    sha256: str


def file_name(fetched: str) -> str:
    """Return the name in the repository of an archive as apt names it: without the epoch, as Debian's own have it."""
    return _EPOCH.sub("_", fetched)


def packages_index(archives: Mapping[str, Archive]) -> str:
    """Return the repository's `Packages`, with a stanza for each archive by its file name."""
    stanzas = []
    for name, archive in sorted(archives.items()):
        control = _FIELD_OF_OURS.sub("", archive.control.strip() + "\n")
        stanzas.append(f"{control}Filename: ./{name}\nSize: {archive.size}\nSHA256: {archive.sha256}\n")
    return "\n".join(stanzas)


def release(index: str) -> str:
    """Return the repository's `Release`, which says what its index must be."""
    data = index.encode()
    digest = hashlib.sha256(data).hexdigest()
    # A date must be there, and one of the machine's own past, whatever its clock says.
    lines = ("Origin: vboxlab", "Label: practical", f"Date: {_DATE}", "SHA256:", f" {digest} {len(data)} Packages")
    return "\n".join(lines) + "\n"


def asked_together(packages: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the sets of packages that must be installable: all, and each alone, which may need something else then.

    (What one of several alternatives needs is met by another package of all of them, and by apt's own choice alone.)
    """
    every = tuple(sorted(set(packages)))
    return tuple(dict.fromkeys((every, *((name,) for name in every)))) if every else ()
