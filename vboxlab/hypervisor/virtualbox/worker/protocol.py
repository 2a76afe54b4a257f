"""What goes over the pipe between vboxlab and its worker: one JSON object a line, ASCII only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

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
    """A call. `again` says that the same call was made before and that nobody knows whether it took effect."""

    id: int
    call: str
    arguments: dict[str, Any] = field(default_factory=dict)
    again: bool = False


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
class Call:
    """A request as the functions that answer it see it.

    `waited` says that another vboxlab process was at work on the same machine meanwhile.
    """

    arguments: dict[str, Any]
    again: bool
    report: Progress
    waited: bool = False


Message = Reply | Progressed


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
    return Progressed(**fields) if "percent" in fields else Reply(**fields)


def failure_fields(failure: Failure) -> dict[str, Any]:
    """Return a failure as the fields of a reply."""
    return {
        "kind": failure.kind, "text": failure.text, "code": failure.code, "details": failure.details,
        "holder": failure.holder,
    }  # fmt: skip
