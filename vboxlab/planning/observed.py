"""The observed state: what a driver reports now, in our words; the only truth about a lab."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import Enum
from functools import cached_property
from typing import Literal

from vboxlab.language import NC_
from vboxlab.lazily import dataclass
from vboxlab.listening import LOOPBACK
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import MANAGEMENT_SLOT, NetworkKind

MARK_LAB = "lab"
MARK_COPY = "copy"
MARK_MACHINE = "machine"
MARK_ORIGIN = "origin"  # name of the topology that the machine was made for
MARK_TOPOLOGY = "topology"  # NAME of the topology that the machine was last brought to
MARK_DESIRED = "desired"  # digest of the machine's desired state when it was last configured
MARK_STAGE = "stage"  # name of the last stage reached, absent before the first
MARK_INTRODUCED = "introduced"  # "yes" once the guest of a stock base has its management address
MARK_CONTACTED = "contacted"  # "yes" once the clone's identity was reset
MARK_USER = "user"  # host user who made the machine
MARK_NAMES = "names"  # NAMES_PREFIXED where the lab's name goes in front of VMs and networks; absent in old labs
MARK_ADOPTED = "adopted"  # JSON list of the foreign VMs that stand for machines of the lab, absent when there are none
MARK_VALUES = "values"  # JSON of the parameters chosen, kept so that later commands need not repeat --set
MARK_EXERCISE = "exercise"  # name of the topology whose exercise the lab is: the student's stages are left undone
NAMES_PLAIN, NAMES_PREFIXED = "plain", "prefixed"


class PowerState(Enum):
    """What the hypervisor reports of a machine, reduced to what matters to us."""

    OFF = NC_("machine", "off")  # powered off, or aborted: a VirtualBox "Aborted" machine may never have run
    RUNNING = NC_("machine", "running")
    PAUSED = NC_("machine", "paused")
    SAVED = NC_("machine", "saved")
    CHANGING = NC_("machine", "changing")  # starting, stopping, taking or restoring a snapshot
    INACCESSIBLE = NC_("machine", "inaccessible")


HELD = (PowerState.PAUSED, PowerState.SAVED)  # its guest stands still, with what it was doing in its memory


@dataclass(frozen=True)
class Forward:
    """A port of the host forwarded to a port of the guest, on a NAT adapter; ours are of TCP, and on 127.0.0.1."""

    host_port: int
    guest_port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    address: str = LOOPBACK  # of the host; "" for all that it has

    @property
    def is_plain(self) -> bool:
        """Tell whether it is one that vboxlab could have made."""
        return (self.protocol, self.address) == ("tcp", LOOPBACK)

    def __str__(self) -> str:
        return str(self.host_port) if self.is_plain else f"{self.protocol} {self.address or '*'}:{self.host_port}"

    @property
    def reaches_ssh(self) -> bool:
        """Tell whether a connection to that port of 127.0.0.1 comes to the guest's SSH server."""
        return (self.guest_port, self.protocol) == (22, "tcp") and self.address in (LOOPBACK, "", "0.0.0.0")  # noqa: S104


@dataclass(frozen=True)
class Attachment:
    """What an adapter is plugged into. `name` is the effective network name (empty for NAT)."""

    kind: NetworkKind
    name: str = ""
    subnet: str = ""  # NAT only: the network to use, such as 10.0.9.0/24
    forwards: tuple[Forward, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


@dataclass(frozen=True)
class AdapterState:
    """One NIC as it is, or as it shall be."""

    slot: int
    attachment: Attachment
    mac: str  # 12 upper-case hexadecimal digits
    cable: bool = True


@dataclass(frozen=True)
class DiskState:
    """A disk besides a machine's first, as it is or as it shall be. Of a shared one its lab has one, by its name."""

    name: str
    size: int  # MiB
    shared: bool = False


SHORT_ID = 8  # characters of an id that suffice to name it, where they begin no other


@dataclass(frozen=True)
class SnapshotState:
    """One snapshot of one machine. `live` says that it holds the memory too. Several may have one name."""

    name: str
    parent: str | None  # its parent's id
    taken_at: str  # ISO 8601, UTC
    live: bool = False
    description: str = ""
    id: str = ""  # the driver's own word for it, never that of another snapshot of the machine

    def answers_to(self, word: str) -> bool:
        """Tell whether a word is the snapshot's name, its id, or the beginning of its id."""
        return word in (self.name, self.id) or (len(word) >= SHORT_ID and self.id.startswith(word))


@dataclass(frozen=True)
class ObservedMachine:
    """One VM as the driver reports it. `handle` is the driver's own id: opaque to everybody else."""

    handle: str
    name: str
    power: PowerState
    cpus: int
    memory: int  # MiB
    image: str  # name of the image that it is a linked clone of, "" if unknown
    adapters: tuple[AdapterState, ...]
    marks: Mapping[str, str] = field(default_factory=dict)
    snapshots: tuple[SnapshotState, ...] = ()
    current_snapshot: str | None = None  # its id
    problem: str = ""  # why it is inaccessible, or what a user should know
    untouched: bool = False  # it is off, and was not started since current_snapshot was taken or restored
    last_power_change: str = ""  # a word of the driver's that is another one after each start and each stop
    disks: tuple[DiskState, ...] = ()  # those besides the first, in the order in which the guest has them
    dvd: str = ""  # path of the disc image in its drive

    @cached_property
    def lab(self) -> LabName | None:
        """Return the lab that owns the machine, or None for a foreign one."""
        lab = self.marks.get(MARK_LAB)
        return LabName(lab, self.marks.get(MARK_COPY) or None) if lab else None

    @property
    def machine(self) -> str:
        """Return the machine's name within its topology."""
        return self.marks.get(MARK_MACHINE, self.name)

    @cached_property
    def adopts(self) -> tuple[str, ...]:
        """Return the foreign VMs that stand for machines of its lab; a mark that cannot be read names none."""
        try:
            named = json.loads(self.marks.get(MARK_ADOPTED, "[]"))
        except ValueError:
            return ()
        return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()

    def adapter(self, slot: int) -> AdapterState | None:
        """Return the adapter in a slot 1..8, if there is one."""
        return next((adapter for adapter in self.adapters if adapter.slot == slot), None)

    @property
    def management_port(self) -> int | None:
        """Return the port of 127.0.0.1 that leads to the guest's SSH server, if there is one."""
        # While the guest of a stock base is first contacted, another adapter has the forward.
        adapters = sorted(self.adapters, key=lambda adapter: adapter.slot != MANAGEMENT_SLOT)
        forwards = (forward for adapter in adapters for forward in adapter.attachment.forwards)
        return next((forward.host_port for forward in forwards if forward.reaches_ssh), None)

    def has_snapshot(self, name: str) -> bool:
        """Tell whether the machine has a snapshot of that name."""
        return any(snapshot.name == name for snapshot in self.snapshots)

    def find_snapshots(self, word: str) -> tuple[SnapshotState, ...]:
        """Return the snapshots that may be meant by a name or an id: more than one cannot be told apart by it."""
        return tuple(snapshot for snapshot in self.snapshots if snapshot.answers_to(word))


@dataclass(frozen=True)
class Impairment:
    """How bad the line of an adapter is, for what it sends: a share of frames lost, seconds late, bytes a second."""

    loss: float = 0.0
    delay: float = 0.0
    rate: int = 0  # 0: as many as can be


@dataclass(frozen=True)
class MachineSpec:
    """Everything a driver needs to make a machine."""

    name: str
    image: str
    cpus: int
    memory: int  # MiB
    adapters: tuple[AdapterState, ...]
    marks: Mapping[str, str]


@dataclass(frozen=True)
class PendingRestore:
    """A restore of several machines that was begun, confirmed, and did not come to its end.

    `unknown` says why its record cannot be read: then it may concern every machine. `used` are machines still to be
    restored that were started since it began, or of which that cannot be told: finishing it loses what was done there.
    """

    snapshot: str = ""
    begun: str = ""  # ISO 8601, UTC
    done: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    impossible: tuple[str, ...] = ()  # why it cannot be finished
    unknown: str = ""

    @property
    def harmless(self) -> bool:
        """Tell whether finishing it throws nothing away that was not given up when it began."""
        return not (self.used or self.impossible or self.unknown)


@dataclass(frozen=True)
class GuestLook:
    """What a look into a guest found otherwise than its stage says; `kept` are files that somebody changed.

    `trouble` says why the guest could not be looked at.
    """

    differences: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class ObservedLab:
    """All machines that carry one lab's mark, and the adopted ones that the topology names."""

    name: LabName
    machines: Mapping[str, ObservedMachine] = field(default_factory=dict)  # by machine name
    adopted: Mapping[str, ObservedMachine] = field(default_factory=dict)  # by machine name
    # Of the names that VMs of its topology have: those of VMs that are not the lab's, each with the lab whose it is
    # (None: a foreign VM),
    others: Mapping[str, LabName | None] = field(default_factory=dict)
    adopters: Mapping[str, LabName] = field(default_factory=dict)  # the other labs that adopt a foreign VM,
    pending: PendingRestore | None = None
    leftovers: tuple[str, ...] = ()  # what interrupted calls of the driver left
    guests: Mapping[str, GuestLook] = field(default_factory=dict)  # by machine name: those looked into
    unreadable: Mapping[str, str] = field(default_factory=dict)  # and why a VM that may be the lab's cannot be read

    @property
    def topology(self) -> str | None:
        """Return the topology that the lab's machines were last brought to, None if they disagree.

        A machine that was never configured says nothing about it.
        """
        names = {m.marks[MARK_TOPOLOGY] for m in self.machines.values() if MARK_TOPOLOGY in m.marks}
        return names.pop() if len(names) == 1 else None


def exercise_of(machines: Iterable[ObservedMachine]) -> str | None:
    """Return the topology whose exercise a lab is, None when it is none."""
    return next((found for machine in machines if (found := machine.marks.get(MARK_EXERCISE))), None)


def current_topology(machines: Iterable[ObservedMachine]) -> str | None:
    """Return the topology that a lab's machines are in; of a lab never configured, the one that it was made for.

    None when they disagree.
    """
    found = list(machines)
    for mark in (MARK_TOPOLOGY, MARK_ORIGIN):
        names = {machine.marks[mark] for machine in found if mark in machine.marks}
        if names:
            return names.pop() if len(names) == 1 else None
    return None


PowerOffHow = Literal["graceful", "hard"]
