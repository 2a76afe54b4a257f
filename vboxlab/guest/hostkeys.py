"""The pinned host keys of a lab: a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") by machine name.

OpenSSH reads the same file when it is told `HostKeyAlias MACHINE` and `UserKnownHostsFile FILE`.
"""

from __future__ import annotations

import threading
from pathlib import Path

from vboxlab.files import make_private_folder, write_durably

_writing = threading.Lock()


def pinned_key(known_hosts: Path, machine: str) -> str | None:
    """Return the pinned key of a machine as "TYPE BASE64", or None when there is none."""
    for line in _lines(known_hosts):
        name, _, key = line.partition(" ")
        if name == machine:
            return " ".join(key.split()[:2])
    return None


def pin(known_hosts: Path, machine: str, key: str) -> None:
    """Keep the key ("TYPE BASE64", a comment is dropped) as the only one of that machine."""
    _rewrite(known_hosts, machine, [f"{machine} {' '.join(key.split()[:2])}"])


def forget(known_hosts: Path, machine: str) -> None:
    """Forget the key of a machine: for one that is made anew."""
    if pinned_key(known_hosts, machine) is not None:
        _rewrite(known_hosts, machine, [])


def _lines(known_hosts: Path) -> list[str]:
    try:
        return known_hosts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []


def _rewrite(known_hosts: Path, machine: str, added: list[str]) -> None:
    with _writing:
        kept = [line for line in _lines(known_hosts) if line.partition(" ")[0] != machine]
        make_private_folder(known_hosts.parent)
        # What is no UTF-8 is kept byte by byte: other lines are other machines' pins.
        text = "".join(f"{line}\n" for line in kept + added)
        write_durably(known_hosts, text.encode(errors="surrogateescape"))
