"""The computer of a sequence: the memory driver's host, which outlives every process, and what its user knows of it."""

from __future__ import annotations

import os
import pickle
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from vboxlab.hypervisor.memory import MemoryStore
from vboxlab.hypervisor.virtualbox.worker.media import Medium
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName

# What is on a machine's disk and in its memory, kept as marks so that snapshots hold it too. None is vboxlab's.
CONFIGURED = "guest:configured"  # what vboxlab has written into it
WORK = "guest:work"  # markers, by commas: files that somebody made
EDIT = "guest:edit"  # a marker: what somebody made of a file that vboxlab wrote
MEMORY = "guest:memory"  # a marker that is in the memory of a saved machine alone
HOST_KEY = "guest:host-key"
IDENTITY = "guest:identity"  # MAC address that the host key was made for
HANGS = "guest:hangs"  # "yes" while a service hangs, which no boot outlives
DISK = "guest:disk"  # path of a disk of somebody else's that the machine writes to


class Counter:
    """Counts from 1 on, and can be kept."""

    def __init__(self) -> None:
        self.last = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.last += 1
        return self.last


class Watcher(Protocol):
    """Who is told of every call, before it, in the middle of it, and after it has taken effect."""

    def call(self, phase: str, name: str, subject: str, lab: LabName | None) -> None:
        """Do what happens at this point of a call."""


@dataclass
class Book:
    """What the user knows: the control run of what is not vboxlab's, his markers, and what he gave up."""

    foreign: dict[str, ObservedMachine] = field(default_factory=dict)  # by handle
    media: dict[str, tuple[Medium, ...]] = field(default_factory=dict)
    strays: dict[str, str] = field(default_factory=dict)  # path -> the marker in it
    markers: dict[str, str] = field(default_factory=dict)  # marker -> where and how it was made
    given_up: set[str] = field(default_factory=set)
    meanwhile: dict[str, str] = field(default_factory=dict)  # marker made during a verb -> handle of its machine
    bases: dict[str, str] = field(default_factory=dict)  # VM's handle -> base that it was offered as
    undone: dict[str, set[str]] = field(default_factory=dict)  # lab -> machines that a restore has left, by its record
    # What a verification has made: ("cable", handle, slot), ("paused", handle), ("off", handle).
    harm: set[tuple[str, ...]] = field(default_factory=set)
    chosen: set[str] = field(default_factory=set)  # machines that the last restore named, where not all of its set
    verifies: bool = False  # the present verb makes faults
    struck: str = ""  # the trouble that has struck the present verb
    # How much a verb had changed when another one began beside it, and what that one then changed.
    beside: tuple[int, list[tuple[str, str]]] = field(default_factory=lambda: (0, []))
    count: int = 0

    def new_marker(self, where: str) -> str:
        """Return a marker that there has never been."""
        self.count += 1
        marker = f"m{self.count}"
        self.markers[marker] = where
        return marker


@dataclass
class Host(MemoryStore):
    """A host that is kept in a file, and tells a watcher of every call."""

    file: Path = Path()
    book: Book = field(default_factory=Book)
    effects: list[tuple[str, str]] = field(default_factory=list)  # (call, machine) of calls that changed something
    foreign_disks: dict[str, list[str]] = field(default_factory=dict)  # path -> what was written to it
    depends: dict[str, str] = field(default_factory=dict)  # foreign linked clone -> machine that it is a clone of
    watcher: Watcher | None = None
    careful: bool = False  # its process may end at any moment: it is kept after each change
    _handles: Iterator[int] = field(default_factory=Counter)
    _changes: Iterator[int] = field(default_factory=Counter)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("guard", "watcher", "_errors")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, guard=threading.RLock(), watcher=None, _errors=defaultdict(list))

    def keep(self) -> None:
        """Write the host to its file, all or nothing."""
        draft = f"{self.file}.draft"
        with open(draft, "wb") as stream:  # noqa: PTH123
            pickle.dump(self, stream, pickle.HIGHEST_PROTOCOL)
        os.replace(draft, self.file)  # noqa: PTH105 -- quick, as it is done after each call

    def did(self, name: str, subject: str) -> None:
        """Remember a change, and keep it where that cannot wait."""
        self.effects.append((name, subject))
        if self.careful:
            self.keep()

    def load(self) -> None:
        """Take over what another process has kept."""
        watcher = self.watcher
        vars(self).update(vars(load(self.file)), watcher=watcher, careful=True)

    @contextmanager
    def call(self, name: str, subject: str, lab: LabName | None = None) -> Iterator[None]:
        """Record a call and let it run, with what happens to it."""
        if self.watcher is None:
            with super().call(name, subject, lab):
                yield
            return
        self.watcher.call("before", name, subject, lab)
        before = self.fingerprint()
        with super().call(name, subject, lab):
            self.watcher.call("during", name, subject, lab)
            yield
        if self.fingerprint() != before:
            self.did(name, subject)
        self.watcher.call("after", name, subject, lab)

    def fingerprint(self) -> object:
        """Return what is another value after each change."""
        return (dict(self.machines), dict(self.images), list(self.leftovers), list(self.strays))

    def switch(self, handle: str, power: PowerState) -> None:
        """Start or stop a VM; what is in a saved machine's memory goes on, or is lost."""
        was = self.machines[handle]
        super().switch(handle, power)
        marks = dict(was.marks)
        marker = marks.pop(MEMORY, None)
        if power is PowerState.OFF and HANGS in marks:
            del marks[HANGS]
            self.mark(handle, marks={**marks, **({MEMORY: marker} if marker else {})})
        if marker is None or power in (PowerState.SAVED, PowerState.PAUSED):
            return
        if power is PowerState.RUNNING:
            marks[WORK] = joined(marks.get(WORK), marker)
        self.machines[handle] = replace(self.machines[handle], marks=marks)

    def of_lab(self, lab: LabName) -> dict[str, ObservedMachine]:
        """Return a lab's machines by name."""
        return {machine.machine: machine for machine in self.machines.values() if machine.lab == lab}

    def offer(self, vm: str, base: str) -> None:
        """Remember that VMs of a name are offered as a base, which allows some things to vboxlab."""
        self.book.bases.update({handle: base for handle, machine in self.machines.items() if machine.name == vm})

    def labs(self) -> list[LabName]:
        """Return the labs that there are."""
        found = {machine.lab for machine in self.machines.values() if machine.lab is not None}
        return sorted(found, key=str)

    def mark(self, handle: str, **changes: Any) -> None:
        """Change a machine as its guest or its user does."""
        self.machines[handle] = replace(self.machines[handle], **changes)

    def places(self) -> dict[str, list[tuple[str, str]]]:
        """Return where each marker is: (machine's handle, snapshot's id or "" for the present), or ("", stray)."""
        found: dict[str, list[tuple[str, str]]] = {}
        for handle, machine in self.machines.items():
            for marker in markers_of(machine):
                found.setdefault(marker, []).append((handle, ""))
            for snapshot in machine.snapshots:
                for marker in markers_of(self.held[handle, snapshot.id]):
                    found.setdefault(marker, []).append((handle, snapshot.id))
        here = {str(stray.path) for stray, _ in self.strays}
        for path, marker in self.book.strays.items():
            if path in here:
                found.setdefault(marker, []).append(("", path))
        return found


def load(file: Path) -> Host:
    """Return the host that is kept in a file."""
    with file.open("rb") as stream:
        host = pickle.load(stream)
    assert isinstance(host, Host)
    host.file = file
    return host


def markers_of(machine: ObservedMachine) -> set[str]:
    """Return the markers in a machine, or in a snapshot of it."""
    kept = [machine.marks.get(mark, "") for mark in (WORK, EDIT, MEMORY)]
    return {marker for text in kept for marker in text.split(",") if marker}


def joined(text: str | None, marker: str) -> str:
    """Return a list of markers with one more."""
    return f"{text},{marker}" if text else marker
