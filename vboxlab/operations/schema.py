"""`schema`: the JSON Schema of topology files."""

from __future__ import annotations

from typing import Any

from vboxlab.topology.schema import topology_schema


def schema() -> dict[str, Any]:
    """Return the JSON Schema of topology files, by which editors complete and check them."""
    return topology_schema()
