"""What all parts of the driver work on together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from vboxlab.errors import MachineConflict, MachineNotFound
from vboxlab.hypervisor.qemu.client import Monitors
from vboxlab.hypervisor.qemu.definition import Definition, Definitions, DefinitionUnreadable
from vboxlab.hypervisor.qemu.images import ImageStore, run_on_disk
from vboxlab.hypervisor.qemu.layout import CHANGE_LOCK, Layout, held
from vboxlab.hypervisor.qemu.looks import is_listening
from vboxlab.hypervisor.qemu.networks import Switches
from vboxlab.hypervisor.qemu.readiness import Readiness
from vboxlab.language import _
from vboxlab.lazily import dataclass

PID_FILE = "pid"
CONSOLE_FILE = "console.log"
ERRORS_FILE = "errors.log"


@dataclass(frozen=True)
class Workspace:
    """One home, with the stores and connections of it."""

    layout: Layout
    definitions: Definitions
    images: ImageStore
    switches: Switches
    monitors: Monitors
    readiness: Callable[[], Readiness]

    @classmethod
    def of(cls, home: Path, readiness: Callable[[Layout], Readiness]) -> Workspace:
        """Return the workspace of a home."""
        layout = Layout(home)
        return cls(
            layout, Definitions(layout), ImageStore(layout), Switches(layout), Monitors(), lambda: readiness(layout)
        )

    def owned(self, machine_id: str) -> Definition:
        """Return a machine that may be changed. Raises MachineNotFound, MachineConflict for one without our marks."""
        definition = self.definitions.load(machine_id)
        if definition.lab is None:
            raise MachineConflict(
                _("{machine} does not belong to a lab of vboxlab").format(machine=definition.name),
                resolution=_("vboxlab changes only its own"),
            )
        return definition

    @contextmanager
    def changing(self, machine_id: str) -> Iterator[None]:
        """Hold a machine's lock: its definition is read, changed and written under it, with the states on its disk.

        A lab's lock keeps two runs of one lab apart; `gc` looks after all labs' machines. Raises what Definitions.load
        raises.
        """
        self.definitions.load(machine_id)
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self._change_lock(machine_id)))
            except (FileNotFoundError, NotADirectoryError):
                self.definitions.load(machine_id)
                raise
            yield

    @contextmanager
    def idle(self, machine_id: str, *, only_look: bool) -> Iterator[Definition | None]:
        """Yield a machine that nobody works on, keeping its lock; None for one that somebody does, or that is gone.

        A machine that an older vboxlab made may have no lock yet: for one that is only looked at none is made.
        """
        lock = self._change_lock(machine_id)
        with ExitStack() as stack:
            definition = None
            with suppress(BlockingIOError, FileNotFoundError, MachineNotFound, DefinitionUnreadable):
                if lock.exists() or not only_look:
                    stack.enter_context(held(lock, wait=False))
                definition = self.definitions.load(machine_id)
            yield definition

    def _change_lock(self, machine_id: str) -> Path:
        return self.layout.machine(machine_id) / CHANGE_LOCK

    def is_running(self, machine_id: str) -> bool:
        """Tell whether a machine's process is there (running or paused)."""
        return is_listening(self.layout.status(machine_id))

    def pid_file(self, machine_id: str) -> Path:
        """Return the file that a machine's process keeps locked."""
        return self.layout.machine(machine_id) / PID_FILE

    def disks(self, definition: Definition) -> tuple[Path, ...]:
        """Return the files of a machine's disks besides the first, in order."""
        folder, lab = self.layout.machine(definition.id), definition.lab
        return tuple(
            self.layout.shared_disk(lab, disk.name) if disk.shared and lab is not None else folder / disk.file
            for disk in definition.hardware.disks
        )

    def settle(self, definition: Definition) -> Definition:
        """Finish what a killed call began: disks that it was making go, those of the snapshot to restore come back."""
        if not definition.making and definition.revert is None:
            return definition
        folder = self.layout.machine(definition.id)
        for file in definition.making:
            (folder / file).unlink(missing_ok=True)
        if definition.revert is not None:
            for file in definition.hardware.files:
                run_on_disk(folder / file, "snapshot", "-q", "-a", definition.revert)
        settled = replace(definition, revert=None, making=())
        self.definitions.save(settled)
        return settled
