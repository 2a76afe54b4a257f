"""Making the reports of a verification again, from the history that it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from vboxlab.lazily import dataclass
from vboxlab.operations.reporting import Form, rendered, write_reports
from vboxlab.verification.history import read_history
from vboxlab.verification.judgements import judge
from vboxlab.verification.series import exit_code


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """Which histories to judge, and in what forms the report is wanted: `form` of the result, `files` besides."""

    histories: Sequence[Path]
    form: Form = "text"
    files: Mapping[Form, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """The report in the form that was asked for, and the exit code of the verification."""

    report: str
    exit_code: int


def report(request: ReportRequest) -> Judged:
    """Judge histories anew, each as at its end; several are runs of one report. Raises HistoryInvalid, OSError."""
    found = [judge(read_history(path)) for path in request.histories]
    write_reports(found, request.files)
    return Judged(rendered(found, request.form), exit_code(found))
