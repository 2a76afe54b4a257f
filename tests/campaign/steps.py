"""A step of a sequence: a verb as a user types it, with the trouble that strikes it, or what somebody does by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

USER = "user"  # first word of a step that is no verb of vboxlab
LOGIN = ("--user", "debian", "--password-from", "env:PASSWORD")  # of the bases that a user has

KILL = "kill vboxlab"
WORKER = "kill worker"
SERVICE = "kill VBoxSVC"
VM = "kill VM"
POWER = "power loss"
FULL = "disk full"
MEANWHILE = "user meanwhile"
OTHER = "vboxlab meanwhile"
GUEST = "guest silent"
INTERRUPT = "Ctrl-C"
TROUBLES = (KILL, WORKER, SERVICE, VM, POWER, FULL, MEANWHILE, OTHER, GUEST, INTERRUPT)
NONE = "none"


@dataclass(frozen=True)
class Trouble:
    """What goes wrong: its kind, at which point of those that concern it (1 is the first), and how exactly.

    `words` are what somebody else does at that point: a deed of the user's, or another verb.
    """

    kind: str
    at: int
    how: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """The words of a verb, or of a deed after USER; `answer` is typed at the terminal ("" means that there is none)."""

    words: tuple[str, ...]
    trouble: Trouble | None = None
    answer: str = ""

    @property
    def by_user(self) -> bool:
        """Tell whether it is no verb."""
        return self.words[0] == USER

    @property
    def verb(self) -> str:
        """Return the verb, with its second word where that says what it does."""
        first = self.words[0]
        if first == USER:
            return f"{USER}: {self.words[1]}"
        if first == "verify" and "--undo" in self.words:
            return "verify --undo"
        if first not in ("snapshot", "base"):
            return first
        if self.words[1] == "restore":
            return next((f"finish/drop {word}" for word in self.words if word in ("--finish", "--drop")), "restore")
        return f"{first} {self.words[1]}"

    def __str__(self) -> str:
        text = " ".join(self.words)
        if self.answer:
            text += f"  [answers {self.answer}]"
        if self.trouble is not None:
            how = " ".join(filter(None, (self.trouble.how, *self.trouble.words)))
            text += f"  <- {self.trouble.kind} at point {self.trouble.at}" + (f" ({how})" if how else "")
        return text


def dumped(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return steps as plain data."""
    return [asdict(step) for step in steps]


def loaded(data: Sequence[dict[str, Any]]) -> list[Step]:
    """Return the steps that plain data stands for."""
    steps = []
    for entry in data:
        trouble = entry.get("trouble")
        struck = Trouble(trouble["kind"], trouble["at"], trouble["how"], tuple(trouble["words"])) if trouble else None
        steps.append(Step(tuple(entry["words"]), struck, entry.get("answer", "")))
    return steps


def as_test(steps: Sequence[Step], name: str) -> str:
    """Return a test to paste into test_found.py."""
    lines = [f"def test_{name}(replay: Replay) -> None:", "    replay("]
    for step in steps:
        rest = ""
        if step.trouble is not None:
            trouble = [json.dumps(step.trouble.kind), str(step.trouble.at)]
            if step.trouble.how or step.trouble.words:
                trouble.append(json.dumps(step.trouble.how))
            if step.trouble.words:
                trouble.append(repr(step.trouble.words))
            rest = f", Trouble({', '.join(trouble)})"
        if step.answer:
            rest += f", answer={json.dumps(step.answer)}"
        lines.append(f"        Step({step.words!r}{rest}),")
    return "\n".join([*lines, "    )"])
