"""The sheet that a student is given: what is there, and what is asked, never an answer. Pure.

It is made from what the topology tells students and from the wiring. What the student's own stages make is left out,
the roles and shared addresses in the picture too, but for addresses that the texts name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vboxlab.grading.pages import page
from vboxlab.grading.prose import inline, prose
from vboxlab.grading.words import number
from vboxlab.guest.wording import block, code
from vboxlab.harmless import for_html, for_line, for_terminal
from vboxlab.lab.graphs.drawing import Drawing, DrawnNetwork, drawing
from vboxlab.lab.graphs.mermaid import render_mermaid
from vboxlab.lab.graphs.svg import render_svg
from vboxlab.language import _, n_, spoken
from vboxlab.lazily import dataclass
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.exercise import Words, words_in
from vboxlab.topology.grading import Question
from vboxlab.topology.model import Adapter, Machine, Topology

_STYLE = """
svg { max-width: 100%; height: auto; border: 1px solid #ccc; border-radius: 8px; break-inside: avoid }
h2 { font-size: 1.25em; margin-top: 1.2rem; break-after: avoid } h3 { font-size: 1.05em; margin: 0; break-after: avoid }
h3 .points { float: right; font-weight: 400 } .question { border-left: none; padding: .3rem 0; margin: .5rem 0;
  border-top: 1px solid #bbb; break-inside: avoid } .whose { font-size: 1.1rem } .remark { color: #555 }
.addresses td, .addresses th { border: 1px solid #999; padding: .2rem .5rem } .addresses tr { break-inside: avoid }
@media (prefers-color-scheme: dark) { .remark { color: #aaa } }
@media print { svg { max-height: 190mm } .remark { color: #333 } }
"""
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


@dataclass(frozen=True)
class Sheet:
    """What a sheet says: its parts in their order, each in the words of the language spoken.

    `picture` is what was given; `columns` and `rows` are the table of addresses, with names and addresses as they are
    typed; `questions` are a title, points, text and a remark each.
    """

    title: str
    whose: str
    context: str
    work: str
    picture: Drawing
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    domain: str
    questions: tuple[tuple[str, str, str, str], ...]
    total: str


def sheet_of(topology: Topology, called: str, copy: str | None = None) -> Sheet:
    """Return the sheet of a topology that has an exercise or a scheme; `called` is how it is named to vboxlab."""
    asked = topology.grading.asked(topology.values) if topology.grading is not None else ()
    context = _text(topology.exercise.text) if topology.exercise is not None else ""
    told = "\n".join([context, *(_text(question.text) for question in asked)])
    return Sheet(
        title=for_line(topology.title or topology.name),
        whose=_("Sheet of {name}").format(name=for_line(copy)) if copy else "",
        context=context,
        work=_work(topology),
        picture=_given(topology, told),
        columns=(
            _("machine"),
            _("host name"),
            _("adapter"),
            _("network"),
            _("address"),
            _("gateway"),
            _("DNS server"),
        ),
        rows=tuple(row for machine in topology.machines.values() for row in _rows(machine)),
        domain=for_line(topology.domain or ""),
        questions=tuple(_question(place, each, called, copy) for place, each in enumerate(asked, start=1)),
        total=_("{points} in all").format(points=_points(sum(each.points for each in asked))) if asked else "",
    )


def sheet_markdown(sheet: Sheet) -> str:
    """Return a sheet as Markdown, with the picture as Mermaid."""
    addresses, questions = _("Addresses"), _("Questions")
    lines = [f"# {sheet.title}", ""]
    lines += [part for text in (sheet.whose, sheet.context, sheet.work) if text for part in (text, "")]
    lines += [*block(render_mermaid(sheet.picture), "mermaid"), "", f"## {addresses}", ""]
    lines += [f"| {' | '.join(sheet.columns)} |", f"|{'---|' * len(sheet.columns)}"]
    lines += [f"| {' | '.join(code(cell) if cell else '' for cell in row)} |" for row in sheet.rows]
    if sheet.domain:
        lines += ["", _("Domain: {domain}").format(domain=code(sheet.domain))]
    if sheet.questions:
        lines += ["", f"## {questions}", "", sheet.total]
    for title, points, text, remark in sheet.questions:
        lines += ["", f"### {title} ({points})"]
        lines += [part for each in (text, remark) if each for part in ("", each)]
    return "\n".join(lines) + "\n"


def sheet_html(sheet: Sheet) -> str:
    """Return a sheet as a page that stands alone and prints on A4, with the picture in it."""
    parts = [f'<p class="whose"><strong>{for_html(sheet.whose)}</strong></p>'] if sheet.whose else []
    parts += [prose(sheet.context), f"<p>{inline(sheet.work)}</p>" if sheet.work else "", render_svg(sheet.picture)]
    heads = "".join(f"<th>{for_html(head)}</th>" for head in sheet.columns)
    addresses, questions = _("Addresses"), _("Questions")
    parts.append(f"<h2>{for_html(addresses)}</h2>")
    parts.append(f'<table class="addresses"><thead><tr>{heads}</tr></thead><tbody>')
    parts += [f"<tr>{''.join(f'<td>{for_html(cell)}</td>' for cell in row)}</tr>" for row in sheet.rows]
    parts.append("</tbody></table>")
    if sheet.domain:
        domain = _("Domain: {domain}").format(domain=code(sheet.domain))
        parts.append(f"<p>{inline(domain)}</p>")
    if sheet.questions:
        parts += [f"<h2>{for_html(questions)}</h2>", f"<p>{for_html(sheet.total)}</p>"]
    for title, points, text, remark in sheet.questions:
        head = f'<h3><span class="points">{for_html(points)}</span>{inline(title)}</h3>'
        told = f'<p class="remark">{inline(remark)}</p>' if remark else ""
        parts.append(f'<section class="question">{head}{prose(text)}{told}</section>')
    return page(sheet.title, [part for part in parts if part], _STYLE)


def _text(words: Words) -> str:
    return for_terminal(words_in(words, spoken())).strip()


def _points(points: float) -> str:
    # 1.5 is many in English and one in French; 0 is that in both.
    count = 1 if points == 1 else 0 if points < 2 else 2
    return n_("{points} point", "{points} points", count).format(points=number(points))


def _work(topology: Topology) -> str:
    """Return in words which machines the student sets up, and which are ready."""
    if topology.exercise is None:
        return ""
    own = [machine.name for machine in topology.machines.values() if topology.left_undone(machine)]
    ready = [name for name in topology.machines if name not in own]
    parts = []
    if own:
        parts.append(_("You set up {machines}.").format(machines=", ".join(map(code, own))))
    if ready:
        parts.append(_("Ready already: {machines}.").format(machines=", ".join(map(code, ready))))
    return " ".join(parts)


def _given(topology: Topology, told: str) -> Drawing:
    """Return the picture of what is there before the student begins, with the shared addresses that texts name."""
    machines = {name: _without_work(topology, machine) for name, machine in topology.machines.items()}
    before = drawing(topology.model_copy(update={"machines": machines}))
    known = set(_ADDRESS.findall(told))
    whole = drawing(topology).networks
    networks = (_named(full, given, known) for full, given in zip(whole, before.networks, strict=True))
    return replace(before, title=_("Network"), networks=tuple(networks))


def _without_work(topology: Topology, machine: Machine) -> Machine:
    left = topology.left_undone(machine)
    return machine.model_copy(
        update={"stages": {name: () if name in left else roles for name, roles in machine.stages.items()}}
    )


def _named(full: DrawnNetwork, given: DrawnNetwork, known: set[str]) -> DrawnNetwork:
    shared = (each for each in full.shared if each in given.shared or known.intersection(_ADDRESS.findall(each)))
    return replace(full, shared=tuple(shared))


def _rows(machine: Machine) -> Iterator[tuple[str, ...]]:
    servers = ", ".join(map(str, machine.dns))
    for place, adapter in enumerate(sorted(machine.adapters, key=lambda each: each.slot)):
        first = (machine.name, machine.hostname) if place == 0 else ("", "")
        gateway = str(adapter.gateway) if adapter.gateway else ""
        cells = (*first, interface_name(adapter.slot), adapter.network, _address(adapter), gateway)
        yield tuple(for_line(cell) for cell in (*cells, servers if place == 0 else ""))


def _address(adapter: Adapter) -> str:
    if adapter.address is None:
        return ""
    return "DHCP" if adapter.address == "dhcp" else str(adapter.address)


def _question(place: int, question: Question, called: str, copy: str | None) -> tuple[str, str, str, str]:
    title = for_line(words_in(question.title, spoken()))
    remark = ""
    if question.hints:
        of_copy = f" --copy {copy}" if copy else ""
        command = code(f"vboxlab hint {called} {question.question}{of_copy}")
        text = n_("{command} gives a hint; it may cost points.", "{command} gives one of {count} hints; they may cost "
                  "points.", len(question.hints))  # fmt: skip
        free = n_("{command} gives a hint.", "{command} gives one of {count} hints.", len(question.hints))
        costs = any(hint.cost for hint in question.hints)
        remark = (text if costs else free).format(command=command, count=len(question.hints))
    return f"{place}. {title}", _points(question.points), _text(question.text), remark
