"""The looks of machine states and networks, the same in all formats."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.lab.graphs.drawing import State
from vboxlab.language import NC_
from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class Look:
    """How a machine in some state is drawn, and what that state is called."""

    word: str
    fill: str
    stroke: str
    text: str
    dashed: bool = False


STATES: Mapping[State, Look] = {
    "unknown": Look(NC_("machine", "unknown"), "#ffffff", "#5b6b80", "#1f2a3a"),
    "running": Look(NC_("machine", "running"), "#e3f6e5", "#2e8b45", "#173d20"),
    "off": Look(NC_("machine", "off"), "#eceef1", "#8a94a3", "#4a5361"),
    "drift": Look(NC_("machine", "drift"), "#fff0dc", "#d9822b", "#6b3a08"),
    "absent": Look(NC_("machine", "absent"), "#fafbfc", "#a6aebb", "#6b7585", dashed=True),
}

NETWORKS = ("#4a6fa5", "#b0578d", "#2f8f83", "#a8741a", "#6b5bb5", "#a84b3f", "#4d7d2d", "#5f6b7a")


def network_colours(names: list[str]) -> dict[str, str]:
    """Return a colour for each network, in order; they repeat after the eighth."""
    return {name: NETWORKS[number % len(NETWORKS)] for number, name in enumerate(names)}
