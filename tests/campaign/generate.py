"""The next step of a sequence: by chance, from a seed, and such that it often fits what there is."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.campaign import faults, steps
from tests.campaign.confirmed import has_pending
from tests.campaign.coverage import IMPOSSIBLE
from tests.campaign.deeds import lab_of
from tests.campaign.disk import MOODS
from tests.campaign.host import Host
from tests.campaign.steps import Step, Trouble
from vboxlab.planning.observed import current_topology

T = TypeVar("T")

SNAPSHOTS = ("monday", "tuesday", "plain")
MACHINES = ("one", "two", "gate", "three")
LABS = {"duo": 70, "duo--ann": 18, "solo": 12}
VMS = ("GATE", "TEACHER", "mine", "one", "solo-one", "three")
# How many points of a verb's process there are, roughly: a trouble may strike at any of them, or come too late.
SIZES = {
    "up": 200, "reset": 150, "restore": 60, "finish/drop --finish": 40, "finish/drop --drop": 20, "snapshot take": 60,
    "snapshot delete": 40, "down": 40, "destroy": 50, "base add": 70, "base remove": 40, "gc": 40, "plan": 15,
    "status": 8, "verify": 90, "verify --undo": 40,
}  # fmt: skip
SHARE = {  # of a verb's points, those that a kind of trouble counts
    steps.KILL: 1.0, steps.POWER: 1.1, steps.INTERRUPT: 1.0, steps.WORKER: 0.6, steps.SERVICE: 0.6, steps.VM: 0.7,
    steps.MEANWHILE: 0.6, steps.OTHER: 0.8, steps.FULL: 0.3, steps.GUEST: 0.1,
}  # fmt: skip
RESTORING = ("restore", "reset", "finish/drop --finish", "verify", "verify --undo")  # struck more often, and later
VERBS: Mapping[str, int] = {
    "up": 24, "up second": 9, "take": 9, "restore": 17, "finish": 4, "drop": 3, "delete": 6, "reset": 8, "down": 8,
    "destroy": 8, "base add": 4, "base remove": 3, "gc": 4, "plan": 2, "status": 2, "verify": 12,
}  # fmt: skip
DEEDS: Mapping[str, int] = {
    "works": 24, "edits": 8, "saves": 4, "switches": 12, "takes": 7, "goes-back": 3, "drops-snapshot": 2, "renames": 2,
    "rewires": 5, "resizes": 3, "deletes": 3, "puts-disk": 8, "takes-disk": 2, "makes-vm": 5, "clones": 2,
    "renames-vm": 3, "removes-vm": 3, "switches-vm": 3, "takes-vm": 2, "sets-kind": 7, "kills-vm": 5, "hides": 3,
    "takes-port": 3, "cuts-power": 3,
}  # fmt: skip

# What deeds are done to, where that is no machine of a lab; and with what.
FIRST: Mapping[str, Sequence[str]] = {"makes-vm": VMS[2:], "sets-kind": ("TEACHER", "TEACHER", "GATE")}
SECOND: Mapping[str, Sequence[Sequence[str]]] = {
    "switches": [("running", "running", "off", "off", "paused", "saved")],
    "renames": [("renamed", "mine")],
    "rewires": [("nowhere", "elsewhere", "inner", "outer")],
    "resizes": [("256", "1024", "2048")],
    "makes-vm": [("", "inner")],
    "renames-vm": [VMS],
    "switches-vm": [("running", "off")],
    "sets-kind": [("Normal", "Writethrough", "Shareable", "Immutable")],
}

# What is chosen where the rare is wanted.
RARE = (
    "base add", "base remove", "base remove", "gc", "plan", "status", "delete", "take", "reset", "down", "destroy",
    "restore", "up", "verify", "undo",
)  # fmt: skip
RARE_PENDING = (
    "finish", "finish", "finish", "drop", "drop", "plan", "status", "delete", "base add", "base remove", "gc", "up",
    "take", "reset", "restore", "down", "destroy", "verify", "undo",
)  # fmt: skip

# What often goes wrong together, in this order, with other things between.
STORIES: Sequence[Sequence[str]] = (
    ("works", "restore", "works", "up"),
    ("works", "up second", "works", "up second"),
    ("takes", "works", "takes", "restore"),
    ("takes", "works", "takes", "delete"),
    ("puts-disk", "destroy", "up"),
    ("sets-kind", "deletes", "up"),
    ("edits", "up", "edits", "reset"),
    ("take", "works", "restore", "finish"),
    ("saves", "down", "up"),
    ("cuts-power", "up", "works", "cuts-power"),
    ("up", "verify", "saves", "undo", "up"),
    ("verify", "take", "restore", "up"),
    ("verify", "deletes", "up", "undo"),
    ("up", "verify", "up second", "verify", "up"),
    ("verify", "reset", "verify", "restore", "undo"),
    ("verify", "destroy", "up"),
)


class Generator:
    """Chooses steps."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._count = 0
        self._story: list[str] = []

    def next(self, host: Host, home: Path) -> Step:
        """Return the next step, seen what there is."""
        self._count += 1
        if self._count == 1 and self._random.random() < 0.9:
            return Step(("up", "first"))
        pending = [lab for lab in host.labs() if has_pending(home, lab)]
        if pending and self._random.random() < 0.3:
            # Who goes on working where a restore was interrupted has something to lose again.
            lab = self._random.choice(pending)
            return Step((steps.USER, "works", f"{lab.slug}/{self._of(sorted(host.of_lab(lab)))}"))
        if not host.labs() and self._random.random() < 0.6:
            return Step(("up", "first"))
        if not self._story and self._random.random() < 0.12:
            self._story = list(self._random.choice(STORIES))
        kind = self._story.pop(0) if self._story and self._random.random() < 0.8 else ""
        if kind in DEEDS or (not kind and host.labs() and self._random.random() < 0.4):
            return Step((steps.USER, *self._deed(host, kind)))
        step = self._verb(host, home, kind)
        if self._random.random() < (0.75 if step.verb in RESTORING else 0.5):
            return Step(step.words, self._trouble(step, host), step.answer)
        return step

    def _weighted(self, odds: Mapping[str, int]) -> str:
        return self._random.choices(list(odds), list(odds.values()))[0]

    def _of(self, choices: Sequence[T]) -> T:
        return self._random.choice(list(choices))

    def _lab(self, host: Host) -> str:
        """Return a lab, mostly one that there is."""
        there = {lab.slug: LABS.get(lab.slug, 1) for lab in host.labs()}
        return self._weighted(there if there and self._random.random() < 0.93 else LABS)

    def _which(self, lab: str) -> tuple[str, ...]:
        """Return the words that say which lab is meant."""
        name, _, copy = lab.partition("--")
        return (name, *(("--copy", copy) if copy else ()))

    def _yes(self) -> tuple[tuple[str, ...], str]:
        """Return how a question is answered: --yes, at the terminal, or not at all."""
        chance = self._random.random()
        if chance < 0.65:
            return ("--yes",), ""
        return (), ("y" if chance < 0.75 else "n" if chance < 0.85 else "")

    def _verb(self, host: Host, home: Path, kind: str = "") -> Step:
        kind = kind or self._weighted(VERBS)
        lab = self._lab(host)
        if has_pending(home, lab_of(lab)) and self._random.random() < 0.35:
            kind = self._of(("finish", "finish", "drop", "up", "take"))
        elif faults.recorded(home, lab_of(lab)) and self._random.random() < 0.35:
            kind = self._of(
                ("undo", "undo", "verify", "up", "up second", "take", "restore", "reset", "down", "destroy")
            )
        if kind in ("verify", "undo"):
            return self._verify(kind, lab, host)
        if kind in ("plan", "status"):
            topology = "alone" if lab == "solo" else self._of(("first", "first", "second"))
            name, *rest = self._which(lab)
            return Step((kind, topology if kind == "plan" else name, *rest))
        if kind in ("base add", "base remove", "gc"):
            return self._housekeeping(kind, host)
        if kind in ("up", "up second"):
            return self._up(kind, lab)
        return self._on_lab(kind, lab, host)

    def _verify(self, kind: str, lab: str, host: Host) -> Step:
        """Make faults, in the topology that the lab is in if it is in one, or end them."""
        now = current_topology(host.of_lab(lab_of(lab)).values())
        topology = now if now in faults.KNOWN else "alone" if lab == "solo" else "first"
        _, *rest = self._which(lab)
        if kind == "undo":
            return Step(("verify", topology, *rest, "--undo"))
        most = faults.KNOWN[topology].steps
        numbers = sorted(self._random.sample(range(1, most), self._random.randint(1, min(4, most - 1))))
        breaks = self._random.random() < 0.3
        words = [word for number in (*numbers, *([most] if breaks else ())) for word in ("--only", str(number))]
        return Step(("verify", topology, *rest, *words, *(["--break-on-failure"] if breaks else [])))

    def _up(self, kind: str, lab: str) -> Step:
        topology = "alone" if lab == "solo" else "second" if kind == "up second" else "first"
        _, *rest = self._which(lab)
        words = ["up", topology, *rest]
        answer = ""
        chance = self._random.random()
        if topology != "alone" and not rest and chance < 0.12:
            words += ["--set", "environment=school"]
        elif chance < 0.2:
            words += ["--set", "base=slate"]
        elif chance < 0.28 and topology == "first":
            words += ["--until", self._of(("created", "web"))]
        elif chance < 0.34 and rest:
            words = ["up", topology, "--copies", "ann,bob"]
        if kind == "up second" or self._random.random() < 0.3:
            yes, answer = self._yes()
            words += yes
        return Step(tuple(words), answer=answer)

    def _on_lab(self, kind: str, lab: str, host: Host) -> Step:
        name, *copy = self._which(lab)
        if self._random.random() < 0.06 and kind in ("down", "reset", "restore", "take"):
            copy = ["--all"]
        yes, answer = self._yes()
        of_lab = ["--lab", name, *copy]
        snapshot = self._snapshot(host, lab)
        one = ["--machine", self._of(MACHINES[:3])] if self._random.random() < 0.12 else []
        match kind:
            case "take":
                live = ["--live"] if self._random.random() < 0.25 else []
                return Step(("snapshot", "take", self._of(SNAPSHOTS[:2]), *of_lab, *one, *live))
            case "restore":
                return Step(("snapshot", "restore", snapshot, *of_lab, *one, *yes), answer=answer)
            case "finish":
                return Step(("snapshot", "restore", "--finish", *of_lab, *yes), answer=answer)
            case "drop":
                return Step(("snapshot", "restore", "--drop", *of_lab))
            case "delete":
                return Step(("snapshot", "delete", snapshot, *of_lab, *one, *yes), answer=answer)
            case "reset":
                words = ["reset", name, *copy]
                words += ["--to", snapshot] if self._random.random() < 0.3 else []
                words += ["--keep", self._of(SNAPSHOTS[:2])] if self._random.random() < 0.3 else []
                words += [self._of(("--up", "--no-up"))] if self._random.random() < 0.3 else []
                return Step((*words, *yes), answer=answer)
            case "down":
                return Step(("down", name, *copy, *(["--hard"] if self._random.random() < 0.3 else [])))
            case _:
                return Step(("destroy", name, *copy, *yes), answer=answer)

    def _snapshot(self, host: Host, lab: str) -> str:
        """Return a snapshot's name, mostly one that a machine of the lab has, often one that it has twice."""
        there = sorted({
            snapshot.name
            for machine in host.machines.values()
            if machine.lab is not None and machine.lab.slug == lab
            for snapshot in machine.snapshots
        })  # fmt: skip
        twice = [name for name in there if any(len(m.find_snapshots(name)) > 1 for m in host.machines.values())]
        if twice and self._random.random() < 0.4:
            return self._of(twice)
        return self._of(there if there and self._random.random() < 0.85 else SNAPSHOTS)

    def _housekeeping(self, kind: str, host: Host) -> Step:
        base = self._of(("slate", "slate", "chalk", "stone"))
        if kind == "base remove":
            return Step(("base", "remove", base))
        if kind == "gc":
            strays = [str(stray.path) for stray, _ in host.strays]
            named = ("--stray", self._of(strays)) if strays and self._random.random() < 0.5 else ()
            yes, answer = self._yes()
            return Step(("gc", "--keep-layers", *named, *yes), answer=answer)
        if base == "slate":
            return Step(("base", "add", base, "--disk", "$FOLDER/slate.img", *steps.LOGIN))
        return Step(("base", "add", base, "--vm", self._of(VMS[:3]), *steps.LOGIN))

    def _deed(self, host: Host, name: str = "") -> tuple[str, ...]:
        lab = self._lab(host)
        there = [machine.machine for machine in host.machines.values() if machine.lab and machine.lab.slug == lab]
        place = f"{lab}/{self._of(there or MACHINES)}"
        name = name or self._weighted(DEEDS)
        if name in ("takes", "goes-back", "drops-snapshot"):
            return (name, place, self._snapshot(host, lab))
        if name == "clones":
            return (name, "mine", place)
        first: Sequence[str] | None = VMS if name.endswith("-vm") and name != "kills-vm" else None
        if name in FIRST:
            first = FIRST[name]
        rest = () if name == "cuts-power" else (place,) if first is None else (self._of(first),)
        return (name, *rest, *(self._of(choices) for choices in SECOND.get(name, ())))

    def _trouble(self, step: Step, host: Host) -> Trouble:
        odds = dict.fromkeys(steps.TROUBLES, 2)
        if step.verb in RESTORING:
            odds |= dict.fromkeys((steps.KILL, steps.POWER, steps.WORKER, steps.SERVICE), 4)
        kind = self._weighted(odds)
        most = max(3, SIZES.get(step.verb, 40) * SHARE[kind])
        share = self._random.random()
        at = 1 + int(most * (0.2 + 0.8 * share if step.verb in RESTORING else share**1.5))
        if kind == steps.POWER:
            return Trouble(kind, at, self._of(MOODS))
        if kind == steps.INTERRUPT:
            return Trouble(kind, at, self._of(("once", "twice")))
        if kind == steps.VM:
            return Trouble(kind, at, words=("kills-vm", f"{self._lab(host)}/{self._of(MACHINES[:3])}"))
        if kind == steps.MEANWHILE:
            deed = self._deed(host)
            while deed[0] in ("works", "edits", "saves", "cuts-power"):
                deed = self._deed(host)
            return Trouble(kind, at, words=deed)
        if kind == steps.OTHER:
            lab = self._lab(host)
            other = self._on_lab(self._of(("take", "restore", "down", "reset", "destroy")), lab, host)
            if self._random.random() < 0.4:
                other = self._up("up", lab)
            return Trouble(kind, at, words=(*other.words, "--wait", "0"))
        return Trouble(kind, at)


class RareGenerator(Generator):
    """Chooses verbs that are seldom chosen else, almost always with a trouble, and each kind of it equally often."""

    def next(self, host: Host, home: Path) -> Step:
        """Return the next step, seen what there is."""
        self._count += 1
        if self._count == 1:
            return Step(
                ("up", *self._of((("first",), ("first",), ("first", "--until", "created"), ("second", "--yes"))))
            )
        chance = self._random.random()
        if chance < 0.15:
            return Step((steps.USER, *self._deed(host)))
        pending = any(has_pending(home, lab) for lab in host.labs())
        if not pending and chance < 0.4 and any(machine.has_snapshot("plain") for machine in host.machines.values()):
            words = ("snapshot", "restore", "plain", "--lab", "duo", "--yes")
            return Step(words, Trouble(steps.KILL, self._random.randint(15, 50)))
        kinds = RARE_PENDING if pending else RARE
        step = self._verb(host, home, self._of(kinds))
        if not host.labs() and step.verb == "up":
            return Step(step.words, Trouble(steps.GUEST, self._random.randint(1, 6)), step.answer)
        if chance < 0.2:
            return step
        return Step(step.words, self._trouble(step, host), step.answer)

    def _housekeeping(self, kind: str, host: Host) -> Step:
        if (kind == "base add" and "chalk" in host.images) or (kind == "base remove" and "chalk" not in host.images):
            kind = "base remove" if kind == "base add" else "base add"
        if kind == "gc":
            return super()._housekeeping(kind, host)
        words = ("remove", "chalk") if kind == "base remove" else ("add", "chalk", "--vm", "TEACHER", *steps.LOGIN)
        return Step(("base", *words))

    def _trouble(self, step: Step, host: Host) -> Trouble:
        kinds = [kind for kind in steps.TROUBLES if (step.verb, kind) not in IMPOSSIBLE]
        kind = self._of([*kinds, steps.GUEST, steps.GUEST] if steps.GUEST in kinds else kinds)
        while (found := super()._trouble(step, host)).kind != kind:
            pass
        return replace(found, at=1 + int((found.at - 1) * self._random.random()))
