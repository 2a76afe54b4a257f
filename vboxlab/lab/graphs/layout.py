"""Where everything stands in a picture: networks are horizontal bars, machines hang below the first of theirs. Pure.

Each machine stands in a column of its own as far down as its cables reach, so that no cable crosses a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from textwrap import wrap

from vboxlab.lab.graphs.drawing import Drawing, DrawnMachine, Link
from vboxlab.language import _
from vboxlab.lazily import dataclass

PERMUTED = 7  # networks up to which all orders are tried
WRAPPED = 36  # characters of a line below a machine's adapters
MARGIN, GAP, COLUMN_GAP, BAR = 28, 26, 34, 8
TITLE_HEIGHT, LEGEND_HEIGHT, LINE = 44, 34, 17
PADDING = 14
# Widths of a character in pixels at the font sizes used, on the large side: fonts differ between viewers.
NAME_CHARACTER, TEXT_CHARACTER, MONO_CHARACTER = 8.4, 6.5, 7.0


@dataclass(frozen=True)
class Box:
    """A machine's place, in pixels from the top left."""

    machine: DrawnMachine
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Bar:
    """A network's place: its label ends at `x`, its bar goes from there to the right edge."""

    network: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Cable:
    """A vertical line from a box to a bar."""

    link: Link
    x: float
    y_box: float
    y_bar: float


@dataclass(frozen=True)
class Layout:
    """Everything in its place."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    boxes: tuple[Box, ...]
    cables: tuple[Cable, ...]


def lay_out(drawing: Drawing) -> Layout:
    """Place everything of a drawing."""
    rows = {name: row for row, name in enumerate(network_order(drawing))}
    columns = _columns(drawing, rows)
    sizes = {machine.name: _size(machine) for machine in drawing.machines}
    gutter = MARGIN + max((_label_width(drawing, name) for name in rows), default=0) + 16
    lefts, right = _lefts(columns, sizes, gutter)
    tops, bottom = _tops(drawing, rows, sizes)
    bars = [Bar(name, gutter, tops[row], right - gutter) for name, row in rows.items()]
    boxes = []
    for machine in drawing.machines:
        width, height = sizes[machine.name]
        left, column_width = lefts[columns[machine.name]]
        y = tops[_first_row(machine, rows)] + BAR + GAP if rows else float(TITLE_HEIGHT + GAP)
        boxes.append(Box(machine, left + (column_width - width) / 2, y, width, height))
    cables = [cable for box in boxes for cable in _cables(box, rows, tops)]
    wide = max(right + MARGIN, MARGIN * 2 + len(drawing.title) * 9.5)
    legend = LEGEND_HEIGHT if drawing.observed else 0
    return Layout(wide, bottom + legend + MARGIN / 2, tuple(bars), tuple(boxes), tuple(cables))


def network_order(drawing: Drawing) -> tuple[str, ...]:
    """Return the networks top to bottom: in the order of the file, but those of one machine near each other."""
    names = [network.name for network in drawing.networks]
    if len(names) > PERMUTED:
        return tuple(names)
    used = [{link.network for link in machine.links} for machine in drawing.machines]

    def length(order: Sequence[str]) -> int:
        places = [[order.index(name) for name in networks] for networks in used if len(networks) > 1]
        return sum(max(rows) - min(rows) for rows in places)

    return min(permutations(names), key=length)  # the first of the best: permutations begin with the file's order


def _first_row(machine: DrawnMachine, rows: dict[str, int]) -> int:
    return min((rows[link.network] for link in machine.links), default=0)


def _columns(drawing: Drawing, rows: dict[str, int]) -> dict[str, int]:
    """Give each machine the first column in which it meets no other; those with long cables choose first."""
    reach = {}
    for machine in drawing.machines:
        used = [rows[link.network] for link in machine.links] or [0]
        reach[machine.name] = range(min(used), max(min(used) + 1, *used))
    taken: list[set[int]] = []
    columns = {}
    for name in sorted(reach, key=lambda name: -len(reach[name])):
        wanted = set(reach[name])
        column = next((number for number, used in enumerate(taken) if not used & wanted), len(taken))
        if column == len(taken):
            taken.append(set())
        taken[column] |= wanted
        columns[name] = column
    return columns


def _size(machine: DrawnMachine) -> tuple[float, float]:
    texts = [len(machine.hostname), *(len(line) for line in small_lines(machine))]
    width = max(
        len(machine.name) * NAME_CHARACTER + 24,
        max(texts) * TEXT_CHARACTER,
        max((len(link.label) * MONO_CHARACTER + 18 for link in machine.links), default=0),
        90,
    )
    rows = 2 + len(machine.links) + len(small_lines(machine))
    return width + 2 * PADDING, rows * LINE + PADDING * 1.6


def small_lines(machine: DrawnMachine) -> list[str]:
    """Return what stands below a machine's adapters, long lines wrapped."""
    adopted = _("adopted: {vm}").format(vm=machine.adopted) if machine.adopted else ""
    disks = [disk.label for disk in machine.disks]
    texts = (", ".join(machine.roles), *disks, machine.drive, adopted, machine.remark)
    return [line for text in texts for line in wrap(text, WRAPPED)]


def _label_width(drawing: Drawing, name: str) -> float:
    network = next(network for network in drawing.networks if network.name == name)
    small = max(len(text) for text in (network.label, *network.shared))
    return max(len(name) * NAME_CHARACTER, small * TEXT_CHARACTER)


def _lefts(
    columns: dict[str, int], sizes: dict[str, tuple[float, float]], gutter: float
) -> tuple[list[tuple[float, float]], float]:
    """Return left edge and width of each column, and the right edge of them all."""
    lefts, x = [], gutter + COLUMN_GAP / 2
    for column in range(max(columns.values(), default=-1) + 1):
        width = max(sizes[name][0] for name, number in columns.items() if number == column)
        lefts.append((x, width))
        x += width + COLUMN_GAP
    return lefts, x - COLUMN_GAP / 2


def _tops(drawing: Drawing, rows: dict[str, int], sizes: dict[str, tuple[float, float]]) -> tuple[list[float], float]:
    """Return the top of each network's bar, and the bottom of all."""
    tops, y = [], float(TITLE_HEIGHT + GAP)
    for row in range(len(rows)):
        tops.append(y)
        heights = [sizes[machine.name][1] for machine in drawing.machines if _first_row(machine, rows) == row]
        y += BAR + GAP + max(heights, default=12) + GAP
    if not rows:
        y += max((height for _width, height in sizes.values()), default=0)
    return tops, y


def _cables(box: Box, rows: dict[str, int], tops: list[float]) -> list[Cable]:
    first = _first_row(box.machine, rows)
    above = [link for link in box.machine.links if rows[link.network] == first]
    below = [link for link in box.machine.links if rows[link.network] != first]
    cables = []
    for links, y_box in ((above, box.y), (below, box.y + box.height)):
        step = box.width / (len(links) + 1)
        for place, link in enumerate(links, 1):
            y_bar = tops[rows[link.network]] + (BAR if links is above else 0)
            cables.append(Cable(link, box.x + step * place, y_box, y_bar))
    return cables
