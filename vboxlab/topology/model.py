"""The topology: the desired state of a lab, as immutable values parsed once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from vboxlab.topology.conditions import When, holds
from vboxlab.topology.disks import Disk, SharedDisk, mebibytes
from vboxlab.topology.exercise import Exercise
from vboxlab.topology.grading import Scheme
from vboxlab.topology.parameter_types import ParameterType, limits_problem
from vboxlab.topology.role_registry import any_role
from vboxlab.topology.roles import Parameters, Role
from vboxlab.topology.scenario import Scenario
from vboxlab.topology.secret import LabSecret

if TYPE_CHECKING:
    AnyRole = Role
else:
    AnyRole = any_role()

MANAGEMENT_SLOT = 8
MANAGEMENT_NETWORK = IPv4Network("10.0.9.0/24")
MANAGEMENT_ADDRESS = IPv4Interface("10.0.9.15/24")
SLOTS = range(1, 9)
# Two TiB: what VirtualBox gives to a VM (its SystemProperties::maxGuestRAM on 64-bit hosts).
MOST_MEMORY = 2 * 1024 * 1024

NetworkKind = Literal["internal", "nat", "host-only", "bridged", "nat-network"]


class Parameter(Parameters):
    """A value that a user may choose with --set."""

    default: str
    choices: tuple[str, ...] = ()
    description: str = ""
    # What values a parameter can have says nothing about what the lab is: the digest goes without.
    type: ParameterType = Field(default="text", exclude=True, description="what its values are")
    min: int | None = Field(default=None, exclude=True, description="least value of a number")
    max: int | None = Field(default=None, exclude=True, description="greatest value of a number")

    @model_validator(mode="after")
    def _is_well_declared(self) -> Self:
        problem = limits_problem(self.type, self.choices, self.min, self.max)
        if problem is not None:
            raise ValueError(problem)
        return self


class Network(Parameters):
    """A named layer-2 segment."""

    kind: NetworkKind = "internal"
    subnet: IPv4Network | None = None
    description: str = ""
    host_name: str | None = Field(
        default=None, description="name on the host of a host-only, bridged or NAT network, where it has one"
    )
    site: str | None = Field(
        default=None, description="place that it is in, where addresses are its own; default: outside of all"
    )


class Adapter(Parameters):
    """A NIC, by its VirtualBox slot 1..7 (8 is kept for management); without a slot, by its place in the list."""

    slot: int = Field(ge=1, le=7)
    network: str
    address: IPv4Interface | Literal["dhcp"] | None = None
    gateway: IPv4Address | None = None
    cable: bool = True


class Adopt(Parameters):
    """An existing VM that stands for this machine when the parameters have the given values."""

    vm: str
    when: When = Field(default_factory=dict)


class Machine(Parameters):
    """One VM of a lab."""

    name: str
    hostname: str
    description: str = ""
    base: str | None = Field(default=None, description="base of this machine; default: the topology's")
    cpus: int = Field(default=1, ge=1, le=32)
    memory: int = Field(default=512, ge=64, le=MOST_MEMORY, description="MiB")
    adapters: tuple[Adapter, ...]
    dns: tuple[IPv4Address, ...] = ()
    search: tuple[str, ...] = Field(default=(), description="resolver search list; default: the topology's domain")
    resolver_domain: bool = Field(default=False, description="write a `domain` line in resolv.conf as well")
    disks: tuple[Disk, ...] = Field(default=(), description="those besides the first, which is the base's")
    # Where an image lies differs from computer to computer: the digest goes without.
    dvd: str | None = Field(default=None, exclude=True, description="disc image in the drive: a path from the file on")
    adopt: Adopt | None = None
    roles: tuple[AnyRole, ...] = Field(default=(), description="what the machine is in every stage")
    stages: dict[str, tuple[AnyRole, ...]] = Field(default_factory=dict)
    configured: bool = Field(
        default=True, description="false: it is wired, started and probed, and vboxlab never logs in to it"
    )

    def roles_until(self, stage: str | None, order: tuple[str, ...]) -> tuple[Role, ...]:
        """Return the roles of all stages up to and including the given one; None means no stage at all."""
        reached = order[: order.index(stage) + 1] if stage is not None else ()
        return (*self.roles, *(role for name in reached for role in self.stages.get(name, ())))

    def adapter(self, slot: int) -> Adapter | None:
        """Return the adapter in that slot, if there is one."""
        return next((adapter for adapter in self.adapters if adapter.slot == slot), None)


class Stage(Parameters):
    """An ordered part of the configuration; may end in taking a snapshot set."""

    name: str
    snapshot: str | None = None
    description: str = ""


class Topology(Parameters):
    """The desired state of a lab."""

    name: str
    lab: str
    title: str = ""
    description: str = ""
    base: str
    domain: str | None = None
    start_from: str | None = Field(default=None, alias="from", description="snapshot set restored first")
    reset: str | None = Field(
        default=None,
        description="snapshot set that `reset` goes back to; default: the last that a stage ends in",
    )
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    values: dict[str, str] = Field(default_factory=dict, description="the parameters' values in force")
    networks: dict[str, Network]
    disks: dict[str, SharedDisk] = Field(default_factory=dict, description="disks that several machines have")
    machines: dict[str, Machine]
    stages: tuple[Stage, ...] = ()
    secrets: dict[str, LabSecret] = Field(
        default_factory=dict, description="what the lab makes up and its machines share: passwords, keys, certificates"
    )
    verify: Scenario = Field(default_factory=Scenario.model_construct)
    exercise: Exercise | None = Field(default=None, description="what the student does by himself")
    grading: Scheme | None = Field(default=None, description="how it is graded")
    # What an exercise shall become in the end.
    _whole: Topology | None = PrivateAttr(default=None)

    @property
    def stage_order(self) -> tuple[str, ...]:
        """Return the stage names, first to last."""
        return tuple(stage.name for stage in self.stages)

    @property
    def last_stage(self) -> str | None:
        """Return the name of the last stage, if the topology has stages."""
        return self.stages[-1].name if self.stages else None

    def is_adopted(self, machine: Machine) -> bool:
        """Tell whether an existing VM stands for this machine under the values in force."""
        adopt = machine.adopt
        return adopt is not None and holds(adopt.when, self.values)

    @property
    def owned_machines(self) -> tuple[Machine, ...]:
        """Return the machines that the lab itself makes."""
        return tuple(machine for machine in self.machines.values() if not self.is_adopted(machine))

    @property
    def adopted_machines(self) -> tuple[Machine, ...]:
        """Return the machines that stand ready already."""
        return tuple(machine for machine in self.machines.values() if self.is_adopted(machine))

    def left_undone(self, machine: Machine) -> tuple[str, ...]:
        """Return the stages of a machine that the exercise leaves to the student, in their order."""
        exercise = self.exercise
        if (
            exercise is None
            or self.is_adopted(machine)
            or (exercise.machines and machine.name not in exercise.machines)
        ):
            return ()
        wanted = exercise.stages or self.stage_order
        return tuple(stage for stage in self.stage_order if stage in wanted and machine.stages.get(stage))

    def leaves_bare(self, machine: Machine) -> bool:
        """Tell whether an exercise leaves host name, addresses and what is in every stage to the student as well."""
        left = self.left_undone(machine)
        if self.exercise is None or not left:
            return False
        own = [stage for stage in self.stage_order if machine.stages.get(stage)]
        return left[0] == own[0] if self.exercise.initial is None else self.exercise.initial == "left"

    @property
    def is_exercise(self) -> bool:
        """Tell whether it is what a student begins with."""
        return self._whole is not None

    @property
    def whole(self) -> Topology:
        """Return the topology with all that an exercise leaves to the student."""
        return self._whole or self

    def instead_of(self, whole: Topology) -> Self:
        """Return it as the exercise of another topology."""
        found = self.model_copy()
        found._whole = whole  # noqa: SLF001 -- one of its own class
        return found

    def disk_size(self, disk: Disk) -> int:
        """Return the size in MiB of a disk of a machine."""
        return mebibytes(disk.size if disk.size is not None else self.disks[disk.called].size)

    @property
    def digest(self) -> str:
        """Return a short digest of everything that changes what the lab is (not how it is verified)."""
        text = self.model_dump_json(exclude=_not_digested(self))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _not_digested(topology: Topology) -> dict[str, Any]:
    """Return what says nothing about the lab, and what is newer than digests on record, where it is not used."""
    return {
        **dict.fromkeys(
            ("verify", "exercise", "grading", "title", "description", *_unused(topology, _NEWER[Topology])), True
        ),
        "networks": {name: _unused(network, _NEWER[Network]) for name, network in topology.networks.items()},
        "machines": {name: _unused(machine, _NEWER[Machine]) for name, machine in topology.machines.items()},
    }


def _unused(model: Parameters, keys: tuple[str, ...]) -> set[str]:
    fields = type(model).model_fields
    return {key for key in keys if getattr(model, key) == fields[key].get_default(call_default_factory=True)}


# Keys that are newer than labs which exist.
_NEWER: Mapping[type[Parameters], tuple[str, ...]] = {
    Topology: ("secrets", "disks"),
    Network: ("site",),
    Machine: ("configured", "disks"),
}


class SnapshotSet(Parameters):
    """A snapshot of several machines of a lab, restored all or nothing (snapshots/NAME.yaml)."""

    name: str
    lab: str
    machines: tuple[str, ...]
    description: str = ""
    topology: str = Field(description="topology that makes this snapshot set")
    stage: str = Field(description="stage of that topology that ends in taking it")
