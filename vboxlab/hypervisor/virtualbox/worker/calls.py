"""What the worker can be asked: each call's arguments, in a class of its own, and the type of its result.

Both sides read this file. A machine is named by its handle, VirtualBox's UUID; a lab of None stands for all.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments
from vboxlab.hypervisor.virtualbox.worker.disk_calls import AddDisks, Disk, SetDvd
from vboxlab.hypervisor.virtualbox.worker.facts import Facts, Surroundings
from vboxlab.hypervisor.virtualbox.worker.told import Told
from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class Attachment:
    """What an adapter is plugged into. `kind` is ours, or of a foreign VM's VirtualBox's own word ("Generic")."""

    kind: str
    name: str = ""
    subnet: str = ""
    forwards: tuple[tuple[int, int], ...] = ()  # ports of the host's 127.0.0.1 and of the guest, TCP
    other_forwards: tuple[tuple[int, int, str, str], ...] = ()  # a foreign VM's: with protocol and address too


@dataclass(frozen=True)
class Adapter:
    """One adapter; its slot is 1 to 8, as people count."""

    slot: int
    attachment: Attachment
    mac: str
    cable: bool


@dataclass(frozen=True)
class Snapshot:
    """One snapshot: ids are UUIDs, `taken_at` is ISO 8601, `live` says that it holds the memory too."""

    id: str
    name: str
    parent: str | None
    taken_at: str
    live: bool
    description: str


@dataclass(frozen=True)
class Details:
    """What is costly to learn of a machine; of a foreign one that was not asked for it is left empty."""

    adapters: tuple[Adapter, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    current_snapshot: str | None = None
    untouched: bool = False
    disks: tuple[Disk, ...] = ()
    dvd: str = ""


@dataclass(frozen=True)
class Machine:
    """A machine as VirtualBox has it. `state` is VirtualBox's word, `problem` why it cannot be read; memory in MiB."""

    handle: str
    name: str
    state: str
    cpus: int = 0
    memory: int = 0
    image: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    details: Details = field(default_factory=Details)
    problem: Told | None = None
    last_power_change: str = ""


@dataclass(frozen=True)
class Image:
    """An image, its size in bytes, and the names of the machines that depend on it."""

    name: str
    size: int
    clones: tuple[str, ...]


@dataclass(frozen=True)
class Adopted:
    """A VM that has become an image: which snapshot it is as of, and what clones get of its disks and drives.

    `made` says that the snapshot was taken for that, `changed` that the VM is no longer as the snapshot holds it.
    """

    vm: str
    snapshot: str
    made: bool
    media: tuple[Told, ...]
    changed: bool


@dataclass(frozen=True)
class Stray:
    """A file of somebody's in a machine's folder, its size in bytes, and where it was found."""

    path: str
    size: int
    why: Told


@dataclass(frozen=True)
class ListMachines(Arguments[tuple[Machine, ...]]):
    """Every registered machine but images. With `early` as they were seen since the worker was launched."""

    early: bool = False


@dataclass(frozen=True)
class Inspect(Arguments[Machine]):
    """One machine in full. With `through_api` no settings file is read."""

    handle: str
    through_api: bool = False


@dataclass(frozen=True)
class Describe(Arguments[Surroundings]):
    """The disks of one machine, and the subnets of its networks."""

    handle: str


@dataclass(frozen=True)
class Create(Arguments[Machine]):
    """A linked clone of an image with exactly these adapters and marks."""

    name: str
    image: str
    group: str
    cpus: int
    memory: int
    adapters: tuple[Adapter, ...]
    marks: dict[str, str]


@dataclass(frozen=True)
class Delete(Arguments[None]):
    """A machine of ours removed with the disks that we made for it."""

    handle: str


@dataclass(frozen=True)
class SetMarks(Arguments[None]):
    """Marks set, and those of None removed."""

    handle: str
    marks: dict[str, str | None]


@dataclass(frozen=True)
class SetHardware(Arguments[None]):
    """Processors and memory (MiB) of a machine that is off."""

    handle: str
    cpus: int
    memory: int


@dataclass(frozen=True)
class SetAdapters(Arguments[None]):
    """Exactly these adapters."""

    handle: str
    adapters: tuple[Adapter, ...]


@dataclass(frozen=True)
class PlugAdapter(Arguments[None]):
    """One adapter plugged into something else, or its cable in or out; what is None stays as it is."""

    handle: str
    slot: int
    attachment: Attachment | None = None
    cable: bool | None = None


@dataclass(frozen=True)
class ConsoleLog(Arguments[str]):
    """The path of the file that a machine of ours writes its serial console to."""

    handle: str


@dataclass(frozen=True)
class Start(Arguments[None]):
    """A machine powered on, or resumed."""

    handle: str
    gui: bool


@dataclass(frozen=True)
class Pause(Arguments[None]):
    """A running machine of ours made to stand still."""

    handle: str


@dataclass(frozen=True)
class PowerOff(Arguments[bool]):
    """A machine brought to off; whether its guest ended by itself, for which it has so many seconds."""

    handle: str
    how: Literal["graceful", "hard"]
    timeout: float


@dataclass(frozen=True)
class Screenshot(Arguments[None]):
    """A PNG of a machine's screen in a file."""

    handle: str
    target: str


@dataclass(frozen=True)
class TakeSnapshot(Arguments[None]):
    """A snapshot as a child of the current one."""

    handle: str
    name: str
    live: bool
    description: str


@dataclass(frozen=True)
class RestoreSnapshot(Arguments[None]):
    """A machine brought back to a snapshot, named by name or id."""

    handle: str
    name: str


@dataclass(frozen=True)
class DeleteSnapshot(Arguments[None]):
    """A snapshot removed, named by name or id."""

    handle: str
    name: str


@dataclass(frozen=True)
class ListImages(Arguments[tuple[Image, ...]]):
    """The images."""


@dataclass(frozen=True)
class HasImage(Arguments[bool]):
    """Whether there is an image of that name."""

    name: str


@dataclass(frozen=True)
class CreateImage(Arguments[None]):
    """An image around a disk of a kind (vboxlab.hypervisor.diskfiles.kinds); the first of its files names the rest."""

    name: str
    kind: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class AdoptImage(Arguments[Adopted]):
    """An existing VM as an image by reference, as of a snapshot ("": the current one)."""

    name: str
    vm: str
    snapshot: str


@dataclass(frozen=True)
class ImportAppliance(Arguments[None]):
    """An image of an appliance of one machine."""

    name: str
    file: str


@dataclass(frozen=True)
class RemoveImage(Arguments[None]):
    """An image removed, or one that is only referred to forgotten."""

    name: str


@dataclass(frozen=True)
class CollectGarbage(Arguments[tuple[Told, ...]]):
    """What interrupted calls left of a lab removed, and what it was."""

    lab: str | None = None
    copy: str | None = None


@dataclass(frozen=True)
class FindGarbage(Arguments[tuple[Told, ...]]):
    """What CollectGarbage would remove."""

    lab: str | None = None
    copy: str | None = None


@dataclass(frozen=True)
class FindStrays(Arguments[tuple[Stray, ...]]):
    """The files of somebody else's in the folders of a lab's machines."""

    lab: str | None = None
    copy: str | None = None


@dataclass(frozen=True)
class RemoveStray(Arguments[None]):
    """One of these files removed."""

    path: str


@dataclass(frozen=True)
class AskFacts(Arguments[Facts]):
    """What VirtualBox says of this host."""


CALLS: dict[str, type[Arguments[Any]]] = {
    "machines": ListMachines,
    "inspect": Inspect,
    "describe": Describe,
    "create": Create,
    "delete": Delete,
    "set_marks": SetMarks,
    "set_hardware": SetHardware,
    "add_disks": AddDisks,
    "set_dvd": SetDvd,
    "set_adapters": SetAdapters,
    "plug_adapter": PlugAdapter,
    "console_log": ConsoleLog,
    "start": Start,
    "pause": Pause,
    "power_off": PowerOff,
    "screenshot": Screenshot,
    "take_snapshot": TakeSnapshot,
    "restore_snapshot": RestoreSnapshot,
    "delete_snapshot": DeleteSnapshot,
    "images": ListImages,
    "has_image": HasImage,
    "create_image": CreateImage,
    "adopt_image": AdoptImage,
    "import_appliance": ImportAppliance,
    "remove_image": RemoveImage,
    "collect": CollectGarbage,
    "garbage": FindGarbage,
    "strays": FindStrays,
    "remove_stray": RemoveStray,
    "facts": AskFacts,
}
_NAMES = {arguments: name for name, arguments in CALLS.items()}


def name_of(arguments: Arguments[Any]) -> str:
    """Return the name of the call whose arguments these are."""
    return _NAMES[type(arguments)]
