"""Guests of the memory driver that have files: scripts run on this host, in a folder that goes with the machine.

What a guest's files hold is kept with the machine, so that its snapshots hold it and going back brings it back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tests.unit.guest.guest_root import GuestRoot, rooted
from tests.unit.lab_world import RecordedGuests
from vboxlab.base.model import Base
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.executor import Completed, Executor
from vboxlab.guest.place import Place
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.guest.resources import File, Resource
from vboxlab.hypervisor.memory_store import MemoryStore
from vboxlab.lab.directory import LabDirectory
from vboxlab.planning.observed import ObservedMachine
from vboxlab.topology.model import Topology

_ETC = re.compile(r"(?<![\w/])/(?=etc/|var/www/)")


def nothing(_machine: str, _script: str) -> None:
    """Let a script be run as it is."""


class GuestsWithFiles(RecordedGuests):
    """Guests of a topology, finished; `before` is called with each script before it is run."""

    def __init__(self, store: MemoryStore, topology: Topology, folder: Path) -> None:
        super().__init__(store)
        self.topology, self.folder = topology, folder
        self.before: Callable[[str, str], None] = nothing
        self.made: dict[str, GuestRoot] = {}
        self.whole: dict[str, str] = {}

    def files(self, machine: ObservedMachine) -> dict[str, tuple[int, str]]:
        """Return the rights and the text of each file that a guest has."""
        root = self._root(machine)
        return {path: (root.path(path).stat().st_mode & 0o777, root.text(path)) for path in _paths(root)}

    def configure(
        self,
        directory: LabDirectory,
        machine: ObservedMachine,
        base: Base,
        resources: Sequence[Resource],
        *,
        changes: bool,
        installed: tuple[str, ...],
        fresh: bool = False,
    ) -> StageReport:
        if changes:
            return super().configure(
                directory, machine, base, resources, changes=changes, installed=installed, fresh=fresh
            )
        self._reach(machine)
        root, wanted = self._root(machine), json.loads(self.whole[machine.machine])
        reasons = {
            path: "does not exist" if not root.path(path).exists() else "content differs"
            for path, (_mode, text) in wanted.items()
            if not root.path(path).exists() or root.text(path) != text
        }
        results = [
            ResourceResult(each.key, "would-change", reasons[each.path])
            for each in resources
            if isinstance(each, File) and each.path in reasons
        ]
        return StageReport(machine.machine, tuple(results))

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        def answer(script: str, stdin: bytes) -> Completed:
            self._reach(machine)
            self.before(machine.machine, script)
            self.scripts.append((machine.machine, script, True))
            root = self._root(machine)
            here = script if "end\tof facts" in script else _ETC.sub(f"{root.root}/", script)
            done = root.executor().run(here, stdin=stdin)
            self._keep(machine, root)
            return done

        return RecordingExecutor(machine.machine, [("", answer)])

    def _root(self, machine: ObservedMachine) -> GuestRoot:
        """Return the folder of a guest as the machine has it now."""
        name = machine.machine
        if name not in self.made:
            place = Place(self.topology, self.topology.machines[name], self.topology.last_stage)
            root = self.made[name] = rooted(self.folder / name, place)
            root.say("chown", "exit 0")
            root.say("hostname", f'printf "%s\\n" "$1" > {root.path("/proc/sys/kernel/hostname")}')
            self.whole[name] = _text(root)
        root = self.made[name]
        kept = json.loads(self._now(machine).marks.get("files", self.whole[name]))
        for path in _paths(root):
            if path not in kept:
                root.path(path).unlink()
        for path, (mode, text) in kept.items():
            root.write(path, text, mode)
        return root

    def _keep(self, machine: ObservedMachine, root: GuestRoot) -> None:
        with self.store.guard:
            now = self.store.machines[machine.handle]
            self.store.machines[machine.handle] = _marked(now, _text(root))


def _marked(machine: ObservedMachine, files: str) -> ObservedMachine:

    return replace(machine, marks={**machine.marks, "files": files})


def _paths(root: GuestRoot) -> list[str]:
    wanted = [each.path for each in root.resources if isinstance(each, File)]
    return [path for path in (*wanted, "/etc/hostname", "/proc/sys/kernel/hostname") if root.path(path).exists()]


def _text(root: GuestRoot) -> str:
    return json.dumps({path: (root.path(path).stat().st_mode & 0o777, root.text(path)) for path in _paths(root)})
