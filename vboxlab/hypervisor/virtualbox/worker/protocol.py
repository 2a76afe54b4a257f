"""What goes over the pipe between vboxlab and its worker: one JSON object a line, ASCII only.

Both sides read this file and `calls`, which has the arguments and the result of each call. A line names the version of
the protocol and the kind of message; a line that is no object of JSON is none of ours. What a user is to be told goes
as codes with values (`told`), never as a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import field
from typing import Any, Generic, TypeVar

from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments, result_of
from vboxlab.hypervisor.virtualbox.worker.calls import CALLS, name_of
from vboxlab.hypervisor.virtualbox.worker.coding import Malformed, plain, read, read_fields
from vboxlab.hypervisor.virtualbox.worker.told import Told, Value
from vboxlab.lazily import dataclass

PROTOCOL = 1  # another one where a message changes in any way: client and worker are then of different installations
# What a worker says that it begins, before it can be called: each may never end.
LOADING, CONNECTING = Told("loading-binding"), Told("connecting-to-service")
LOOKING = Told("looking-at-machines")
Progress = Callable[[Told, "int | None"], None]
A = TypeVar("A", bound=Arguments[Any])


class Failure(Exception):
    """A call that failed.

    `kind` says which of the contract's errors it is ("api" for what VirtualBox itself refused), `told` what happened,
    `result_code` is VirtualBox's as an unsigned number, `holder` the process that holds the lock that was needed, as
    VirtualBox knows it.
    """

    def __init__(
        self,
        kind: str,
        told: Told,
        *,
        result_code: int | None = None,
        details: list[Told] | None = None,
        holder: int | None = None,
    ) -> None:
        super().__init__(kind, told)
        self.kind = kind
        self.told = told
        self.result_code = result_code
        self.details = details or []
        self.holder = holder

    @property
    def text(self) -> str:
        """Return what VirtualBox or the system said, "" of what is told by a code of ours."""
        return str(self.told.values["text"]) if self.told.code == "verbatim" else ""


class NotUnderstood(Failure):
    """A line that is a message, but none of this protocol; `id` is the call that it belongs to (0: none)."""

    def __init__(self, told: Told, id: int) -> None:  # noqa: A002 -- as in the messages
        super().__init__("protocol", told)
        self.id = id


@dataclass(frozen=True)
class Greeting:
    """The first word of a worker that can be called: versions, its interpreter and binding, and what it mended.

    `warning` is what the user should know of VirtualBox's version.
    """

    version: str
    api: str
    python: str
    interpreter: str
    binding: str
    pid: int
    warning: Told | None = None
    mended: tuple[Told, ...] = ()


@dataclass(frozen=True)
class Request:
    """A call. `noted` is what the same call had noted before it was lost: it may or may not have taken effect."""

    id: int
    call: str
    arguments: Any  # the call's own class of Arguments
    noted: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """The end of a call that was made."""

    id: int
    call: str
    result: Any  # of the call's own type


@dataclass(frozen=True)
class Failed:
    """The end of a call that failed, or (id 0) of a start that did: the fields of a Failure."""

    id: int
    kind: str
    told: Told
    result_code: int | None = None
    details: tuple[Told, ...] = ()
    holder: int | None = None


@dataclass(frozen=True)
class Progressed:
    """How far a call is. `percent` is None where that is unknown."""

    id: int
    doing: Told
    percent: int | None


@dataclass(frozen=True)
class Noted:
    """What a call found, sent before it changes anything: the same call gets it when this one is lost.

    It is the worker's own: the client keeps it and gives it back.
    """

    id: int
    note: dict[str, Any]


@dataclass(frozen=True)
class Beat:
    """The worker's heartbeat: it lives. Seconds are counted while it runs, so that a sleeping host has none.

    `service` is for how long VirtualBox's service has owed an answer to a question that takes it no time, `calls` for
    how long each call under way has neither heard from VirtualBox nor done anything.
    """

    service: float
    calls: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Call(Generic[A]):
    """A request as the functions that answer it see it.

    `noted` is what the same call had noted before it was lost, or before it had to wait: empty when it had changed
    nothing. `waited` says that another vboxlab process was at work on the same machine meanwhile.
    """

    arguments: A
    report: Progress
    noted: dict[str, Any] = field(default_factory=dict)
    tell: Callable[[dict[str, Any]], None] = lambda _note: None
    waited: bool = False

    def note(self, **found: Any) -> None:
        """Let what was found be known to a call that is made again; to be done before anything is changed."""
        self.noted.update(found)
        self.tell(found)


Message = Greeting | Request | Reply | Failed | Progressed | Noted | Beat
MESSAGES: dict[str, type[Message]] = {
    "greeting": Greeting,
    "request": Request,
    "reply": Reply,
    "failed": Failed,
    "progressed": Progressed,
    "noted": Noted,
    "beat": Beat,
}
_KINDS = {kind: name for name, kind in MESSAGES.items()}


def request(number: int, arguments: Arguments[Any], noted: dict[str, Any]) -> Request:
    """Return the request to make a call."""
    return Request(number, name_of(arguments), arguments, noted)


def failed(number: int, failure: Failure) -> Failed:
    """Return a failure as the end of a call."""
    details = tuple(failure.details)
    return Failed(number, failure.kind, failure.told, failure.result_code, details, failure.holder)


def failure_in(message: Failed) -> Failure:
    """Return the failure that a call ended with."""
    return Failure(message.kind, message.told, result_code=message.result_code, details=list(message.details),
                   holder=message.holder)  # fmt: skip


def encode(message: Message) -> bytes:
    """Return the line of a message. Raises TypeError for what is of no type of the protocol."""
    line = {"protocol": PROTOCOL, "message": _KINDS[type(message)], **plain(message)}
    return json.dumps(line, ensure_ascii=True).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line. Raises ValueError when it is none, NotUnderstood for another protocol's."""
    try:
        return _decoded(json.loads(line))
    except RecursionError as error:  # nested deeper than any message
        raise ValueError(line[:80]) from error


def _decoded(found: Any) -> Message:
    if not isinstance(found, dict):
        raise ValueError(str(found)[:80])  # noqa: TRY004 -- one error for all that is no message
    number = found.get("id")
    number = number if isinstance(number, int) else 0
    theirs: Value = found.pop("protocol", None)
    if theirs != PROTOCOL:
        raise NotUnderstood(Told("other-protocol", {"theirs": str(theirs), "ours": PROTOCOL}), number)
    name = found.pop("message", None)
    kind = MESSAGES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise NotUnderstood(Told("unknown-message", {"message": str(name)}), number)
    try:
        return kind(**_typed(read_fields(kind, found, "")))
    except Malformed as error:
        raise NotUnderstood(error.told, number) from error


def _typed(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a message's fields, what goes by the call's name as the call has it."""
    if "call" in fields:
        arguments = CALLS.get(fields["call"])
        if arguments is None:
            raise Malformed(Told("unknown-call", {"call": fields["call"]}))
        if "arguments" in fields:
            fields["arguments"] = read(arguments, fields["arguments"], "arguments")
        else:
            fields["result"] = read(result_of(arguments), fields["result"], "result")
    return fields
