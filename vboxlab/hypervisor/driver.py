"""The driver interface: what talks to a hypervisor. The docstrings are the contract that all drivers keep.

Common to all calls:

* `handle` comes from an ObservedMachine of the same driver; a handle whose machine is gone raises MachineNotFound.
* Calls on different machines may run at once from several threads; calls on one machine are serialised by the caller.
* A call that returns has taken effect and a new process sees it; a call that raises has left the machine as it was,
  or in a state that `machines` reports truthfully and that the same call can finish when made again.
* Only machines with marks of ours are ever changed. Changing a machine without marks raises MachineConflict
  (`start` excepted: an adopted machine is started, nothing else).
* When the driver's process is killed at any moment, nothing half-made is reported by `machines`; the next `create` or
  `collect_garbage` clears what was left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol

from vboxlab.lazily import dataclass
from vboxlab.planning.observed import (
    AdapterState,
    Attachment,
    DiskState,
    Impairment,
    MachineSpec,
    ObservedMachine,
    PowerOffHow,
)
from vboxlab.topology.addressing import LabName

Progress = Callable[[str, int | None], None]
"""Called with what is being done and how far it is in percent (None: unknown)."""


def no_progress(_text: str, _percent: int | None) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class Capabilities:
    """What a driver can do; asked for instead of its name."""

    boots_guests: bool  # machines started really run a guest here
    accelerated: bool  # guests run on hardware virtualisation
    live_snapshots: bool
    window: bool  # start(gui=True) shows a window
    adopts: bool  # foreign VMs can be seen and started, and be images
    network_kinds: frozenset[str]
    image_formats: tuple[str, ...]  # disk formats import_image takes
    screenshots: bool
    shapes_lines: bool  # impair and set_groups: internal networks have a switch of ours
    measures_work: bool  # it is known how much a running guest works
    why_unusable: str = ""  # set when guests cannot boot, with the reason


@dataclass(frozen=True)
class ImageInfo:
    """An image that machines are linked clones of: a base, or a package layer over one."""

    name: str
    size: int  # bytes on disk
    clones: tuple[str, ...]  # names of the machines that depend on it


@dataclass(frozen=True)
class Stray:
    """A file that lies where this driver keeps its machines and is not provably vboxlab's, such as a detached disk."""

    path: Path
    size: int  # bytes
    why: str  # where it was found, as in "a disk in the folder of srv-web that no machine uses"


@dataclass(frozen=True)
class DiskOfVm:
    """A hard disk of a VM: the file that it is in, and its size as the guest sees it in bytes (0: not known)."""

    path: str
    size: int = 0


@dataclass(frozen=True)
class Description:
    """A VM as whoever writes a topology of it wants to know it. `subnets` are those of its networks, by adapter slot.

    A network of which the hypervisor knows no subnet has none.
    """

    machine: ObservedMachine
    disks: tuple[DiskOfVm, ...] = ()
    subnets: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """How much a machine has worked since it was started, or resumed from a saved state."""

    processor: float  # seconds that its processors ran, on all of them together
    waited: float | None  # seconds that they had to run and the host had no processor for them; None: not known
    printed: int  # bytes on its serial console


class Lifecycle(Protocol):
    """Making, starting, stopping and removing machines."""

    def machines(self, *, early: bool = False) -> Sequence[ObservedMachine]:
        """Report every VM of this hypervisor, ours and foreign; an inaccessible one is reported, never raised.

        With `early` they may be reported as they were at any moment since this process began: for a first look only,
        before anything is held or changed.
        Details of foreign machines (adapters, snapshots) may be left empty unless `inspect` asks for one.
        Of machines of ours, `untouched` is never claimed wrongly, whoever started them and whatever was killed; a
        change of settings may withdraw it. `last_power_change` changes with each start and stop, and with nothing else.
        """

    def inspect(self, handle: str) -> ObservedMachine:
        """Report one VM in full. Raises MachineNotFound."""

    def describe(self, handle: str) -> Description:
        """Report one VM, foreign or ours, with all that a topology could say of it. Changes nothing.

        Raises MachineNotFound, and CapabilityMissing where no foreign VMs can be seen (see Capabilities.adopts). Of one
        that is inaccessible nothing but that is reported.
        """

    def create(self, spec: MachineSpec, progress: Progress = no_progress) -> ObservedMachine:
        """Make a powered-off linked clone of spec.image with exactly spec's adapters and marks, and nothing inherited.

        All or nothing. Raises BaseError when the image is not there or its VM has become one that adopt_image would
        refuse, MachineConflict when a VM of that name exists (saying which lab's it is, if any), DriverError when the
        disk is full.
        """

    def start(self, handle: str, *, gui: bool = False) -> None:
        """Power the machine on (or resume it when paused or saved) and return once it runs. No-op when it runs.

        Raises DriverError when it ends at once, with the hypervisor's own words and the likely cause; when a forwarded
        port is taken by somebody else, the error names the port.
        """

    def pause(self, handle: str) -> None:
        """Let a running machine stand still with its memory until `start`. No-op when it is paused.

        Raises DriverError when it does not run.
        """

    def power_off(self, handle: str, how: PowerOffHow, *, timeout: float = 60.0) -> bool:
        """Bring the machine to OFF and return once it can be changed. No-op when it is off.

        `graceful` presses the power button, after resuming a paused machine, and turns to `hard` after the timeout
        (seconds); the result says whether the guest ended by itself. `hard` pulls the plug at once. A saved state is
        discarded.
        """

    def delete(self, handle: str) -> None:
        """Remove the machine with the disks and snapshots that this driver made for it, powering it off first.

        Nothing else is touched: what somebody put beside them stays, and is one of `strays` from then on. Raises
        MachineConflict, having done nothing, when disks of a VM of somebody else's depend on the machine's.
        """

    def set_marks(self, handle: str, marks: Mapping[str, str | None]) -> None:
        """Set (or with None remove) marks; those not named stay. Works while running."""

    def set_hardware(self, handle: str, *, cpus: int, memory: int) -> None:
        """Set processors and memory in MiB. Raises DriverError unless the machine is off."""


class Disks(Protocol):
    """Disks besides a machine's first, and the drive.

    A guest sees a disk as one of the model and serial number in vboxlab.topology.disks, in the order in which the disks
    were made. A disk stays until its machine is deleted; a shared one until its lab's last machine is. What a restored
    snapshot does not know of is taken out of the machine, and its file is one of `strays` from then on.
    """

    def add_disks(self, handle: str, disks: Sequence[DiskState], progress: Progress = no_progress) -> None:
        """Make the disks that the machine lacks, all or nothing, or give it the shared ones that its lab has already.

        Raises DriverError unless the machine is off, or when the host's disk is full; MachineConflict, having done
        nothing, when a disk of that name is there that is otherwise.
        """

    def set_dvd(self, handle: str, image: str) -> None:
        """Put a disc image (an absolute path) into the machine's drive, or with "" take out what is in it.

        It is never written to, and stays the caller's. Raises DriverError unless the machine is off, and when there is
        no such file.
        """


class Networks(Protocol):
    """Adapters and what they are plugged into."""

    def set_adapters(self, handle: str, adapters: Sequence[AdapterState]) -> None:
        """Give the machine exactly these adapters. Off: any change. Otherwise: only re-attach, forwards, cable."""

    def attach(self, handle: str, slot: int, attachment: Attachment) -> None:
        """Plug an existing adapter into another network, off or running."""

    def set_cable(self, handle: str, slot: int, connected: bool) -> None:
        """Plug the adapter's cable in or out, off or running; survives a restart of the machine."""

    def impair(self, handle: str, slot: int, impairment: Impairment) -> None:
        """Make the line of an adapter on an internal network as bad as said, for what it sends; off or running.

        It stays so, through restarts and changes of the network, until it is called again; an Impairment() is none.
        Raises CapabilityMissing where the driver cannot, or the adapter is on no internal network, unless to end it.
        """

    def set_groups(self, handle: str, slot: int, groups: Collection[int]) -> None:
        """Let frames pass between an adapter on an internal network and those that share a group with it alone.

        An adapter without groups is cut off from nobody. For how long, and errors: as `impair`.
        """


class Snapshots(Protocol):
    """Snapshots of one machine. They hold disks, the drive, hardware, adapters and marks, but no shared disk.

    Where one is named, its name or its id (or 8 or more characters that begin it) will do; when several may be meant by
    that, the call raises SnapshotAmbiguous with the ids of all.
    """

    def take_snapshot(self, handle: str, name: str, *, live: bool = False, description: str = "") -> None:
        """Take a snapshot as a child of the current one, which it becomes.

        A machine that is off: disks only. One that runs: only with live=True, memory included, and it goes on running.
        Raises MachineConflict when the machine has a snapshot of that name, DriverError when it runs and live is False.
        With a shared disk, a live one may be more than the hypervisor can do: CapabilityMissing.
        """

    def restore_snapshot(self, handle: str, name: str) -> None:
        """Bring disks, hardware, adapters and marks back; afterwards the machine is off, or SAVED for a live one.

        The machine must be off. Raises SnapshotNotFound, and DriverError when the machine runs.
        """

    def delete_snapshot(self, handle: str, name: str) -> None:
        """Remove one snapshot; its children and the present state stay as they are. The machine must be off.

        Raises SnapshotNotFound.
        """


class Images(Protocol):
    """What machines are cloned from."""

    def images(self) -> Sequence[ImageInfo]:
        """Report the images that this driver has."""

    def has_image(self, name: str) -> bool:
        """Tell whether there is an image of that name: quicker than `images`, however many machines there are."""

    def import_image(
        self,
        name: str,
        disk: Path,
        *,
        parent: str | None = None,
        ours: bool = False,
        progress: Progress = no_progress,
    ) -> None:
        """Make an image from a disk file, all or nothing. No-op when the image exists.

        The file, and what it names, is looked at first (see vboxlab.hypervisor.diskfiles) and then copied: it stays the
        caller's, and the image does not depend on it. Raises BaseError when it is none of the image_formats by its
        content, is not whole, or needs files that are not its own.

        With `ours` the file was made by vboxlab and stays where it is for as long as the image: the image may go on
        depending on it, and a kernel that lies beside it belongs to it. Only with `ours` may there be a parent: the
        file is then a qcow2 overlay whose backing file is that image's disk.
        """

    def adopt_image(self, name: str, vm: str, *, snapshot: str = "", progress: Progress = no_progress) -> str:
        """Let a foreign VM (its name or UUID) be an image by reference, and say what was done to it.

        Clones are made from the snapshot, by default its current one; only when it has none, one is taken. Nothing else
        of it is ever changed, and remove_image only forgets it. Machines write to differencing disks of their own;
        of each disk that no snapshot holds, and of what is in drives, it is said how machines do without. Raises
        MachineNotFound with the nearest names, MachineConflict when several VMs have the name, when it is ours or the
        image's name is taken, BaseError when machines cannot do without a disk, it cannot be read or there is none,
        DriverError when it runs and has no snapshot, CapabilityMissing where the driver cannot.
        """

    def import_appliance(self, name: str, file: Path, progress: Progress = no_progress) -> None:
        """Make an image from an appliance (OVA or OVF file), all or nothing.

        Raises BaseError when the file is none or the name is taken, CapabilityMissing where the driver cannot.
        """

    def remove_image(self, name: str) -> None:
        """Remove an image. Raises BaseError, naming them, while machines or other images depend on it."""


class Console(Protocol):
    """Looking at a machine that does not answer."""

    def console_tail(self, handle: str, lines: int = 20) -> str:
        """Return the last lines of the serial console, "" when there are none."""

    def work(self, handle: str) -> Work | None:
        """Tell how much a running machine has worked; quick, and never more than a few seconds.

        None where that cannot be known: it does not run, or the driver does not measure it. Raises MachineNotFound.
        """

    def screenshot(self, handle: str, target: Path) -> None:
        """Write a PNG of the machine's screen. Raises CapabilityMissing where the driver has none."""


class Driver(Lifecycle, Disks, Networks, Snapshots, Images, Console, Protocol):
    """All of it."""

    @property
    def name(self) -> str:
        """Return the driver's name, for messages and reports only."""

    @property
    def version(self) -> str:
        """Return the hypervisor's version, for reports."""

    @property
    def capabilities(self) -> Capabilities:
        """Return what this driver can do on this host."""

    def garbage(self, lab: LabName | None = None) -> Sequence[str]:
        """Say what collect_garbage would remove, changing nothing."""

    def collect_garbage(self, lab: LabName | None = None) -> Sequence[str]:
        """Remove what interrupted calls left (of one lab, or of all) and say what it was.

        Only what is provably ours: what a record of such a call names, and disks of ours that hold nothing or were
        being thrown away.
        """

    def strays(self, lab: LabName | None = None) -> Sequence[Stray]:
        """Report the files in the folders of our machines (of one lab, or of all) that nobody is known to need.

        They are never removed but by `remove_stray`, one that depends on another before that.
        """

    def remove_stray(self, path: Path) -> None:
        """Remove one of `strays`, which the user has seen by its path and agreed to.

        Raises MachineConflict when it is none, such as a disk that is used by now.
        """

    def close(self) -> None:
        """Let go of connections and helper processes. Machines go on running."""
