"""The report as one small HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_INFRASTRUCTURE, EXIT_OK
from vboxlab.language import C_, _, spoken
from vboxlab.verification.render import MARKS, amount
from vboxlab.verification.report import Report, StepReport

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.4rem } section { border-left: .35rem solid #999; padding: .1rem .9rem; margin: .7rem 0 }
.passed { border-color: #2a7d3b } .failed, .error { border-color: #b3261e } .warning { border-color: #c77700 }
h2 { font-size: 1rem; margin: .3rem 0 } p { margin: .2rem 0 } table { border-collapse: collapse; margin: .4rem 0 }
td, th { padding: .1rem .9rem .1rem 0; text-align: left; vertical-align: top } .small { color: #666; font-size: .87rem }
pre { background: #f4f4f4; padding: .5rem; overflow-x: auto; font-size: .82rem; margin: .2rem 0 }
"""


def render_html(report: Report) -> str:
    """Return the report as a self-contained HTML page. All texts are escaped: pages of guests are in it."""
    lab = report.lab if report.copy is None else f"{report.lab}/{report.copy}"
    verdict = {
        EXIT_OK: _("{topology}: proved"),
        EXIT_CHECK_FAILED: _("{topology}: not proved"),
        EXIT_INFRASTRUCTURE: _("{topology}: could not be carried out"),
    }[report.exit_code]
    title = escape(verdict.format(topology=report.topology))
    about = _(
        "Run {run} at {moment}, lab {lab}, digest {digest}, driver {driver} {version}, vboxlab {vboxlab}, "
        "time scale {scale:g}, {seconds:.0f} s"
    ).format(
        run=report.run,
        moment=report.started_at,
        lab=lab,
        digest=report.digest,
        driver=report.driver,
        version=report.driver_version,
        vboxlab=report.vboxlab,
        scale=report.time_scale,
        seconds=report.seconds,
    )
    facts = escape(about)
    parameters = escape(", ".join(f"{key}={value}" for key, value in report.parameters.items()))
    body = "\n".join(part for step in report.steps for part in _step(step))
    return (
        f'<!doctype html>\n<html lang="{spoken()}"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n"
        f'<p class="small">{facts}</p><p class="small">{parameters}</p>\n{body}\n</body></html>\n'
    )


def _step(step: StepReport) -> Iterator[str]:
    title = _("{subject}: {text}").format(subject=step.title, text=C_("step", MARKS[step.outcome]))
    yield f'<section class="{step.outcome}"><h2>{step.number}. {escape(title)}</h2>'
    for line in dict.fromkeys((step.message, *step.details)):
        if line:
            yield f"<p>{escape(line)}</p>"
    if step.measurements:
        heads = (_("measured"), _("value"), _("limit"), _("outcome"), _("meaning"))
        yield "<table><tr>" + "".join(f"<th>{escape(head)}" for head in heads) + "</tr>"
        for figure in step.measurements:
            limit = "" if figure.scaled_limit is None else f"{figure.scaled_limit:g}"
            outcome = C_("step", MARKS[figure.outcome]) if limit else ""
            cells = (C_("figure", figure.name).replace("_", " "), amount(figure), limit, outcome, figure.meaning)
            yield "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>"
        yield "</table>"
    for name, value in step.facts.items():
        text = _("{subject}: {text}").format(subject=_(name), text=value)
        yield f"<p>{escape(text)}</p>"
    if step.note:
        yield f"<p><em>{escape(step.note)}</em></p>"
    if step.evidence:
        summary = _("evidence, {seconds:.1f} s, attempts: {attempts}").format(
            seconds=step.seconds, attempts=step.attempts
        )
        yield f'<details><summary class="small">{escape(summary)}</summary>'
        for evidence in step.evidence:
            yield f"<pre>{escape(evidence.machine)}$ {escape(evidence.command)}\n{escape(evidence.output)}</pre>"
        yield "</details>"
    yield "</section>"
