"""What a user gives up with a command, by the README's "What asks before it acts" and by nothing of vboxlab's code.

Confirmed is what was answered with yes, or asked with --yes. Whatever else a command does, it loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tests.campaign.host import MEMORY, Host, markers_of
from tests.campaign.steps import Step
from vboxlab.planning.observed import MARK_TOPOLOGY, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName

TOPOLOGIES = {"first": "duo", "second": "duo", "alone": "solo"}
SETS = {("duo", "plain"): ("one", "two")}
LAST_SNAPSHOT = {"duo": "plain"}  # what `reset` goes back to
NAMED = ("up", "plan", "reset", "down", "destroy", "verify", "verify --undo")  # they name the lab at once
WITH_VALUE = frozenset({
    "--lab", "--copy", "--copies", "--machine", "--to", "--keep", "--stray", "--set", "--until", "--wait", "--jobs",
    "--user", "--password-from", "--vm", "--disk", "--timeout", "--snapshot", "--only", "--time-scale",
})  # fmt: skip


class Words:
    """The words of a verb, apart."""

    def __init__(self, step: Step) -> None:
        self.verb = step.verb
        self.options: dict[str, list[str]] = {}
        self.arguments: list[str] = []
        words = list(step.words[1:])
        if step.words[0] in ("snapshot", "base"):
            words = words[1:]
        while words:
            word = words.pop(0)
            if word in WITH_VALUE:
                self.options.setdefault(word, []).append(words.pop(0))
            elif word.startswith("-"):
                self.options.setdefault(word, [])
            else:
                self.arguments.append(word)
        self.confirmed = "--yes" in self.options or step.answer == "y"

    def one(self, option: str) -> str | None:
        """Return the last value of an option, None when it was not given."""
        return self.options.get(option, [None])[-1]

    def labs(self, host: Host) -> list[LabName]:
        """Return the labs that the verb is about: those that exist or, named, might."""
        name = self.one("--lab") if self.verb not in NAMED else None
        if name is None and self.verb in (*NAMED, "status") and self.arguments:
            name = self.arguments[0]
        name = TOPOLOGIES.get(name, name) if name is not None else None
        if "--all" in self.options:
            return [lab for lab in host.labs() if name in (None, lab.lab)]
        if name is None:
            found = [lab for lab in host.labs() if lab.copy == self.one("--copy")]
            return found if len(found) == 1 else []
        if copies := self.one("--copies"):
            return [LabName(name, copy) for copy in copies.split(",")]
        return [LabName(name, self.one("--copy"))]


def given_up(host: Host, home: Path, step: Step) -> set[str]:
    """Return the markers that a verb may lose, seen from the host as it was before it."""
    words = Words(step)
    if words.verb == "down":
        hard = "--hard" in words.options
        return set().union(*(_memories(host, lab) for lab in words.labs(host) if hard), set())
    if not words.confirmed:
        return set()
    found: set[str] = set()
    for lab in words.labs(host):
        found |= _by_verb(host, home, words, lab)
    if words.verb == "gc":
        found |= {host.book.strays[path] for path in words.options.get("--stray", []) if path in host.book.strays}
    return found


def machines_given_up(host: Host, home: Path, step: Step) -> set[str]:
    """Return the handles of the machines whose present state a verb may lose."""
    lost = given_up(host, home, step)
    probe: set[str] = set()
    words = Words(step)
    if not words.confirmed:
        return probe
    for lab in words.labs(host):
        members = host.of_lab(lab) if words.verb == "destroy" else _going_back(host, home, words, lab)
        probe |= {machine.handle for machine in members.values()}
    return probe | {handle for marker in lost for handle, snapshot in host.places().get(marker, []) if not snapshot}


def _by_verb(host: Host, home: Path, words: Words, lab: LabName) -> set[str]:
    if words.verb == "destroy":
        kept = [machine.snapshots for machine in host.of_lab(lab).values()]
        machines = host.of_lab(lab).values()
        held = (host.held[m.handle, s.id] for m, snapshots in zip(machines, kept, strict=True) for s in snapshots)
        return _markers([*machines, *held])
    if words.verb == "snapshot delete":
        members = _members(host, lab, words.arguments[0], words)
        found = {name: machine.find_snapshots(words.arguments[0]) for name, machine in members.items()}
        if any(len(each) != 1 for each in found.values()):
            return set()
        return _markers(host.held[members[name].handle, each[0].id] for name, each in found.items())
    return _markers(_going_back(host, home, words, lab).values())


def _going_back(host: Host, home: Path, words: Words, lab: LabName) -> dict[str, ObservedMachine]:
    """Return the machines whose present state is given up for that of a snapshot."""
    everything = host.of_lab(lab)
    if words.verb == "restore":
        return _of_one_snapshot(_members(host, lab, words.arguments[0], words), words.arguments[0])
    if words.verb == "reset":
        name = words.one("--to") or LAST_SNAPSHOT.get(lab.lab, "")
        return _of_one_snapshot(_members(host, lab, name, words), name)
    if words.verb == "finish/drop --finish":
        return {name: machine for name, machine in everything.items() if name in undone(home, lab)}
    if words.verb == "up":
        topology = words.arguments[0]
        members = {name: m for name, m in everything.items() if name in SETS.get((lab.lab, "plain"), ())}
        # One that is right stays as it is; where one does not have the snapshot, it is made first.
        back = {name: m for name, m in members.items() if m.marks.get(MARK_TOPOLOGY, topology) != topology}
        return back if all(len(machine.find_snapshots("plain")) < 2 for machine in back.values()) else {}
    return {}


def _of_one_snapshot(members: dict[str, ObservedMachine], name: str) -> dict[str, ObservedMachine]:
    """Return machines that can go back to a snapshot; none when one of them does not have it, or several of it."""
    return members if all(len(machine.find_snapshots(name)) == 1 for machine in members.values()) else {}


def _members(host: Host, lab: LabName, snapshot: str, words: Words) -> dict[str, ObservedMachine]:
    everything = host.of_lab(lab)
    chosen = words.options.get("--machine") or SETS.get((lab.lab, snapshot))
    if chosen is None:
        return {name: machine for name, machine in everything.items() if machine.find_snapshots(snapshot)}
    return {name: everything[name] for name in chosen} if set(chosen) <= everything.keys() else {}


def undone(home: Path, lab: LabName) -> set[str]:
    """Return the machines that an interrupted restore has left, by its record."""
    try:
        record = json.loads(_record(home, lab).read_text())
    except (OSError, ValueError):
        return set()
    return set(record["machines"]) - set(record["done"])


def _memories(host: Host, lab: LabName) -> set[str]:
    saved = [machine for machine in host.of_lab(lab).values() if machine.power is PowerState.SAVED]
    return {machine.marks[MEMORY] for machine in saved if MEMORY in machine.marks}


def _markers(machines: Iterable[ObservedMachine]) -> set[str]:
    return set().union(*(markers_of(machine) for machine in machines), set())


def has_pending(home: Path, lab: LabName) -> bool:
    """Tell whether a restore of a lab is recorded as unfinished."""
    return _record(home, lab).exists()


def _record(home: Path, lab: LabName) -> Path:
    return home / "labs" / lab.slug / "restore.json"
