"""The steps of a plan, each with its reason and the steps that must be done before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from vboxlab.lazily import dataclass
from vboxlab.planning.observed import AdapterState, DiskState, PowerOffHow
from vboxlab.topology.addressing import LabName


@dataclass(frozen=True)
class Create:
    """Make a linked clone."""

    machine: str


@dataclass(frozen=True)
class SetAdapters:
    """Make a machine's adapters what the topology says."""

    machine: str
    adapters: tuple[AdapterState, ...]


@dataclass(frozen=True)
class SetHardware:
    """Set processors and memory."""

    machine: str
    cpus: int
    memory: int


@dataclass(frozen=True)
class AddDisks:
    """Make the disks besides the first that a machine lacks."""

    machine: str
    disks: tuple[DiskState, ...]


@dataclass(frozen=True)
class SetDvd:
    """Put a disc image into a machine's drive, or (with "") take it out."""

    machine: str
    dvd: str


@dataclass(frozen=True)
class Start:
    """Power a machine on."""

    machine: str


@dataclass(frozen=True)
class Resume:
    """Let a machine go on that is paused or saved."""

    machine: str


@dataclass(frozen=True)
class Introduce:
    """Reach the guest of a stock base over adapter 1, and give it its management address and us our rights there."""

    machine: str


@dataclass(frozen=True)
class Contact:
    """Wait until the guest answers over SSH; reset the clone's identity the first time."""

    machine: str


@dataclass(frozen=True)
class Configure:
    """Bring a guest to a stage (None: only what it is in every stage)."""

    machine: str
    stage: str | None


@dataclass(frozen=True)
class Recheck:
    """Compare a guest that should be right already with its stage once it runs, and repair what is not."""

    machine: str
    stage: str | None


@dataclass(frozen=True)
class Repair:
    """Bring a guest back to its stage, from which a look has shown it to differ; `kept` are files kept beside first."""

    machine: str
    stage: str | None
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class PowerOff:
    """Bring a machine to the off state."""

    machine: str
    how: PowerOffHow = "graceful"


@dataclass(frozen=True)
class TakeSnapshots:
    """Take a snapshot set of several machines that are off, all or nothing."""

    machines: tuple[str, ...]
    snapshot: str


@dataclass(frozen=True)
class RestoreSnapshots:
    """Restore a snapshot set on several machines, all or nothing."""

    machines: tuple[str, ...]
    snapshot: str


@dataclass(frozen=True)
class FinishRestore:
    """Restore a snapshot on the machines that an interrupted restore has not come to."""

    machines: tuple[str, ...]
    snapshot: str


@dataclass(frozen=True)
class RemoveLeftovers:
    """Remove what interrupted calls of the driver left."""

    what: tuple[str, ...]
    machines: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetMarks:
    """Record what a machine has been brought to."""

    machine: str
    marks: Mapping[str, str | None] = field(hash=False)


@dataclass(frozen=True)
class CheckAdopted:
    """Start an adopted machine if need be, and nothing else."""

    machine: str


Step = (
    Create
    | SetAdapters
    | SetHardware
    | AddDisks
    | SetDvd
    | Start
    | Resume
    | Introduce
    | Contact
    | Configure
    | Recheck
    | Repair
    | PowerOff
    | TakeSnapshots
    | RestoreSnapshots
    | FinishRestore
    | RemoveLeftovers
    | SetMarks
    | CheckAdopted
)


@dataclass(frozen=True)
class Action:
    """A step of a plan: what, why, and after which other steps (by id).

    Those of `after` that are `in_turn` need only have ended, whatever came of them: the others must have been done.
    """

    id: str
    step: Step
    reason: str
    after: tuple[str, ...] = ()
    in_turn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What must be done to bring a lab to its topology; empty when nothing."""

    lab: LabName
    topology: str
    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()  # why the plan cannot be applied (conflicts, adopted machines that do not fit)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self.actions
