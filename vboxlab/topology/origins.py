"""What a topology starts from: the topologies that must make a snapshot set before it, and whether they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.topology.library import Library


def made_first(path: Path, library: Library) -> Callable[[str], tuple[str, ...]]:
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
                maker = library.snapshot_set(library.find_snapshot_set(wanted, near=file)).topology
                if maker == names[-1]:  # it makes the set itself, on its way
                    break
                names.append(maker)
                file = library.find_topology(maker)
                wanted = library.topology(file).start_from
            except (TopologyInvalid, UsageError):
                break
        return tuple(names[1:])

    return of
