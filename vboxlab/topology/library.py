"""The files of a verb: each topology and snapshot set is found and read once, however often it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.settings import Settings
from vboxlab.topology.catalog import FoundParts, find_snapshot_set, find_topology
from vboxlab.topology.loader import NO_VALUES, NOTHING_KNOWN, Beside, snapshot_set_of, topology_of
from vboxlab.topology.model import SnapshotSet, Topology
from vboxlab.topology.parts import PartFiles
from vboxlab.topology.source import Source, read_source
from vboxlab.topology.subject import Known
from vboxlab.topology.templates import FoundTemplates
from vboxlab.topology.vocabulary import Vocabulary, vocabulary_beside

K = TypeVar("K")


class Library:
    """The topologies and snapshot sets that can be named, as they were when they were first asked for.

    Threads may share it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._topologies: dict[str, Path | UsageError] = {}
        self._sets: dict[tuple[str, Path | None], Path | UsageError] = {}
        self._read: dict[Path, Source | TopologyInvalid | UsageError] = {}
        self._words: dict[Path, Vocabulary] = {}

    def find_topology(self, name: str) -> Path:
        """Return the file of a topology named by name or path. Raises UsageError as the catalog does."""
        return self._found(self._topologies, name, lambda: find_topology(name, self._settings))

    def find_snapshot_set(self, name: str, near: Path | None = None) -> Path:
        """Return the file of a snapshot set; `near` is the file of the topology that names it. Raises UsageError."""
        return self._found(self._sets, (name, near), lambda: find_snapshot_set(name, self._settings, near))

    def _found(self, known: dict[K, Path | UsageError], key: K, find: Callable[[], Path]) -> Path:
        with self._lock:
            if key not in known:
                try:
                    known[key] = find()
                except UsageError as error:
                    known[key] = error
            found = known[key]
        if isinstance(found, UsageError):
            raise found
        return found

    def source(self, path: Path) -> Source:
        """Return what a file holds. Raises UsageError when it cannot be read, TopologyInvalid when it is not YAML."""
        key = path.resolve()
        with self._lock:
            if key not in self._read:
                try:
                    self._read[key] = read_source(path)
                except (TopologyInvalid, UsageError) as error:
                    self._read[key] = error
            found = self._read[key]
        if not isinstance(found, Source):
            raise found
        return found if found.file == str(path) else replace(found, file=str(path))

    def topology(
        self,
        path: Path,
        values: Mapping[str, str] = NO_VALUES,
        *,
        known: Known = NOTHING_KNOWN,
        for_copy: bool = False,
    ) -> Topology:
        """Make a topology of a file, with its parameters' default values or those given. Raises as load_topology."""
        beside = self.beside(path)
        return topology_of(self.source(path), values, path.stem, known, for_copy=for_copy, beside=beside)

    def beside(self, topology: Path) -> Beside:
        """Return what the topology of a file may name. Raises RoleUnusable where no role is."""
        return Beside(self.parts(topology), FoundTemplates(topology), self.vocabulary(topology))

    def vocabulary(self, topology: Path) -> Vocabulary:
        """Return the roles and checks that the topology of a file may use. Raises RoleUnusable where no role is."""
        folder = topology.parent
        with self._lock:
            found = self._words.get(folder)
        if found is None:
            found = vocabulary_beside(folder, self._settings.home)
            with self._lock:
                found = self._words.setdefault(folder, found)
        return found

    def parts(self, topology: Path) -> PartFiles:
        """Return the parts that the topology of a file can name."""
        return FoundParts(topology, self._settings, self.source)

    def snapshot_set(self, path: Path) -> SnapshotSet:
        """Make a snapshot set of a file. Raises as load_snapshot_set."""
        return snapshot_set_of(self.source(path), path.stem)
