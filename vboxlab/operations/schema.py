"""`schema`: the JSON Schema of topology files."""

from __future__ import annotations

from typing import Any

from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.settings import load_settings
from vboxlab.topology.library import Library
from vboxlab.topology.schema import topology_schema


@dataclass(frozen=True)
class SchemaRequest:
    """The topology whose folder may have roles and checks of its own; None: what is installed."""

    topology: str | None = None


def schema(request: SchemaRequest, door: Door) -> dict[str, Any]:
    """Return the JSON Schema of topology files, by which editors complete and check them.

    What is beside the topology and not trusted is left out, with a remark. Raises UsageError where there is no such
    topology.
    """
    if request.topology is None:
        return topology_schema()
    library = Library(load_settings())
    path = library.find_topology(request.topology)
    words = library.vocabulary(path)
    for each in words.untrusted:
        door.remark(each.sentence(str(path)))
    return topology_schema(words)
