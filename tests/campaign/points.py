"""The points of a process at which something can happen to it: calls of the driver, of guests, and of files.

Every call is three points (before, in the middle, once it has taken effect), every change of a file below the home one,
one that makes a file two: then there is an empty one. So is a flush. They are numbered from 1 on, those of each kind of
trouble for itself: a kill may strike at any, a driver that dies only at its calls.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.campaign import deeds, steps
from tests.campaign.disk import Disk
from tests.campaign.host import Host
from tests.campaign.steps import Trouble
from vboxlab.errors import DriverError, GuestError
from vboxlab.topology.addressing import LabName

KILLED = 137
READING = frozenset({
    "machines", "inspect", "describe", "images", "has_image", "garbage", "strays",
})  # fmt: skip
LEAVING = frozenset({"create", "delete", "take_snapshot", "restore_snapshot", "delete_snapshot", "import_image"})
NEEDS_ROOM = frozenset({"create", "take_snapshot", "start", "import_image", "set_marks"})
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CONCERNS: dict[str, frozenset[str]] = {
    steps.KILL: frozenset({"call", "guest", "file"}),
    steps.POWER: frozenset({"call", "guest", "file"}),
    steps.INTERRUPT: frozenset({"call", "guest", "file"}),
    steps.WORKER: frozenset({"call"}),
    steps.SERVICE: frozenset({"call"}),
    steps.VM: frozenset({"call", "guest"}),
    steps.MEANWHILE: frozenset({"call"}),
    steps.OTHER: frozenset({"call", "file"}),
    steps.FULL: frozenset({"file", "room"}),
    steps.GUEST: frozenset({"guest"}),
}


class Points:
    """Lets one trouble strike the process that this is made in. `other` runs another vboxlab meanwhile."""

    def __init__(self, host: Host, home: Path, trouble: Trouble | None, other: Callable[[Sequence[str]], None]) -> None:
        self._host = host
        self._home = f"{home}{os.sep}"
        self._trouble = trouble
        self._other = other
        self._concerned = CONCERNS[trouble.kind] if trouble else frozenset()
        self._disk = Disk(home) if trouble and trouble.kind == steps.POWER else None
        self._full = self._gone = False
        self._quiet = 0
        self.count = 0
        self._fsync = os.fsync

    def watch_files(self) -> None:
        """Be told of every change of a file from now on, until the process ends (sys.addaudithook)."""
        sys.addaudithook(self._audit)
        vars(os)["fsync"] = self._flush

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def call(self, phase: str, name: str, subject: str, lab: LabName | None) -> None:
        """See Watcher: a call of the driver."""
        if self._quiet:
            return
        if phase == "during" and name in READING:
            return
        if self._gone:
            raise _lost(name)
        if phase == "before" and name in NEEDS_ROOM:
            self._pass("room", lambda: None, lambda: DriverError(f"{name} of {subject} failed: the disk is full"))

        def half() -> None:
            if phase == "during" and name in LEAVING:
                self._host.leftovers.append((f"interrupted {name} of {subject}", lab))

        self._pass("call", half, lambda: _lost(name))

    def guest(self, machine: str) -> None:
        """Be told of something that is done in a guest."""
        self._pass("guest", lambda: None, lambda: GuestError(f"{machine}: no SSH server answers in the guest"))

    def _audit(self, event: str, details: tuple[Any, ...]) -> None:
        if self._quiet or event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            return
        with self._quietly():
            folder = details[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1
            path = _path(details[0], folder)
        if path is None or not path.startswith(self._home):
            return
        makes = event == "open" and bool(details[2] & WRITES)
        if event == "open" and not makes:
            return
        if event in ("os.remove", "os.rmdir") and self._trouble is not None and self._trouble.kind == steps.FULL:
            return  # to remove something takes no room
        self._pass("file", lambda: None, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path))
        if makes and details[2] & os.O_CREAT and not os.path.exists(path):  # noqa: PTH110

            def empty() -> None:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

            self._pass("file", empty, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path))

    def _flush(self, descriptor: int) -> None:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._pass("file", lambda: None, lambda: full)
        with self._quietly():
            self._fsync(descriptor)
            if self._disk is not None:
                self._disk.flush(descriptor)

    def _pass(self, kind: str, half: Callable[[], None], error: Callable[[], Exception]) -> None:
        """Pass a point; where the trouble strikes there, `half` is what is done of what was to be done."""
        if self._quiet or kind not in self._concerned or self._trouble is None:
            return
        if self._full:
            raise error()
        self.count += 1
        if self.count != self._trouble.at:
            return
        with self._quietly():
            self._host.book.struck = self._trouble.kind
            if self._trouble.kind in (steps.KILL, steps.POWER, steps.WORKER, steps.SERVICE, steps.FULL):
                half()
            self._strike(self._trouble)
        if self._trouble.kind == steps.FULL:
            self._full = True
            raise error()
        if self._trouble.kind in (steps.WORKER, steps.SERVICE, steps.GUEST):
            self._gone = self._trouble.kind == steps.SERVICE
            raise error()

    def _strike(self, trouble: Trouble) -> None:
        match trouble.kind:
            case steps.KILL:
                self._end()
            case steps.POWER:
                self.lose_power()
            case steps.INTERRUPT:
                for _ in range(2 if trouble.how == "twice" else 1):
                    signal.raise_signal(signal.SIGINT)
            case steps.VM | steps.MEANWHILE:
                deeds.do(self._host, trouble.words)
                self._host.keep()
            case steps.OTHER:
                self._let_other(trouble.words)

    def _let_other(self, words: Sequence[str]) -> None:
        """Stand still while another vboxlab works, and remember what both had done by then."""
        own = list(self._host.effects)
        self._host.keep()
        self._other(words)
        self._host.load()
        self._host.book.struck = steps.OTHER
        self._host.book.beside = (len(own), list(self._host.effects))
        self._host.effects = own
        self._host.keep()

    def leave(self) -> None:
        """Be told of nothing any more: the verb has ended."""
        self._quiet += 1

    def lose_power(self) -> None:
        """Let the computer lose its power now."""
        assert self._disk is not None
        assert self._trouble is not None
        with self._quietly():
            self._host.book.struck = steps.POWER
            deeds.do(self._host, ["cuts-power"])
            self._disk.lose_power(self._trouble.how or "strict", self._trouble.at)
            self._end()

    def _end(self) -> None:
        self._host.keep()
        os._exit(KILLED)


def _lost(name: str) -> DriverError:
    return DriverError(f"the connection to the hypervisor was lost during {name}", resolution="try again")


def _path(name: Any, folder: Any) -> str | None:
    if isinstance(name, int):
        return None
    text = os.fsdecode(name)
    if isinstance(folder, int) and folder >= 0:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)  # noqa: PTH115, PTH118
    return os.path.abspath(text)  # noqa: PTH100
