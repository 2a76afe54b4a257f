"""What came out of a scenario, as plain values; rendered by vboxlab.verification.render and its neighbours."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_INFRASTRUCTURE, EXIT_OK
from vboxlab.lazily import dataclass
from vboxlab.verification.samples import Sample

StepOutcome = Literal["passed", "failed", "warning", "skipped", "error"]
"""error: the step could not be carried out, so nothing is proved either way."""

StepKind = Literal["check", "fault", "measure"]
Unit = Literal["s", "requests"]
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
    """One figure. `actual` is the largest value that the readings allow; the true one is at most `uncertainty` less."""

    name: str
    meaning: str
    unit: Unit
    actual: float | None
    uncertainty: float = 0.0
    limit: float | None = None  # as the topology says
    scaled_limit: float | None = None  # times the time scale
    outcome: StepOutcome = "passed"


@dataclass(frozen=True)
class StepReport:
    """What came of one step. `message` says in a line what was found; `facts` are further figures, ready to print.

    `stood_still` are the seconds for which this computer did nothing at all meanwhile, when they are enough to matter.
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


@dataclass(frozen=True)
class Report:
    """What came of a scenario. Times are seconds, `started_at` is ISO 8601 in UTC."""

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

    def counts(self) -> Counter[StepOutcome]:
        """Return how many steps had each outcome."""
        return Counter(step.outcome for step in self.steps)

    @property
    def passed(self) -> bool:
        """Tell whether everything was proved; warnings and skipped steps do not count against it."""
        return self.exit_code == EXIT_OK

    @property
    def exit_code(self) -> int:
        """Return 0, 1 when a step failed, or 7 when a step could not be carried out."""
        counts = self.counts()
        if counts["error"]:
            return EXIT_INFRASTRUCTURE
        return EXIT_CHECK_FAILED if counts["failed"] else EXIT_OK


def report_as_dict(report: Report) -> dict[str, Any]:
    """Return the report as plain values, without the single samples but with outcome and exit code."""
    values = dataclasses.asdict(report)
    for step in values["steps"]:
        step["sample_count"] = len(step.pop("samples"))
    return {**values, "passed": report.passed, "exit_code": report.exit_code, "counts": dict(report.counts())}


def render_json(report: Report) -> str:
    """Return the report as a JSON document."""
    return json.dumps(report_as_dict(report), indent=2, ensure_ascii=False) + "\n"
