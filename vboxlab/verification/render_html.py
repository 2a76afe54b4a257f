"""The report as one small HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_INFRASTRUCTURE, EXIT_OK
from vboxlab.harmless import for_html
from vboxlab.language import C_, _, spoken
from vboxlab.verification.bars import SHADES, bars_picture, legend
from vboxlab.verification.pictures import PICTURE, picture
from vboxlab.verification.render import MARKS, amount, head
from vboxlab.verification.report import Report, StepReport
from vboxlab.verification.waterfall import FALLS, waterfall

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222;
  background: #fff }
h1 { font-size: 1.4rem } section { border-left: .35rem solid #999; padding: .1rem .9rem; margin: .7rem 0 }
.passed { border-color: #2a7d3b } .failed, .error { border-color: #b3261e } .warning, .unclear { border-color: #c77700 }
h2 { font-size: 1rem; margin: .3rem 0 } p { margin: .2rem 0 } table { border-collapse: collapse; margin: .4rem 0 }
td, th { padding: .1rem .9rem .1rem 0; text-align: left; vertical-align: top } .small { color: #666; font-size: .87em }
pre { background: #f4f4f4; padding: .5rem; overflow-x: auto; font-size: .82rem; margin: .2rem 0 }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #ddd } pre { background: #23262c }
  .small { color: #a0a0a0 } }
@media print { @page { size: A4; margin: 14mm } body { margin: 0; max-width: none; font-size: 11px; background: #fff;
  color: #000 } h1 { font-size: 1.6em } h2 { font-size: 1.15em } section { break-inside: avoid }
  pre { white-space: pre-wrap } }
"""
STYLE += PICTURE + SHADES + FALLS


def render_html(report: Report) -> str:
    """Return the report as a self-contained HTML page. All texts are escaped: pages of guests are in it."""
    verdict = {
        EXIT_OK: _("{topology}: proved"),
        EXIT_CHECK_FAILED: _("{topology}: not proved"),
        EXIT_INFRASTRUCTURE: _("{topology}: cannot tell"),
    }[report.exit_code]
    title = for_html(verdict.format(topology=report.topology))
    return (
        f'<!doctype html>\n<html lang="{spoken()}"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{body_of(report)}\n</body></html>\n"
    )


def body_of(report: Report) -> str:
    """Return what a page shows of a report: what was verified, then each step."""
    parts = [f'<p class="small">{for_html(line)}</p>' for line in head(report)]
    parts += [f"<p><strong>{for_html(doubt)}</strong></p>" for doubt in report.doubts]
    return "\n".join([*parts, *(part for step in report.steps for part in _step(step, report))])


def _step(step: StepReport, report: Report) -> Iterator[str]:
    title = _("{subject}: {text}").format(subject=step.title, text=C_("step", MARKS[step.outcome]))
    yield f'<section class="{step.outcome}"><h2>{step.number}. {for_html(title)}</h2>'
    for line in dict.fromkeys((step.message, *step.details)):
        if line:
            yield f"<p>{for_html(line)}</p>"
    if step.samples:
        yield picture(step)
    if step.stages:
        heading = _("the take-over, step by step, since the cause")
        yield f'<p class="small">{for_html(heading)}</p>'
        yield waterfall(step)
    if step.bars:
        yield bars_picture(step, report.faults, report.seconds)
        yield f'<p class="small">{for_html(legend())}</p>'
    if step.measurements:
        heads = (_("measured"), _("value"), _("limit"), _("outcome"), _("meaning"))
        yield "<table><tr>" + "".join(f"<th>{for_html(head)}" for head in heads) + "</tr>"
        for figure in step.measurements:
            limit = "" if figure.scaled_limit is None else f"{figure.scaled_limit:g}"
            outcome = C_("step", MARKS[figure.outcome]) if limit else ""
            cells = (C_("figure", figure.name).replace("_", " "), amount(figure), limit, outcome, figure.meaning)
            yield "<tr>" + "".join(f"<td>{for_html(cell)}" for cell in cells) + "</tr>"
        yield "</table>"
    for name, value in step.facts.items():
        text = _("{subject}: {text}").format(subject=_(name), text=value)
        yield f"<p>{for_html(text)}</p>"
    if step.note:
        yield f"<p><em>{for_html(step.note)}</em></p>"
    if step.evidence:
        summary = _("evidence, {seconds:.1f} s, attempts: {attempts}").format(
            seconds=step.seconds, attempts=step.attempts
        )
        yield f'<details><summary class="small">{for_html(summary)}</summary>'
        for evidence in step.evidence:
            yield f"<pre>{for_html(evidence.machine)}$ {for_html(evidence.command)}\n{for_html(evidence.output)}</pre>"
        yield "</details>"
    yield "</section>"
