"""What came out of a scenario, as plain values; rendered by vboxlab.verification.render and its neighbours."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_INFRASTRUCTURE, EXIT_OK
from vboxlab.harmless import for_json
from vboxlab.lazily import dataclass
from vboxlab.verification.clocks import Interval
from vboxlab.verification.outages import Second
from vboxlab.verification.samples import Sample

StepOutcome = Literal["passed", "failed", "unclear", "warning", "skipped", "error"]
"""The verdicts of a step. unclear: what was seen cannot tell; error: it could not be carried out."""

StepKind = Literal["check", "fault", "measure", "invariant"]
Unit = Literal["s", "requests", "%"]
EVIDENCE_LINES = 40


@dataclass(frozen=True)
class Evidence:
    """What was run on a machine, and what it said."""

    machine: str
    command: str
    output: str = ""
    exit_code: int | None = None


@dataclass(frozen=True)
class Measurement:
    """One figure, which lies between two bounds. `most` None: no end of it was seen; `least` None: nothing was.

    `limit` is what the topology says, `scaled_limit` that for the speed of these machines.
    """

    name: str
    meaning: str
    unit: Unit
    least: float | None
    most: float | None
    limit: float | None = None
    scaled_limit: float | None = None
    outcome: StepOutcome = "passed"


@dataclass(frozen=True)
class Stage:
    """A step of a take-over, and between which moments it was told of."""

    name: str
    moment: Interval


BarState = Literal["holds", "free", "off", "unknown", "wrong"]


@dataclass(frozen=True)
class Bar:
    """A stretch of a run, in seconds since it began, in which something was in one state."""

    begin: float
    end: float
    state: BarState


@dataclass(frozen=True)
class Mark:
    """Something done to the lab, in words, and from when to when it was in force, in seconds since the run began."""

    begin: float
    end: float
    words: str


@dataclass(frozen=True)
class StepReport:
    """What came of one step. `message` says in a line what was found; `facts` are further figures, ready to print.

    `stood_still` are the seconds for which this computer did nothing at all meanwhile, when they are enough to matter.
    Of a measure: `samples` are its requests and `served` who answered each, `loss` what was lost second by second after
    the cause, `moments` when the cause came into force (`cause`), a peer told of the death (`dead`) and the service was
    gone (`gone`), in seconds since the first request; `stages` are the steps of a take-over from the cause to the first
    answer, in seconds since the cause. Of an invariant: `bars` are the states of what was watched, by name.
    """

    number: int
    kind: StepKind
    name: str  # ping, power-off, interruption, …
    title: str
    outcome: StepOutcome
    message: str = ""
    details: tuple[str, ...] = ()
    seconds: float = 0.0
    stood_still: float = 0.0
    attempts: int = 1
    note: str = ""
    measurements: tuple[Measurement, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    samples: tuple[Sample, ...] = ()
    served: tuple[str, ...] = ()
    loss: tuple[Second, ...] = ()
    moments: Mapping[str, Interval] = field(default_factory=dict)
    bars: Mapping[str, tuple[Bar, ...]] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Report:
    """What came of a scenario. Times are seconds, `started_at` is ISO 8601 in UTC.

    `speeds` says how many times slower the machines were found than limits expect, where that made the time scale;
    `left_out` counts the steps that do not apply under these parameters, `only` are the steps that were asked for where
    not all were, `busy` is the mean load of this computer's processors (0 to 1, None: not known). `faults` are all that
    were made. `doubts` say why nothing is proved whatever the steps say.
    """

    run: str
    lab: str
    copy: str | None
    topology: str
    digest: str
    parameters: Mapping[str, str]
    driver: str
    driver_version: str
    vboxlab: str
    started_at: str
    seconds: float
    time_scale: float
    steps: tuple[StepReport, ...]
    speeds: Mapping[str, float] = field(default_factory=dict)
    left_out: int = 0
    only: tuple[str, ...] = ()
    busy: float | None = None
    faults: tuple[Mark, ...] = ()
    doubts: tuple[str, ...] = ()

    def counts(self) -> Counter[StepOutcome]:
        """Return how many steps had each outcome."""
        return Counter(step.outcome for step in self.steps)

    @property
    def passed(self) -> bool:
        """Tell whether everything was proved; warnings and skipped steps do not count against it."""
        return self.exit_code == EXIT_OK

    @property
    def exit_code(self) -> int:
        """Return 0, 1 when a step failed, or 7 when it cannot be told, or a step could not be carried out."""
        counts = self.counts()
        if counts["error"]:
            return EXIT_INFRASTRUCTURE
        if counts["failed"]:
            return EXIT_CHECK_FAILED
        proved = counts["passed"] + counts["warning"] > 0 and not self.doubts
        return EXIT_OK if proved and not counts["unclear"] else EXIT_INFRASTRUCTURE


def report_as_dict(report: Report) -> dict[str, Any]:
    """Return the report as plain values, without the single samples but with outcome and exit code."""
    values = dataclasses.asdict(report)
    for step in values["steps"]:
        step["sample_count"] = len(step.pop("samples"))
        del step["served"]
    return {**values, "passed": report.passed, "exit_code": report.exit_code, "counts": dict(report.counts())}


def render_json(report: Report) -> str:
    """Return the report as a JSON document."""
    return for_json(json.dumps(report_as_dict(report), indent=2, ensure_ascii=False)) + "\n"
