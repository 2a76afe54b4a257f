"""Invariants as a picture: what each machine had through a whole run, and what was done to the lab meanwhile. Pure.

One row a machine, in SVG that stands in a page (see vboxlab.verification.pictures). No meaning is told by colour alone:
having it is a high bar, not having it a thin line, off is empty, unknown is hatched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vboxlab.harmless import for_svg
from vboxlab.language import _
from vboxlab.verification.axes import WIDTH, TimeAxis
from vboxlab.verification.report import Bar, Mark, StepReport

LEFT, RIGHT, TOP, ROW, FOOT = 150, 12, 22, 22, 24
SHADES = """
.bars .holds { fill: #1f6fb2 } .bars .free { fill: currentColor; opacity: .35 } .bars .wrong { fill: #b3261e }
.bars .unknown { fill: none; stroke: #c77700; stroke-width: 1; stroke-dasharray: 3 2 }
.bars .window { fill: #b3261e; opacity: .16 }
"""
HEIGHTS: Mapping[str, int] = {"holds": 14, "free": 2, "wrong": 14, "unknown": 10}


def bars_picture(step: StepReport, windows: Sequence[Mark], seconds: float) -> str:
    """Return an invariant as an SVG element with title and description, "" where nothing was seen.

    `windows` are the faults with their begin and end, `seconds` how long the run was.
    """
    if not step.bars:
        return ""
    height = TOP + ROW * len(step.bars) + FOOT
    end = max([seconds, *(bar.end for bars in step.bars.values() for bar in bars)])
    time = TimeAxis(0.0, end, LEFT, RIGHT)
    parts = [
        f'<svg class="picture bars" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{for_svg(step.title)}</title><desc>{for_svg(step.message)}</desc>",
        *_windows(windows, time, height),
    ]
    for row, (name, bars) in enumerate(step.bars.items()):
        middle = TOP + ROW * row + ROW / 2
        parts.append(f'<text x="{LEFT - 6}" y="{middle + 4:g}" text-anchor="end">{for_svg(_short(name))}</text>')
        parts += _row(bars, middle, time)
    return "\n".join([*parts, *time.drawn(height - FOOT), "</svg>"])


def legend() -> str:
    """Return in words what the shapes mean."""
    return _("high: has it; thin line: has it not; empty: off; dashed: not known; shaded: a fault is in force")


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _row(bars: Sequence[Bar], middle: float, time: TimeAxis) -> Iterator[str]:
    for bar in bars:
        height = HEIGHTS.get(bar.state)
        if height is None:
            continue
        left, right = time.x(bar.begin), time.x(bar.end)
        text = _("{begin:.1f} to {end:.1f} s").format(begin=bar.begin, end=bar.end)
        yield (
            f'<rect class="{bar.state}" x="{left}" y="{middle - height / 2:g}" width="{max(right - left, 1):g}" '
            f'height="{height}"><title>{for_svg(text)}</title></rect>'
        )


def _windows(windows: Sequence[Mark], time: TimeAxis, height: int) -> Iterator[str]:
    for number, window in enumerate(windows):
        left, right = time.x(window.begin), time.x(window.end)
        side, at = ("end", right) if left > WIDTH * 0.7 else ("start", left)
        yield (
            f'<rect class="window" x="{left}" y="{TOP - 4}" width="{max(right - left, 1):g}" '
            f'height="{height - TOP - FOOT + 8}"><title>{for_svg(window.words)}</title></rect>'
        )
        if number == 0 or window.begin - windows[number - 1].begin > time.end / 5:
            yield f'<text x="{at}" y="{TOP - 9}" text-anchor="{side}">{for_svg(window.words)}</text>'
