"""What a topology starts from: the topologies that must make a snapshot set before it, and whether they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.settings import Settings
from vboxlab.topology.catalog import find_snapshot_set, find_topology
from vboxlab.topology.loader import load_snapshot_set, load_topology


def made_first(path: Path, settings: Settings) -> Callable[[str], tuple[str, ...]]:
    """Return what says of a snapshot set which topologies are brought up before the file's topology can start from it.

    Nearest first, by the names that `up` finds them by. When they go round in a circle, the last name is one that came
    before (the file's own, or another's). What cannot be read ends them: its problems are its own.
    """

    def of(snapshot_set: str) -> tuple[str, ...]:
        names = [path.stem]
        file = path
        wanted: str | None = snapshot_set
        while wanted is not None and names[-1] not in names[:-1]:
            try:
                maker = load_snapshot_set(find_snapshot_set(wanted, settings, near=file)).topology
                if maker == names[-1]:  # it makes the set itself, on its way
                    break
                names.append(maker)
                file = find_topology(maker, settings)
                wanted = load_topology(file).start_from
            except (TopologyInvalid, UsageError):
                break
        return tuple(names[1:])

    return of
