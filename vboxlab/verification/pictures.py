"""A measure as a picture: what a client saw over time, in SVG that stands in a page. Pure; times are seconds.

Above, each request: when it was begun, how long its answer took and who gave it; what was lost stands at the top.
Below, what was lost second by second, and from when to when the service was gone. Colours are the page's own (classes),
so that the picture follows light, dark and print; no meaning is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vboxlab.harmless import for_svg
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.verification.axes import WIDTH, TimeAxis
from vboxlab.verification.report import StepReport
from vboxlab.verification.samples import UNKNOWN

LEFT, RIGHT = 64, 12
TOP, PLOT, BAND, BARS, FOOT = 26, 150, 26, 46, 24
HEIGHT = TOP + BAND + PLOT + 14 + BARS + FOOT
SHAPES = ("circle", "square", "diamond", "triangle")
PICTURE = """
.picture { width: 100%; height: auto; display: block; margin: .6rem 0; break-inside: avoid }
.picture text { font: 11px system-ui, sans-serif; fill: currentColor }
.picture .axis { stroke: currentColor; stroke-width: 1; opacity: .55 }
.picture .grid { stroke: currentColor; opacity: .12 }
.picture .gone { fill: #b3261e; opacity: .12 } .picture .lost { stroke: #b3261e; stroke-width: 2 }
.picture .bar { fill: #b3261e; opacity: .75 } .picture .asked { fill: currentColor; opacity: .18 }
.picture .cause { stroke: #b3261e; stroke-width: 1.5; stroke-dasharray: 4 3 }
.picture .told { stroke: #c77700; stroke-width: 1.5; stroke-dasharray: 2 3 }
.picture .by0 { fill: #1f6fb2 } .picture .by1 { fill: #2a7d3b }
.picture .by2 { fill: #8a4fa3 } .picture .by3 { fill: #777 }
"""


@dataclass(frozen=True)
class Scale:
    """Where moments and durations stand in the picture."""

    begin: float
    end: float
    longest: float

    @property
    def time(self) -> TimeAxis:
        """Return its time axis."""
        return TimeAxis(self.begin, self.end, LEFT, RIGHT)

    def x(self, moment: float) -> float:
        """Return where a moment stands."""
        return self.time.x(moment)

    def y(self, seconds: float) -> float:
        """Return where the duration of an answer stands."""
        share = min(seconds / self.longest, 1.0)
        return round(TOP + BAND + PLOT * (1 - share), 1)


def picture(step: StepReport) -> str:
    """Return a measure as an SVG element with title and description, "" where nothing was asked."""
    if not step.samples:
        return ""
    begin = min(sample.start for sample in step.samples)
    end = max(sample.start for sample in step.samples)
    longest = max((s.duration for s in step.samples if s.good), default=0.1)
    scale = Scale(begin, end, _rounded_up(1.1 * longest))
    parts = [
        f'<svg class="picture" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{for_svg(step.title)}</title><desc>{for_svg(step.message)}</desc>",
        *_gone(step, scale),
        *_axes(scale, step),
        *_requests(step, scale),
        *_loss(step, scale),
        *_moments(step, scale),
        "</svg>",
    ]
    return "\n".join(parts)


def _rounded_up(seconds: float) -> float:
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0):
        if seconds <= step:
            return step
    return seconds


def _gone(step: StepReport, scale: Scale) -> Iterator[str]:
    """Yield the shade over the time in which the service was gone."""
    span = step.moments.get("gone")
    if span is not None:
        left, right = scale.x(scale.begin + span.low), scale.x(scale.begin + span.high)
        height = BAND + PLOT + 14 + BARS
        yield f'<rect class="gone" x="{left}" y="{TOP}" width="{max(right - left, 1):g}" height="{height}"/>'


def _zero(step: StepReport, scale: Scale) -> float:
    """Return the moment from which seconds are counted: the cause, on the clock of the requests."""
    return scale.begin + step.moments["cause"].low if "cause" in step.moments else scale.begin


def _axes(scale: Scale, step: StepReport) -> Iterator[str]:
    bottom, floor = TOP + BAND + PLOT, TOP + BAND + PLOT + 14 + BARS
    for share in (0.0, 0.5, 1.0):
        y = scale.y(share * scale.longest)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{share * scale.longest * 1000:g} ms</text>'
    yield from scale.time.drawn(floor, zero=_zero(step, scale), most=14)
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    lost, each_second = _("lost"), _("lost / s")
    yield f'<text x="{LEFT - 6}" y="{TOP + 13}" text-anchor="end">{for_svg(lost)}</text>'
    yield f'<text x="{LEFT - 6}" y="{floor - BARS / 2 + 4}" text-anchor="end">{for_svg(each_second)}</text>'


def _requests(step: StepReport, scale: Scale) -> Iterator[str]:
    servers = [m for m in dict.fromkeys(step.served) if m not in ("", UNKNOWN)]
    order: Mapping[str, int] = {machine: min(number, 2) for number, machine in enumerate(servers)}
    for sample, machine in zip(step.samples, step.served, strict=True):
        x = scale.x(sample.start)
        if sample.good:
            yield _mark(order.get(machine, 3), x, scale.y(sample.duration))
        else:
            yield f'<line class="lost" x1="{x}" x2="{x}" y1="{TOP + 2}" y2="{TOP + BAND - 8}"/>'
    x = float(LEFT)
    for machine in [*servers, *([UNKNOWN] if UNKNOWN in _good_by(step) else [])]:
        name = _("unknown page") if machine == UNKNOWN else machine
        yield _mark(order.get(machine, 3), x + 5, 12)
        yield f'<text x="{x + 14}" y="16">{for_svg(name)}</text>'
        x += 34 + 7 * len(name)


def _good_by(step: StepReport) -> set[str]:
    return {machine for sample, machine in zip(step.samples, step.served, strict=True) if sample.good}


def _mark(number: int, x: float, y: float) -> str:
    match SHAPES[number]:
        case "circle":
            return f'<circle class="by{number}" cx="{x}" cy="{y}" r="2.6"/>'
        case "square":
            return f'<rect class="by{number}" x="{x - 2.4:g}" y="{y - 2.4:g}" width="4.8" height="4.8"/>'
        case "diamond":
            return f'<path class="by{number}" d="M{x} {y - 3.4:g}l3.4 3.4l-3.4 3.4l-3.4 -3.4z"/>'
        case _:
            return f'<path class="by{number}" d="M{x} {y - 3.2:g}l3.2 5.6h-6.4z"/>'


def _loss(step: StepReport, scale: Scale) -> Iterator[str]:
    floor = TOP + BAND + PLOT + 14 + BARS
    zero = _zero(step, scale)
    most = max((one.asked for one in step.loss), default=1)
    for one in step.loss:
        left, right = scale.x(zero + one.second), scale.x(zero + one.second + 1)
        width = max(right - left - 1, 0.5)
        for name, count in (("asked", one.asked), ("bar", one.lost)):
            if count:
                height = BARS * count / most
                yield (
                    f'<rect class="{name}" x="{left}" y="{floor - height:.1f}" width="{width:.1f}" '
                    f'height="{height:.1f}"/>'
                )


def _moments(step: StepReport, scale: Scale) -> Iterator[str]:
    """Yield lines at the cause, at the word of the peer, and at the first answer of the successor."""
    floor = TOP + BAND + PLOT + 14 + BARS
    told = (("cause", "cause", _("cause")), ("dead", "told", _("said to be dead")))
    for row, (key, kind, words) in enumerate(told):
        if key in step.moments:
            x = scale.x(scale.begin + step.moments[key].high)
            side, shift = ("end", -4) if x > WIDTH * 0.8 else ("start", 4)
            yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{TOP}" y2="{floor}"/>'
            y = TOP + BAND + 12 + 14 * row
            yield f'<text x="{x + shift}" y="{y}" text-anchor="{side}">{for_svg(words)}</text>'
