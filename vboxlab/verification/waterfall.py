"""A take-over as a picture: one bar a step, from the step before it, in seconds since the cause. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.harmless import for_svg
from vboxlab.language import _
from vboxlab.verification.axes import WIDTH, TimeAxis
from vboxlab.verification.report import StepReport

LEFT, RIGHT, TOP, ROW, FOOT = 190, 70, 6, 20, 24
FALLS = """
.falls .took { fill: #1f6fb2; opacity: .85 } .falls .doubt { stroke: #c77700; stroke-width: 2 }
"""


def took(step: StepReport) -> Iterator[tuple[str, float, float]]:
    """Yield each step of a take-over, when it had come about, and how long after the step before it, at most."""
    before = 0.0
    for stage in step.stages:
        yield _(stage.name), stage.moment.high, max(0.0, stage.moment.high - before)
        before = max(before, stage.moment.high)


def told_in_words(step: StepReport) -> str:
    """Return the steps in a line: each with the seconds since the one before it."""
    return ", ".join(f"{name} +{seconds:.1f} s" for name, _moment, seconds in took(step))


def waterfall(step: StepReport) -> str:
    """Return the steps of a take-over as an SVG element, "" where none was told of."""
    if not step.stages:
        return ""
    time = TimeAxis(0.0, max(stage.moment.high for stage in step.stages), LEFT, RIGHT)
    height = TOP + ROW * len(step.stages) + FOOT
    title = _("the take-over, step by step")
    parts = [
        f'<svg class="picture falls" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{for_svg(title)}</title><desc>{for_svg(told_in_words(step))}</desc>",
    ]
    for row, ((name, moment, seconds), stage) in enumerate(zip(took(step), step.stages, strict=True)):
        y = TOP + ROW * row
        left, right = time.x(moment - seconds), time.x(moment)
        parts.append(f'<text x="{LEFT - 6}" y="{y + 14}" text-anchor="end">{for_svg(name)}</text>')
        parts.append(f'<rect class="took" x="{left}" y="{y + 4}" width="{max(right - left, 1):g}" height="12"/>')
        low = time.x(stage.moment.low)
        if right - low >= 2:
            parts.append(f'<line class="doubt" x1="{low}" x2="{right}" y1="{y + 10}" y2="{y + 10}"/>')
        parts.append(f'<text x="{right + 5}" y="{y + 14}">+{seconds:.2f} s</text>')
    return "\n".join([*parts, *time.drawn(height - FOOT, finest=0.2), "</svg>"])
