"""The time axis of a picture in SVG: where moments stand, and its ticks. Pure; times are seconds."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.lazily import dataclass

WIDTH = 920
PACES = (0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)


@dataclass(frozen=True)
class TimeAxis:
    """The time from a moment to another one, between the margins of a picture."""

    begin: float
    end: float
    left: int
    right: int

    def x(self, moment: float) -> float:
        """Return where a moment stands; one outside stands at the end that it is beyond."""
        share = (moment - self.begin) / max(self.end - self.begin, 1e-9)
        return round(self.left + min(max(share, 0.0), 1.0) * (WIDTH - self.left - self.right), 1)

    def drawn(self, floor: float, *, zero: float = 0.0, most: int = 12, finest: float = 1) -> Iterator[str]:
        """Yield the line and at most so many ticks, counted from `zero`, each a nice number of at least `finest`."""
        yield f'<line class="axis" x1="{self.left}" x2="{WIDTH - self.right}" y1="{floor}" y2="{floor}"/>'
        paces = (pace for pace in PACES if pace >= finest)
        pace = next((pace for pace in paces if (self.end - self.begin) / pace <= most), 600)
        number = -int((zero - self.begin) // pace)
        while zero + number * pace <= self.end:
            if zero + number * pace >= self.begin:
                x = self.x(zero + number * pace)
                yield f'<line class="axis" x1="{x}" x2="{x}" y1="{floor}" y2="{floor + 4}"/>'
                yield f'<text x="{x}" y="{floor + 17}" text-anchor="middle">{number * pace + 0.0:g} s</text>'
            number += 1
