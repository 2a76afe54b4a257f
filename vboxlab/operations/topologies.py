"""`list`: the topologies that can be named."""

from __future__ import annotations

from vboxlab.settings import load_settings
from vboxlab.topology import catalog
from vboxlab.topology.catalog import TopologyEntry


def list_topologies() -> list[TopologyEntry]:
    """Return the topologies that can be brought up: the project's, the user's, and those that come with vboxlab."""
    return catalog.list_topologies(load_settings())
