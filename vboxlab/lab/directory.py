"""The folder of one lab on this host: lock, secrets, pinned host keys, journal, reports. Never the lab's state."""

from __future__ import annotations

import getpass
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from vboxlab.credentials import HIDDEN, redacted
from vboxlab.errors import LabBusy
from vboxlab.events import EventSink, Note
from vboxlab.files import PRIVATE_FILE, clear_drafts, make_private_folder, read_json, replacing
from vboxlab.language import _
from vboxlab.topology.addressing import LabName

POLL_SECONDS = 0.2
LOCK, HOLDER = "lock", "holder.json"


class LabDirectory:
    """Where vboxlab keeps what belongs to one lab but is no part of its state."""

    def __init__(self, home: Path, lab: LabName) -> None:
        self.lab = lab
        self.path = home / "labs" / lab.slug

    def ensure(self) -> Path:
        """Make the folder, readable by its owner only, and return it."""
        make_private_folder(self.path)
        return self.path

    @property
    def known_hosts(self) -> Path:
        """Return the file of the pinned host keys."""
        return self.path / "known_hosts"

    @property
    def secrets(self) -> Path:
        """Return the folder of the lab's secrets."""
        return self.path / "secrets"

    @property
    def journal(self) -> Path:
        """Return the file that says which restore is under way."""
        return self.path / "restore.json"

    @property
    def faults(self) -> Path:
        """Return the file that says which faults a verification has in force."""
        return self.path / "faults.json"

    @property
    def topology(self) -> Path:
        """Return the file that says where the lab's topology lies when its name does not find it."""
        return self.path / "topology.json"

    @property
    def hints(self) -> Path:
        """Return the file that says which hints the student was given."""
        return self.path / "hints.json"

    @property
    def reports(self) -> Path:
        """Return the folder of the verification reports."""
        return self.path / "reports"

    def remove(self) -> None:
        """Remove what belongs to a destroyed lab; reports and the lock file stay."""
        for path in (self.known_hosts, self.journal, self.faults, self.topology, self.hints):
            path.unlink(missing_ok=True)
        if self.secrets.is_dir():
            for secret in self.secrets.iterdir():
                secret.unlink()
            self.secrets.rmdir()

    def remove_lock(self) -> None:
        """Remove the lock's file while the lock is held: nobody who waits for it then gets a file that is gone.

        filelock looks for that after locking. Windows keeps an open file; there filelock removes it itself.
        """
        (self.path / HOLDER).unlink(missing_ok=True)
        with suppress(PermissionError):
            (self.path / LOCK).unlink(missing_ok=True)

    @contextmanager
    def locked(self, events: EventSink, *, patience: float) -> Iterator[float]:
        """Hold the lab's lock; wait so many seconds for another holder, naming it.

        Yields when somebody else last held it (seconds since the epoch, infinity where that may be just now, 0 where
        nobody did). Raises LabBusy. The lock ends with the process that holds it, however that ends (filelock uses the
        operating system's file locks).
        """
        from filelock import FileLock, Timeout

        self.ensure()
        lock = FileLock(str(self.path / LOCK), mode=PRIVATE_FILE)
        holder_file = self.path / HOLDER
        held = _modified(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            holder = _holder(holder_file)
            held = math.inf
            text = _("lab {lab} is in use by {holder}; waiting for up to {seconds:.0f} s")
            events(Note(text.format(lab=self.lab, holder=holder, seconds=patience)))
            try:
                lock.acquire(timeout=patience, poll_interval=POLL_SECONDS)
            except Timeout:
                raise LabBusy(
                    _("lab {lab} is in use by {holder}").format(lab=self.lab, holder=_holder(holder_file)),
                    resolution=_("wait for it to end, or stop it with Ctrl-C in its own window"),
                ) from None
        try:
            self.ensure()  # the one who had the lock may have removed the folder
            clear_drafts(self.path)
            held = held if not holder_file.exists() else math.inf  # of one that was killed, at whatever moment
            with replacing(holder_file, durable=False) as stream:  # it means nothing once its writer has ended
                stream.write(json.dumps(_ourselves()).encode())
            yield held
        finally:
            holder_file.unlink(missing_ok=True)
            with suppress(OSError):  # it is gone with the lab
                os.utime(self.path / LOCK)
            lock.release()


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _ourselves() -> dict[str, str]:
    return {
        "command": shown_command(sys.argv[1:]),
        "pid": str(os.getpid()),
        "user": getpass.getuser(),
        "host": platform.node(),
        "since": time.strftime("%H:%M:%S"),
    }


def shown_command(arguments: Sequence[str]) -> str:
    """Return a command line of vboxlab to show to others: without parameters' values, which may be anything."""
    shown, before = ["vboxlab"], ""
    for word in arguments:
        option, key = ("--set=", word.removeprefix("--set=")) if word.startswith("--set=") else ("", word)
        is_value = "=" in key and (option or before == "--set")
        shown.append(f"{option}{key.partition('=')[0]}={HIDDEN}" if is_value else redacted(shlex.quote(word)))
        before = word
    return " ".join(shown)


def _holder(path: Path) -> str:
    try:
        holder = read_json(path)
        return _("`{command}` (pid {pid}, user {user}, since {since})").format(
            command=holder["command"], pid=holder["pid"], user=holder["user"], since=holder["since"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return _("another vboxlab process")
