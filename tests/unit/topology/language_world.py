"""A small topology whose text tests change, and what is said of it."""

from __future__ import annotations

import pytest

from vboxlab.errors import TopologyInvalid
from vboxlab.topology.loader import topology_of
from vboxlab.topology.model import Topology
from vboxlab.topology.source import parse_source


def made(text: str, **values: str) -> Topology:
    return topology_of(parse_source(text, "t.yaml"), values, "t")


def said(text: str, **values: str) -> list[str]:
    """Return the problems of a topology, without the name of its file."""
    with pytest.raises(TopologyInvalid) as caught:
        made(text, **values)
    return [detail.removeprefix("t.yaml:") for detail in caught.value.details]
