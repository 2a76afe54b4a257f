"""Marks as pages: one of a student's own, which prints on A4, and one of the whole class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from vboxlab.grading.judge import Criterion, Judged, Marks
from vboxlab.grading.record import Graded
from vboxlab.grading.words import SIGNS, VALUES, hints_of, number, span, sum_of, title_of
from vboxlab.harmless import for_html
from vboxlab.language import C_, NC_, _, spoken
from vboxlab.verification.render_html import STYLE

_CRITERIA = {
    "passed": NC_("criterion", "holds"),
    "failed": NC_("criterion", "does not hold"),
    "unclear": NC_("criterion", "nobody can tell"),
}
_STYLE = """
.partly { border-color: #c77700 } .sum { font-size: 1.6rem; font-weight: 600; margin: .3rem 0 1rem }
h2 .points { float: right } ul { margin: .2rem 0; padding-left: 1.2rem } ul ul { color: #555 }
p, li, td, h1, h2 { overflow-wrap: anywhere } .class th, .class td:not(:first-child) { white-space: nowrap }
thead { display: table-header-group } tr { break-inside: avoid }
table.class { border-collapse: collapse } .class td, .class th { border: 1px solid #999; padding: .25rem .5rem }
.class td { text-align: center } .class td:first-child, .class th { text-align: left }
td.passed { background: #d9f0dd } td.failed { background: #f6d5d2 } td.partly, td.unclear { background: #fbe8c8 }
@media (prefers-color-scheme: dark) { ul ul { color: #aaa } td.passed { background: #1d4427 }
  td.failed { background: #5a1f1b } td.partly, td.unclear { background: #5c430f } }
@media print { body { font-size: 12.5px } .small, ul ul { color: #333 } .sum { font-size: 1.5em }
  td.passed, td.failed, td.partly, td.unclear { background: none } }
"""
_LANDSCAPE = "@media print { @page { size: A4 landscape } }\n"
_UPRIGHT = 8  # questions that the table of a class has room for on upright paper


def student_page(graded: Graded, marks: Marks) -> str:
    """Return the page of one student: each question, its points, and what was looked at and found. Only his own."""
    title = _("{name}: {topology}").format(name=graded.name, topology=graded.topology)
    parts = [f'<p class="sum">{for_html(sum_of(marks))}</p>']
    parts += [f'<p class="small">{for_html(line)}</p>' for line in _head(graded)]
    parts += [part for number_, judged in enumerate(marks.judged, start=1) for part in _question(number_, judged)]
    return page(title, parts)


def class_page(graded: Sequence[tuple[Graded, Marks]]) -> str:
    """Return the page of a class: who got what for which question, and where most failed."""
    questions = list(dict.fromkeys(each.shown.question for _graded, marks in graded for each in marks.judged))
    title = _("{topology}: {count} graded").format(topology=graded[0][0].topology, count=len(graded))
    heads = [C_("column", "COPY"), *questions, C_("column", "SUM")]
    rows = []
    for each, marks in graded:
        by_name = {judged.shown.question: judged for judged in marks.judged}
        cells = [f"<td>{for_html(each.name)}"]
        cells += [_cell(by_name[name]) if name in by_name else "<td>" for name in questions]
        rows.append("".join([*cells, f"<td><strong>{for_html(span(marks.least, marks.most))}</strong>"]))
    failing = [_("did not pass")]
    for name in questions:
        lost = sum(j.value != "passed" for _g, marks in graded for j in marks.judged if j.shown.question == name)
        failing.append(str(lost))
    rows.append("".join(f"<td>{for_html(text)}" for text in (*failing, "")))
    named = {sign: C_("question", VALUES[value]) for value, sign in SIGNS.items()}
    signs = ", ".join(f"{sign} {name}" for sign, name in named.items())
    head = "".join(f"<th>{for_html(text)}" for text in heads)  # stands on each sheet of paper again
    body = "".join(f"<tr>{row}" for row in rows)
    table = f'<table class="class"><thead><tr>{head}</thead><tbody>{body}</tbody></table>'
    style = _LANDSCAPE if len(questions) > _UPRIGHT else ""
    return page(title, [table, f'<p class="small">{for_html(signs)}</p>'], style)


def _cell(judged: Judged) -> str:
    points = span(judged.least, judged.most)
    return f'<td class="{judged.value}">{SIGNS[judged.value]} {for_html(points)}'


def page(title: str, parts: Sequence[str], style: str = "") -> str:
    """Return a page that stands alone and prints on A4, of parts that are HTML already."""
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{spoken()}"><head><meta charset="utf-8"><title>{for_html(title)}</title>\n'
        f"<style>{STYLE}{_STYLE}{style}</style></head>\n<body><h1>{for_html(title)}</h1>\n{body}\n</body></html>\n"
    )


def _head(graded: Graded) -> Iterator[str]:
    if graded.snapshot:
        state = _("snapshot {snapshot}").format(snapshot=f"{graded.snapshot} ({graded.snapshot_digest})")
    else:
        state = _("after a reboot") if graded.rebooted else _("as it was")
    text = _("graded {when}, {state}; topology {digest}, scheme {scheme}, vboxlab {version}, {driver}")
    yield text.format(
        when=_when(graded.graded_at), state=state, digest=graded.digest, scheme=graded.scheme, version=graded.vboxlab,
        driver=graded.driver,
    )  # fmt: skip
    if graded.trouble:
        yield _("could not be looked at: {why}").format(why=graded.trouble)
    for line in graded.lost:
        yield _("did not survive the reboot: {what}").format(what=line)


def _when(written: str) -> str:
    """Return a time of a record as people write it; what is none stays."""
    try:
        return f"{datetime.fromisoformat(written).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return written


def _question(place: int, judged: Judged) -> Iterator[str]:
    points = _("{points} of {total}").format(
        points=span(judged.least, judged.most), total=number(judged.shown.points)
    )  # fmt: skip
    value = C_("question", VALUES[judged.value])
    yield (
        f'<section class="{judged.value}"><h2><span class="points">{for_html(points)}</span>'
        f"{place}. {for_html(title_of(judged))} ({for_html(value)})</h2>"
    )
    if judged.change is not None:
        text = _("changed by the teacher on {when}: {reason}")
        told = text.format(when=_when(judged.change.at), reason=judged.change.reason)
        yield f"<p><strong>{for_html(told)}</strong></p>"
    elif judged.because:
        yield f"<p>{for_html(judged.because)}</p>"
    if hints := hints_of(judged):
        yield f"<p>{for_html(hints)}</p>"
    yield "<ul>" + "".join(map(_criterion, judged.shown.criteria)) + "</ul></section>"


def _criterion(criterion: Criterion) -> str:
    said = _("{subject}: {text}").format(subject=criterion.title, text=C_("criterion", _CRITERIA[criterion.value]))
    found = "".join(f"<li>{for_html(line)}" for line in criterion.found)
    return f"<li>{for_html(said)}" + (f"<ul>{found}</ul>" if found else "")
