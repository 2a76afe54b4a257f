"""Faults of a verification: which are in force, judged from the host alone, and which are on record.

In force is what the host shows and nobody but a verification makes: a line that is bad, a network that is cut, a
service that hangs. A cable that is out, or a machine that is paused or off, is one where a verification made it so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaign.confirmed import Words
from tests.campaign.host import HANGS, Host
from tests.campaign.process import Outcome
from tests.campaign.steps import Step
from vboxlab.lab.desire import recorded_values
from vboxlab.planning.observed import Impairment, PowerState, current_topology
from vboxlab.topology.addressing import LabName

FILE = "faults.json"
Key = tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """What a topology has, and how many steps its scenario: the last one fails."""

    machines: frozenset[str]
    networks: frozenset[str]
    steps: int


KNOWN = {
    "first": Known(frozenset({"gate", "one", "two"}), frozenset({"wan", "inner"}), 11),
    "second": Known(frozenset({"gate", "one", "two", "three"}), frozenset({"wan", "inner", "outer"}), 8),
    "alone": Known(frozenset({"one"}), frozenset({"inner"}), 5),
}
KEYS = {"unplug": "cable", "pause": "paused", "power-off": "off", "impair": "line", "hang-service": "hanging"}


def recorded(home: Path, lab: LabName) -> Sequence[dict[str, Any]]:
    """Return the faults that are on record for a lab; a record that cannot be read has none."""
    try:
        return list(json.loads((home / "labs" / lab.slug / FILE).read_text())["faults"])
    except (OSError, ValueError, KeyError):
        return []


def ours(host: Host, home: Path, lab: LabName, topology: str) -> list[str]:
    """Return those on record that are of what a topology has, in words; a cut is always one.

    One of a machine whose place the user's own VM has taken waits until it is needed again.
    """
    known = KNOWN[topology].machines
    if recorded_values(list(host.of_lab(lab).values())).get("environment") == "school":
        known -= {"gate"}
    return [
        each["words"]
        for each in recorded(home, lab)
        if each["step"]["fault"] == "partition" or each["step"]["machine"] in known
    ]


def in_force(host: Host, lab: LabName) -> Iterator[tuple[Key, str]]:
    """Yield what is not as it should be in a lab because of a verification, and say so."""
    for name, machine in host.of_lab(lab).items():
        handle = machine.handle
        for (owner, slot), bad in host.impairments.items():
            if owner == handle and bad != Impairment():
                yield ("line", name, str(slot)), f"the line of adapter {slot} of {name} is bad"
        for (owner, slot), groups in host.groups.items():
            if owner == handle and groups:
                yield ("partition",), f"adapter {slot} of {name} is cut off"
        if HANGS in machine.marks:
            yield ("hanging", name), f"a service hangs on {name}"
        for kind, _, *slots in sorted(each for each in host.book.harm if each[1] == handle):
            yield (kind, name, *slots), f"{name} is {kind} {''.join(slots)}".strip()


def untold(host: Host, home: Path) -> list[str]:
    """(h) Every fault in force is on record."""
    _forget(host)
    wrong = []
    for lab in host.labs():
        told = {_key(each["step"]) for each in recorded(home, lab)}
        wrong += [
            f"(h) lab {lab}: {words}, and no record says so" for key, words in in_force(host, lab) if key not in told
        ]
    return wrong


def left_by(step: Step, home: Path, host: Host, outcome: Outcome) -> list[str]:
    """(h) A lab that was brought up has no fault that its topology knows."""
    wanted = step.verb in ("up", "reset") and not {"--until", "--no-up"} & set(step.words)
    if not wanted or outcome.code != 0 or outcome.struck:
        return []
    wrong = []
    for lab in Words(step).labs(host):
        machines = host.of_lab(lab).values()
        topology = current_topology(machines)
        if topology in KNOWN and all(machine.power is PowerState.RUNNING for machine in machines):
            wrong += [f"(h) lab {lab} is up, and {words}" for words in ours(host, home, lab, topology)]
    return wrong


def left(host: Host, home: Path, lab: LabName) -> list[str]:
    """Return what is in force although the lab is up, but for what its record keeps for another topology."""
    _forget(host)
    told = {_key(each["step"]) for each in recorded(home, lab) if each["step"]["fault"] != "partition"}
    return [words for key, words in in_force(host, lab) if key not in told]


def _key(step: dict[str, Any]) -> Key:
    """Return what a step of the record makes."""
    kind = step["fault"]
    if kind == "partition":
        return ("partition",)
    return (KEYS.get(kind, kind), step["machine"], *([str(step["slot"])] if "slot" in step else []))


def _forget(host: Host) -> None:
    """Forget what a verification has made that is not so any more, whoever has mended it."""
    for what in list(host.book.harm):
        kind, handle, *slots = what
        machine = host.machines.get(handle)
        adapter = machine.adapter(int(slots[0])) if machine is not None and slots else None
        there = machine is not None and (
            (kind == "cable" and adapter is not None and not adapter.cable)
            or (kind == "paused" and machine.power is PowerState.PAUSED)
            or (kind == "off" and machine.power is PowerState.OFF)
        )
        if not there:
            host.book.harm.discard(what)
