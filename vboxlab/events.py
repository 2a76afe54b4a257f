"""Typed progress events: what happens is said once here, and rendered by vboxlab.cli.output only."""

from __future__ import annotations

from collections.abc import Callable

from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class ActionStarted:
    """An action of a plan began. `machine` is None for actions of the whole lab."""

    action: str
    machine: str | None
    title: str


@dataclass(frozen=True)
class ActionProgress:
    """An action says how far it is. `percent` is None where it cannot be known."""

    action: str
    machine: str | None
    text: str
    percent: int | None = None


@dataclass(frozen=True)
class ActionFinished:
    """An action ended well. `summary` says what came out ("unchanged", "3 changed"); seconds are wall time."""

    action: str
    machine: str | None
    title: str
    seconds: float
    summary: str = ""


@dataclass(frozen=True)
class ActionFailed:
    """An action ended badly. The error itself is raised at the end of the run."""

    action: str
    machine: str | None
    title: str
    seconds: float
    reason: str


@dataclass(frozen=True)
class Note:
    """Something the user should know that is no action."""

    text: str
    level: str = "info"


Event = ActionStarted | ActionProgress | ActionFinished | ActionFailed | Note
EventSink = Callable[[Event], None]


def discard(_event: Event) -> None:
    """Ignore an event: the sink for callers that show nothing."""
