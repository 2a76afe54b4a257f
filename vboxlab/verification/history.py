"""The history of a verification: everything that happened in a run, in the order of its happening, on one clock.

A history is a file of JSON lines (RFC 8259, one object a line), appended as it happens: what was recorded stays when
vboxlab is killed. The first line tells what was verified, with the scenario's steps; judging needs nothing else
(vboxlab.verification.judgements). `at` is in seconds since the run began, on the monotonic clock of the computer that
vboxlab ran on; times of guests are on their own clocks, and their readings tell how far those are apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from vboxlab.errors import EXIT_INVALID, VboxlabError
from vboxlab.language import _
from vboxlab.verification.record import Record
from vboxlab.verification.samples import Outcome
from vboxlab.verification.sightings import Claimed, PowerSeen, SamplerBegun, SamplerEnded, Sighted, WatchEnded

FORMAT = 1
ENDING = ".jsonl"


class RunBegun(Record):
    """What is verified, and how. `steps` are the scenario's that apply, as a topology file says them.

    `owners` has the page of each machine that may serve; `speeds` how many times slower the machines were found than
    limits expect, `own_seconds` what their programs wait by their own settings, which no speed changes.
    """

    kind: Literal["run"] = "run"
    format: int = FORMAT
    run: str
    lab: str
    copy_name: str | None
    topology: str
    digest: str
    parameters: Mapping[str, str]
    driver: str
    driver_version: str
    vboxlab: str
    started_at: str
    time_scale: float
    scale_from: Literal["asked", "measured"] = "asked"
    speeds: Mapping[str, float] = Field(default_factory=dict)
    own_seconds: Mapping[str, float] = Field(default_factory=dict)
    owners: Mapping[str, str] = Field(default_factory=dict)
    steps: tuple[Mapping[str, Any], ...]
    left_out: int = 0
    only: tuple[str, ...] = ()


class StepBegun(Record):
    """A step began; they are counted from 1."""

    kind: Literal["step"] = "step"
    step: int


class StepEnded(Record):
    """A step ended by itself."""

    kind: Literal["step-ended"] = "step-ended"
    step: int


class Skipped(Record):
    """A step was not begun: the lab could not be worked with any more, or the run was to break off at a failure."""

    kind: Literal["skipped"] = "skipped"
    step: int
    why: Literal["trouble", "failure"] = "trouble"


class Shown(BaseModel):
    """What was run on a machine, and what it said: the evidence of a check."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    machine: str
    command: str
    output: str = ""
    exit_code: int | None = None


class Tried(Record):
    """An attempt at a check that was made to its end: what was wrong, what could not be told, what was seen.

    `seen` is what a check that is not vboxlab's own observed (vboxlab.topology.check_interface): it can be
    judged again.
    """

    kind: Literal["tried"] = "tried"
    step: int
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    message: str = ""
    evidence: tuple[Shown, ...] = ()
    seen: dict[str, JsonValue] | None = None


class Trouble(Record):
    """Something that kept a step from being carried out, or an attempt at it (`passing`: it was tried again).

    `cause`: the lab itself (a machine that does not run), a guest or hypervisor that did not do it, a bug of vboxlab.
    """

    kind: Literal["trouble"] = "trouble"
    step: int
    cause: Literal["lab", "guest", "bug"]
    brief: str
    details: tuple[str, ...] = ()
    resolution: str = ""
    passing: bool = False


class GaveUp(Record):
    """A step was ended early, as it could not succeed any more."""

    kind: Literal["gave-up"] = "gave-up"
    step: int
    reason: str


class ProbeBegun(Record):
    """A prober was asked for in a machine; `marks` are the texts that it looks for in each answer."""

    kind: Literal["probe"] = "probe"
    step: int
    machine: str
    url: str
    every: float
    timeout: float
    count: int = 0
    marks: tuple[str, ...] = ()
    method: Literal["", "put", "read", "delete"] = ""
    ca: str = ""
    certificate: str = ""
    send: str = ""
    run: tuple[str, ...] = ()


class Beat(Record):
    """A heartbeat of the prober arrived: both clocks of its machine, and how many requests it has begun."""

    kind: Literal["beat"] = "beat"
    step: int
    monotonic: float
    real: float
    begun: int


class Request(Record):
    """The end of a request arrived; its times are on the monotonic clock of the machine that asked."""

    kind: Literal["request"] = "request"
    step: int
    start: float
    duration: float
    outcome: Outcome
    status: int = 0
    page: str = ""
    marks: tuple[int, ...] = ()


class ProbeStopping(Record):
    """The prober was told to begin no further request, and to wait for those under way."""

    kind: Literal["probe-stopping"] = "probe-stopping"
    step: int


class ProbeEnded(Record):
    """The prober has ended. `begun` requests in all (None: it did not say), why when it did not end as asked."""

    kind: Literal["probe-ended"] = "probe-ended"
    step: int
    begun: int | None
    trouble: str = ""


class ClockRead(Record):
    """The real clock of a machine was asked for at a moment, and its answer arrived."""

    kind: Literal["clock"] = "clock"
    step: int
    machine: str
    asked: float
    real: float


class FaultInForce(Record):
    """A fault was asked for at a moment and is in force; `words` say what was done.

    `key` tells what is not as it was since, in words `state`; `ends` has the keys of what is as it was again.
    """

    kind: Literal["fault"] = "fault"
    step: int
    asked: float
    words: str
    key: tuple[str, ...] = ()
    state: str = ""
    ends: tuple[tuple[str, ...], ...] = ()


class ChaosDrawn(Record):
    """Random faults were drawn by a seed, which draws the same ones again: what each does, in their order."""

    kind: Literal["chaos"] = "chaos"
    step: int
    seed: int
    drawn: tuple[str, ...]


class Rebooted(Record):
    """A machine was rebooted within a check, which is to hold afterwards too."""

    kind: Literal["rebooted"] = "rebooted"
    step: int
    machine: str


class FaultUndone(Record):
    """A fault that was in force is undone: within a step, or at the end (step 0)."""

    kind: Literal["undone"] = "undone"
    step: int
    words: str


class FaultLeft(Record):
    """A fault could not be undone."""

    kind: Literal["left"] = "left"
    step: int
    words: str
    problems: tuple[str, ...]


class JournalRead(Record):
    """Lines of a machine's journal that tell of a death: moments on its real clock. With what was asked and said.

    `stages` has the moments of the lines that tell of each step of the take-over, by its name.
    """

    kind: Literal["journal"] = "journal"
    step: int
    machine: str
    moments: tuple[float, ...]
    stages: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    evidence: Shown


class StoodStill(Record):
    """The computer that vboxlab ran on did nothing for so many seconds until now."""

    kind: Literal["still"] = "still"
    seconds: float


class Load(Record):
    """How busy the processors of the computer were since the last such record, 0 to 1."""

    kind: Literal["load"] = "load"
    busy: float


class RunEnded(Record):
    """The run ended: by itself, or interrupted."""

    kind: Literal["end"] = "end"
    interrupted: bool = False


AnyRecord = (
    RunBegun
    | StepBegun
    | StepEnded
    | Skipped
    | Tried
    | Trouble
    | GaveUp
    | ProbeBegun
    | Beat
    | Request
    | ProbeStopping
    | ProbeEnded
    | ClockRead
    | FaultInForce
    | ChaosDrawn
    | Rebooted
    | FaultUndone
    | FaultLeft
    | JournalRead
    | StoodStill
    | Load
    | SamplerBegun
    | Sighted
    | Claimed
    | SamplerEnded
    | PowerSeen
    | WatchEnded
    | RunEnded
)
_line: TypeAdapter[AnyRecord] = TypeAdapter(
    Annotated[AnyRecord, Field(discriminator="kind")], config=ConfigDict(defer_build=True)
)
OfKind = TypeVar("OfKind", bound=Record)


class HistoryInvalid(VboxlabError):
    """A file is no history that can be judged."""

    exit_code = EXIT_INVALID


class History:
    """The records of a run, the first one telling what was verified."""

    def __init__(self, records: Sequence[AnyRecord]) -> None:
        if not records or not isinstance(records[0], RunBegun):
            raise ValueError(records[:1])
        self.run: RunBegun = records[0]
        self.records = tuple(records)

    def of(self, kind: type[OfKind], step: int | None = None) -> Iterator[OfKind]:
        """Yield the records of a kind, of one step or of all."""
        for record in self.records:
            if isinstance(record, kind) and (step is None or getattr(record, "step", None) == step):
                yield record

    def first(self, kind: type[OfKind], step: int | None = None) -> OfKind | None:
        """Return the first record of a kind, None without any."""
        return next(self.of(kind, step), None)

    def last(self, kind: type[OfKind], step: int | None = None) -> OfKind | None:
        """Return the last record of a kind, None without any."""
        found = None
        for record in self.of(kind, step):
            found = record
        return found


def read_history(path: Path) -> History:
    """Return the history in a file. Raises HistoryInvalid, naming the line; a last line cut short is left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryInvalid(_("{file} cannot be read").format(file=path), details=[str(error)]) from None
    whole, newline, rest = text.rpartition("\n")
    del newline, rest  # vboxlab was killed while it wrote it
    records: list[AnyRecord] = []
    for number, line in enumerate(whole.split("\n"), start=1):
        records.append(_read(line, f"{path}:{number}"))
        if number == 1:
            _expect_run(records[0], path)
    return History(records)


def _read(line: str, where: str) -> AnyRecord:
    try:
        return _line.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        brief = _("{place}: not a record of a verification").format(place=where)
        at = ".".join(map(str, first["loc"]))
        raise HistoryInvalid(brief, details=[f"{at}: {first['msg']}" if at else first["msg"]]) from None


def _expect_run(record: AnyRecord, path: Path) -> None:
    if not isinstance(record, RunBegun):
        brief = _("{file} is not the history of a verification").format(file=path)
        raise HistoryInvalid(brief, resolution=_("`vboxlab verify` writes one for each run"))
    if record.format > FORMAT:
        brief = _("{file} was written by a newer vboxlab ({version})").format(file=path, version=record.vboxlab)
        raise HistoryInvalid(brief, resolution=_("update vboxlab"))
