"""What a campaign has covered: how often which verb met which trouble, and in which state of the lab."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.campaign import confirmed, steps
from tests.campaign.host import Host
from tests.campaign.steps import Step
from vboxlab.planning.observed import MARK_CONTACTED, MARK_STAGE, PowerState, current_topology
from vboxlab.topology.addressing import LabName

STATES = ("no lab", "partly made", "up", "off", "some off", "other topology", "restore pending")
VERBS = (
    "up", "snapshot take", "restore", "finish/drop --finish", "finish/drop --drop", "snapshot delete", "reset", "down",
    "destroy", "verify", "verify --undo", "base add", "base remove", "gc", "plan", "status",
)  # fmt: skip
ENOUGH = 50
# Verbs that reach no guest (a restore that is finished leaves machines off), and those that write no file: such a
# trouble cannot strike them.
IMPOSSIBLE = frozenset({
    *((verb, steps.GUEST) for verb in (
        "finish/drop --finish", "finish/drop --drop", "snapshot delete", "down", "destroy", "base add", "base remove",
        "gc", "status",
    )),
    ("plan", steps.FULL), ("status", steps.FULL),
})  # fmt: skip


def state_of(host: Host, home: Path, lab: LabName) -> str:
    """Return the state of a lab in two words at most."""
    machines = host.of_lab(lab).values()
    if not machines:
        return "no lab"
    if confirmed.has_pending(home, lab):
        return "restore pending"
    if any(MARK_CONTACTED not in machine.marks or MARK_STAGE not in machine.marks for machine in machines):
        return "partly made"
    if current_topology(machines) not in ("first", "alone"):
        return "other topology"
    running = [machine.power is PowerState.RUNNING for machine in machines]
    return "up" if all(running) else "off" if not any(running) else "some off"


class Coverage:
    """Counts triples of verb, trouble and state; a trouble that did not strike is none."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, step: Step, struck: str, state: str) -> None:
        """Count one step."""
        self.counts[step.verb, struck or steps.NONE, state] += 1

    def add(self, other: Mapping[str, int]) -> None:
        """Count what another campaign, or an earlier part of this one, has covered."""
        for key, number in other.items():
            verb, trouble, state = key.split("|")
            self.counts[verb, trouble, state] += number

    def data(self) -> dict[str, int]:
        """Return it as plain data."""
        return {"|".join(key): number for key, number in sorted(self.counts.items())}

    def pairs(self) -> dict[str, Counter[tuple[str, str]]]:
        """Return how often each pair occurred: verb and trouble, verb and state, trouble and state."""
        found: dict[str, Counter[tuple[str, str]]] = {
            "verb x trouble": Counter(), "verb x state": Counter(), "trouble x state": Counter()
        }  # fmt: skip
        for (verb, trouble, state), number in self.counts.items():
            if verb.startswith(steps.USER):
                continue
            found["verb x trouble"][verb, trouble] += number
            found["verb x state"][verb, state] += number
            found["trouble x state"][trouble, state] += number
        return found

    def rare(self) -> list[str]:
        """Return the pairs that occurred less than ENOUGH times."""
        troubles = (steps.NONE, *steps.TROUBLES)
        axes = {
            "verb x trouble": (VERBS, troubles), "verb x state": (VERBS, STATES), "trouble x state": (troubles, STATES)
        }  # fmt: skip
        pairs = self.pairs()
        return [
            f"{row} x {column}: {pairs[title][row, column]}"
            for title, (rows, columns) in axes.items()
            for row in rows
            for column in columns
            if pairs[title][row, column] < ENOUGH and (row, column) not in IMPOSSIBLE
        ]

    def table(self) -> str:
        """Return the table to print."""
        troubles = (steps.NONE, *steps.TROUBLES)
        pairs = self.pairs()
        parts = []
        for title, rows, columns in (
            ("verb x trouble", VERBS, troubles), ("verb x state", VERBS, STATES), ("trouble x state", troubles, STATES)
        ):  # fmt: skip
            widths = [max(len(column), 6) for column in columns]
            lines = [f"{title:22}" + "  ".join(f"{name:>{width}}" for name, width in zip(columns, widths, strict=True))]
            for row in rows:
                cells = (f"{pairs[title][row, name]:>{width}}" for name, width in zip(columns, widths, strict=True))
                lines.append(f"{row:22}" + "  ".join(cells))
            parts.append("\n".join(lines))
        done = [(step, n) for (step, _, _), n in self.counts.items() if step.startswith(steps.USER)]
        deeds: Counter[str] = Counter()
        for step, number in done:
            deeds[step] += number
        parts.append("deeds: " + ", ".join(f"{name.partition(': ')[2]} {n}" for name, n in sorted(deeds.items())))
        return "\n\n".join(parts)
