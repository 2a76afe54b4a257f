"""A drawing as a picture in SVG that stands alone: no network, no other program, no script."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.harmless import for_svg
from vboxlab.lab.graphs.colours import STATES, network_colours
from vboxlab.lab.graphs.drawing import Drawing, DrawnNetwork
from vboxlab.lab.graphs.layout import (
    BAR,
    LEGEND_HEIGHT,
    LINE,
    MARGIN,
    PADDING,
    Bar,
    Box,
    Cable,
    lay_out,
    small_lines,
)
from vboxlab.language import C_

MUTED = "#5b6b80"
_STYLE = """\
text { font-family: "Segoe UI", "Helvetica Neue", Helvetica, Arial, "DejaVu Sans", sans-serif; font-size: 12px; }
.title { font-size: 18px; font-weight: 600; fill: #1f2a3a; }
.name { font-size: 14px; font-weight: 600; }
.mono { font-family: Consolas, Menlo, "DejaVu Sans Mono", monospace; font-size: 11px; }
.small { font-size: 11px; }"""


Attribute = str | float


def render_svg(drawing: Drawing) -> str:
    """Return the drawing as an SVG document."""
    layout = lay_out(drawing)
    colours = network_colours([network.name for network in drawing.networks])
    networks = {network.name: network for network in drawing.networks}
    width, height = f"{layout.width:.0f}", f"{layout.height:.0f}"
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{for_svg(drawing.title)}</title>",
        f"<style>{_STYLE}</style>",
        _element("rect", width=width, height=height, rx=12, fill="#ffffff"),
        _element("text", drawing.title, class_="title", x=MARGIN, y=MARGIN + 10),
    ]
    for bar in layout.bars:
        lines += _bar(bar, networks[bar.network], colours[bar.network])
    for cable in layout.cables:
        lines += _cable(cable, colours[cable.link.network])
    for box in layout.boxes:
        lines += _box(box, colours)
    if drawing.observed:
        lines += _legend(layout.height)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _element(tag: str, content: str | None = None, /, **attributes: Attribute | None) -> str:
    """Return an element; `_` in an attribute's name stands for `-`, None leaves the attribute out."""
    parts = [tag]
    for name, value in attributes.items():
        if value is not None:
            shown = value if isinstance(value, str) else f"{round(value, 1):g}"
            parts.append(f'{name.rstrip("_").replace("_", "-")}="{for_svg(shown)}"')
    return f"<{' '.join(parts)}/>" if content is None else f"<{' '.join(parts)}>{for_svg(content)}</{tag}>"


def _bar(bar: Bar, network: DrawnNetwork, colour: str) -> list[str]:
    x, middle = bar.x - 12, bar.y + BAR / 2
    lines = [
        _element("rect", x=bar.x, y=bar.y, width=bar.width, height=BAR, rx=BAR / 2, fill=colour),
        _element("text", network.name, class_="name", x=x, y=middle, text_anchor="end", fill=colour),
    ]
    for number, label in enumerate((network.label, *network.shared), 1):
        y = middle + number * 15
        lines.append(_element("text", label, class_="small", x=x, y=y, text_anchor="end", fill=MUTED))
    return lines


def _cable(cable: Cable, colour: str) -> list[str]:
    dashes = None if cable.link.cable else "4 5"
    ends = {"x1": cable.x, "y1": cable.y_box, "x2": cable.x, "y2": cable.y_bar}
    lines = [_element("line", **ends, stroke=colour, stroke_width=2.5, stroke_dasharray=dashes)]
    if cable.link.cable:
        y = cable.y_bar + (BAR / 2 if cable.y_bar > cable.y_box else -BAR / 2)
        lines.append(_element("circle", cx=cable.x, cy=y, r=6.5, fill=colour, stroke="#ffffff", stroke_width=2))
    return lines


def _box(box: Box, colours: Mapping[str, str]) -> list[str]:
    machine, look = box.machine, STATES[box.machine.state]
    left, y = box.x + PADDING, box.y + PADDING + 11
    place = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "rx": 9}
    dashes = "6 4" if look.dashed else None
    lines = [
        _element("rect", **place, fill=look.fill, stroke=look.stroke, stroke_width=2, stroke_dasharray=dashes),
        _element("text", machine.name, class_="name", x=left, y=y, fill=look.text),
    ]
    if machine.state != "unknown":
        lines.append(_element("circle", cx=box.x + box.width - PADDING - 4, cy=y - 5, r=5, fill=look.stroke))
    y += LINE
    lines.append(_element("text", machine.hostname, class_="small", x=left, y=y, fill=look.text))
    for link in machine.links:
        y += LINE
        lines.append(_element("rect", x=left, y=y - 9, width=10, height=10, rx=2.5, fill=colours[link.network]))
        lines.append(_element("text", link.label, class_="mono", x=left + 18, y=y, fill=look.text))
    for text in small_lines(machine):
        y += LINE
        lines.append(_element("text", text, class_="small", x=left, y=y, fill=look.text))
    return lines


def _legend(height: float) -> list[str]:
    x, y = float(MARGIN), height - LEGEND_HEIGHT + 8
    lines = []
    for state, look in STATES.items():
        if state == "unknown":
            continue
        dashes = "3 2" if look.dashed else None
        place = {"x": x, "y": y - 10, "width": 18, "height": 12, "rx": 3}
        lines.append(_element("rect", **place, fill=look.fill, stroke=look.stroke, stroke_dasharray=dashes))
        lines.append(_element("text", C_("machine", look.word), class_="small", x=x + 24, y=y, fill=MUTED))
        x += 96
    return lines
