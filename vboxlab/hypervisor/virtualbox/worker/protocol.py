"""What goes over the pipe between vboxlab and its worker: one JSON object a line, ASCII only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

# What a worker says that it begins, before it can be called: each may never end.
LOADING, CONNECTING = "loading the binding", "connecting to VirtualBox's service"
LOOKING = "looking at the machines"
Progress = Callable[[str, "int | None"], None]


class Failure(Exception):
    """A call that failed, in a form that crosses the pipe.

    `kind` says which of the contract's errors it is ("api" for what VirtualBox itself refused), `code` is VirtualBox's
    result code as an unsigned number, `holder` the process that holds the lock that was needed, as VirtualBox knows it.
    """

    def __init__(
        self,
        kind: str,
        text: str,
        *,
        code: int | None = None,
        details: list[str] | None = None,
        holder: int | None = None,
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.code = code
        self.details = details or []
        self.holder = holder


@dataclass(frozen=True)
class Request:
    """A call. `noted` is what the same call had noted before it was lost: it may or may not have taken effect."""

    id: int
    call: str
    arguments: dict[str, Any] = field(default_factory=dict)
    noted: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """The end of a call: a result, or an error as the fields of a Failure."""

    id: int
    result: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Progressed:
    """How far a call is. `percent` is None where that is unknown."""

    id: int
    text: str
    percent: int | None


@dataclass(frozen=True)
class Noted:
    """What a call found, sent before it changes anything: the same call gets it when this one is lost."""

    id: int
    note: dict[str, Any]


@dataclass(frozen=True)
class Beat:
    """The worker's heartbeat: it lives. Seconds are counted while it runs, so that a sleeping host has none.

    `service` is for how long VirtualBox's service has owed an answer to a question that takes it no time, `calls` for
    how long each call under way has neither heard from VirtualBox nor done anything.
    """

    id: int
    service: float
    calls: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request as the functions that answer it see it.

    `noted` is what the same call had noted before it was lost, or before it had to wait: empty when it had changed
    nothing. `waited` says that another vboxlab process was at work on the same machine meanwhile.
    """

    arguments: dict[str, Any]
    report: Progress
    noted: dict[str, Any] = field(default_factory=dict)
    tell: Callable[[dict[str, Any]], None] = lambda _note: None
    waited: bool = False

    def note(self, **found: Any) -> None:
        """Let what was found be known to a call that is made again; to be done before anything is changed."""
        self.noted.update(found)
        self.tell(found)


Message = Reply | Progressed | Noted | Beat


def encode(message: Request | Message) -> bytes:
    """Return the line of a message."""
    return json.dumps(asdict(message), ensure_ascii=True).encode("ascii") + b"\n"


def decode_request(line: bytes) -> Request:
    """Return the request in a line. Raises ValueError when it is none."""
    return Request(**json.loads(line))


def decode_message(line: bytes) -> Message:
    """Return the worker's message in a line. Raises ValueError when it is none."""
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError(f"not a message: {line[:80]!r}")  # noqa: TRY004 -- one error for all that is no message
    kinds: dict[str, type[Message]] = {"percent": Progressed, "note": Noted, "service": Beat}
    kind = next((kinds[name] for name in kinds if name in fields), Reply)
    return kind(**fields)


def failure_fields(failure: Failure) -> dict[str, Any]:
    """Return a failure as the fields of a reply."""
    return {
        "kind": failure.kind, "text": failure.text, "code": failure.code, "details": failure.details,
        "holder": failure.holder,
    }  # fmt: skip
