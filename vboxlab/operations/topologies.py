"""`list`: the topologies that can be named."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.lazily import dataclass
from vboxlab.settings import load_settings
from vboxlab.topology import catalog
from vboxlab.topology.catalog import TopologyEntry
from vboxlab.topology.code_folder import read_code
from vboxlab.topology.trust import untrusted_in


@dataclass(frozen=True)
class Listed:
    """The topologies that can be brought up, and by name what is beside some that nobody has agreed to run."""

    entries: tuple[TopologyEntry, ...]
    untrusted: Mapping[str, tuple[str, ...]]


def list_topologies() -> Listed:
    """Return the topologies that can be brought up: the project's, the user's, and those that come with vboxlab.

    Nothing of the folders beside them is run.
    """
    settings = load_settings()
    entries = catalog.list_topologies(settings)
    codes = {folder: read_code(folder) for folder in dict.fromkeys(entry.path.parent for entry in entries)}
    untrusted = {entry.name: untrusted_in(codes[entry.path.parent], settings.home) for entry in entries}
    told = {name: tuple(each.sentence(name) for each in found) for name, found in untrusted.items() if found}
    return Listed(tuple(entries), told)
