"""What a machine is, as kept in its machine.json: the truth about everything but whether it runs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vboxlab.errors import DriverError, MachineNotFound, host_error
from vboxlab.files import write_durably
from vboxlab.hypervisor.qemu.layout import Layout
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import MARK_COPY, MARK_LAB, AdapterState, DiskState, SnapshotState
from vboxlab.topology.addressing import LabName

ID_PATTERN = re.compile(r"[0-9a-f]{12}")
DEFINITION_FILE = "machine.json"
DISK_FILE = "disk.qcow2"
# Names of machines are ASCII (topology.addressing), and the second thing in a definition.
_NAME, _NAME_WITHIN = re.compile(rb'"name"\s*:\s*"([A-Za-z0-9._-]+)"'), 4096


@dataclass(frozen=True)
class Disk:
    """A disk besides the first: MiB, and its file in the machine's directory; of a shared one the lab has the file."""

    name: str
    size: int
    file: str = ""

    @property
    def shared(self) -> bool:
        """Tell whether other machines of the lab may have it at the same time."""
        return not self.file

    @property
    def state(self) -> DiskState:
        """Return it as it is reported."""
        return DiskState(self.name, self.size, self.shared)


@dataclass(frozen=True)
class Hardware:
    """What a snapshot brings back besides what is on the disks."""

    cpus: int
    memory: int
    adapters: tuple[AdapterState, ...]
    marks: Mapping[str, str]
    disks: tuple[Disk, ...] = ()
    dvd: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """Return the files in the machine's directory that snapshots of it hold, the first disk's last."""
        return (*(disk.file for disk in self.disks if not disk.shared), DISK_FILE)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot; `tag` is its name within the disk, which is never used twice: it is the snapshot's id.

    `parent`, like `current` of a definition, is a name: no two snapshots of a machine have the same.
    """

    name: str
    tag: str
    parent: str | None
    taken_at: str
    live: bool
    description: str
    hardware: Hardware


@dataclass(frozen=True)
class Definition:
    """A machine.

    `revert` is a promise: the disk must be brought back to that tag before anything else is done with it. It is
    written together with what a restored snapshot brings back, so that a restore that was killed is finished by
    whoever comes next. `saved` is the tag whose memory the next start resumes. `started` is another word for each
    start, and `untouched` says that the machine is off and was not started since it was at `current`: both are written
    before a process is. `making` are the files of disks that are being made and belong to it only once that is done.
    """

    id: str
    name: str
    image: str
    hardware: Hardware
    snapshots: tuple[Snapshot, ...] = ()
    current: str | None = None
    saved: str | None = None
    revert: str | None = None
    started: str = ""
    untouched: bool = False
    making: tuple[str, ...] = ()
    version: int = field(default=1)

    @property
    def lab(self) -> LabName | None:
        """Return the lab that owns the machine."""
        marks = self.hardware.marks
        return LabName(marks[MARK_LAB], marks.get(MARK_COPY) or None) if marks.get(MARK_LAB) else None

    def snapshot(self, name: str) -> Snapshot | None:
        """Return the snapshot of that name."""
        return next((snapshot for snapshot in self.snapshots if snapshot.name == name), None)

    def snapshot_states(self) -> tuple[SnapshotState, ...]:
        """Return the snapshots as they are reported."""
        return tuple(
            SnapshotState(s.name, self.snapshot_id(s.parent), s.taken_at, s.live, s.description, s.tag)
            for s in self.snapshots
        )

    def snapshot_id(self, name: str | None) -> str | None:
        """Return the id of the snapshot of that name, None when there is none."""
        return next((snapshot.tag for snapshot in self.snapshots if snapshot.name == name), None)

    def adapter(self, slot: int) -> AdapterState | None:
        """Return the adapter in that slot."""
        return next((adapter for adapter in self.hardware.adapters if adapter.slot == slot), None)

    @property
    def disk_files(self) -> frozenset[str]:
        """Return the files in its directory that are disks of it, now, in a snapshot or in the making."""
        states = (self.hardware, *(snapshot.hardware for snapshot in self.snapshots))
        return frozenset(file for state in states for file in state.files) | set(self.making)

    @property
    def shared_disks(self) -> frozenset[str]:
        """Return the names of the shared disks that it has, now or in a snapshot."""
        states = (self.hardware, *(snapshot.hardware for snapshot in self.snapshots))
        return frozenset(disk.name for state in states for disk in state.disks if disk.shared)

    @property
    def has_internal_network(self) -> bool:
        """Tell whether the machine needs its lab's switch."""
        return any(adapter.attachment.kind == "internal" for adapter in self.hardware.adapters)

    def with_adapters(self, adapters: tuple[AdapterState, ...]) -> Definition:
        """Return the same machine with other adapters, in slot order."""
        ordered = tuple(sorted(adapters, key=lambda adapter: adapter.slot))
        return replace(self, hardware=replace(self.hardware, adapters=ordered))


_CODEC = TypeAdapter(Definition)


class DefinitionUnreadable(DriverError):
    """A machine.json in `folder` is damaged; `machine` is the name that can still be read in it ("": none)."""

    def __init__(self, path: Path, brief: str, *, details: Sequence[str] = ()) -> None:
        super().__init__(brief, details=details)
        self.folder = path.parent
        self.machine = _name_in(path)


def _name_in(path: Path) -> str:
    """Return the name in what is left of a definition, which is near its beginning."""
    try:
        with path.open("rb") as stream:
            found = _NAME.search(stream.read(_NAME_WITHIN))
    except OSError:
        return ""
    return found[1].decode("ascii") if found else ""


class Definitions:
    """The machines on disk."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def ids(self) -> list[str]:
        """Return the ids of all complete machines."""
        with suppress(FileNotFoundError):
            return sorted(path.name for path in self._layout.machines.iterdir() if ID_PATTERN.fullmatch(path.name))
        return []

    def load(self, machine_id: str) -> Definition:
        """Read a machine. Raises MachineNotFound, DefinitionUnreadable."""
        if not ID_PATTERN.fullmatch(machine_id):
            raise MachineNotFound(_("there is no machine {machine!r}").format(machine=machine_id))
        path = self._layout.machine(machine_id) / DEFINITION_FILE
        try:
            return _CODEC.validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            if path.parent.is_dir():
                raise DefinitionUnreadable(path, _("{path} is missing").format(path=path)) from None
            raise MachineNotFound(
                _("the machine {machine} is not there any more").format(machine=machine_id),
                resolution=_("somebody removed it; run the command again to see the lab as it is now"),
            ) from None
        except (ValidationError, OSError) as error:
            raise DefinitionUnreadable(
                path, _("{path} cannot be read").format(path=path), details=[str(error).splitlines()[0]]
            ) from error

    def all(self) -> Iterator[tuple[str, Definition | DefinitionUnreadable]]:
        """Return every machine, a damaged one as the reason why it cannot be read."""
        for machine_id in self.ids():
            try:
                yield machine_id, self.load(machine_id)
            except DefinitionUnreadable as error:
                yield machine_id, error
            except MachineNotFound:
                continue

    def save(self, definition: Definition) -> None:
        """Write a machine. Raises MachineNotFound when its directory is gone, HostError when its disk is full."""
        path = self._layout.machine(definition.id) / DEFINITION_FILE
        try:
            write_durably(path, encode(definition))
        except FileNotFoundError:
            raise MachineNotFound(
                _("the machine {machine} is not there any more").format(machine=definition.name)
            ) from None
        except OSError as error:
            raise host_error(error) or error from None

    def retire(self, machine_id: str) -> None:
        """Remove a machine's directory; from the first moment on it is not reported any more. See Layout.discard."""
        gone = self._layout.machines / f".gone-{machine_id}-{secrets.token_hex(3)}"
        lab, name, own = None, machine_id, frozenset[str]()
        with suppress(DefinitionUnreadable, MachineNotFound):
            definition = self.load(machine_id)
            lab, name, own = definition.lab, definition.name, definition.disk_files
        with suppress(FileNotFoundError):
            self._layout.machine(machine_id).rename(gone)
            self._layout.discard(gone, lab, name, own)


def encode(definition: Definition) -> str:
    """Return a definition as the text of its machine.json."""
    return _CODEC.dump_json(definition, indent=1).decode()


def decode(text: bytes) -> Definition:
    """Return the definition that a machine.json holds. Raises ValueError."""
    return _CODEC.validate_json(text)


def new_id() -> str:
    """Return an id for a new machine."""
    return secrets.token_hex(6)


def disk_path(layout: Layout, machine_id: str) -> Path:
    """Return a machine's disk."""
    return layout.machine(machine_id) / DISK_FILE
