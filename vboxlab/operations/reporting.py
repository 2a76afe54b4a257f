"""The forms of a verification's report, and the files that a user wants them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from vboxlab.topology.addressing import LabName
from vboxlab.verification.render import render_csv, render_text
from vboxlab.verification.render_html import render_html
from vboxlab.verification.render_junit import render_junit
from vboxlab.verification.report import Report, render_json
from vboxlab.verification.series import series_csv, series_html, series_json, series_junit, series_text

Form = Literal["text", "json", "junit", "html", "csv"]
RENDERERS = {"text": render_text, "json": render_json, "junit": render_junit, "html": render_html, "csv": render_csv}

SERIES = {
    "text": series_text, "json": series_json, "junit": series_junit, "html": series_html, "csv": series_csv,
}  # fmt: skip


def rendered(reports: Sequence[Report], form: Form) -> str:
    """Return one report, or several runs as one, in a form."""
    return RENDERERS[form](reports[0]) if len(reports) == 1 else SERIES[form](reports)


def report_file(path: Path, lab: LabName | None) -> Path:
    """Return the file for a lab's report: with the copy's name in front of the ending where there are several."""
    return path.with_name(f"{path.stem}-{lab.copy or lab.lab}{path.suffix}") if lab else path


def write_reports(reports: Sequence[Report], files: Mapping[Form, Path]) -> None:
    """Write the report of one run, or of several, into the files of its forms."""
    for form, file in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rendered(reports, form), encoding="utf-8")
