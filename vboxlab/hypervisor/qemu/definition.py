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
from vboxlab.planning.observed import MARK_COPY, MARK_LAB, AdapterState, SnapshotState
from vboxlab.topology.addressing import LabName

ID_PATTERN = re.compile(r"[0-9a-f]{12}")
DEFINITION_FILE = "machine.json"
DISK_FILE = "disk.qcow2"
# Names of machines are ASCII (topology.addressing), and the second thing in a definition.
_NAME, _NAME_WITHIN = re.compile(rb'"name"\s*:\s*"([A-Za-z0-9._-]+)"'), 4096


@dataclass(frozen=True)
class Hardware:
    """What a snapshot brings back besides the disk."""

    cpus: int
    memory: int
    adapters: tuple[AdapterState, ...]
    marks: Mapping[str, str]


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
    before a process is.
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
        lab, name = None, machine_id
        with suppress(DefinitionUnreadable, MachineNotFound):
            definition = self.load(machine_id)
            lab, name = definition.lab, definition.name
        with suppress(FileNotFoundError):
            self._layout.machine(machine_id).rename(gone)
            self._layout.discard(gone, lab, name)


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
