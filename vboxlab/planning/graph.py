"""A plan in the making: its actions in their order."""

from __future__ import annotations

from vboxlab.planning import actions as act


class Graph:
    """Actions in the making: numbers them and remembers the last one of each machine.

    All of them come after `first`, once that is set.
    """

    def __init__(self) -> None:
        self.actions: list[act.Action] = []
        self.last: dict[str, str] = {}
        self.first: tuple[str, ...] = ()

    def add(
        self,
        step: act.Step,
        reason: str,
        *,
        machines: tuple[str, ...],
        after: tuple[str, ...] = (),
        in_turn: tuple[str, ...] = (),
    ) -> str:
        """Add a step after the last ones of its machines, and return its id. See Action about `in_turn`."""
        identifier = f"{len(self.actions) + 1:02d}"
        own = tuple(dict.fromkeys(self.last[name] for name in machines if name in self.last))
        needed = tuple(dict.fromkeys((*own, *after))) or self.first
        self.actions.append(act.Action(identifier, step, reason, tuple(dict.fromkeys((*needed, *in_turn))), in_turn))
        for name in machines:
            self.last[name] = identifier
        return identifier
