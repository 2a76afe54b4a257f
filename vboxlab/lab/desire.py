"""From a topology to what the planner compares: images, ports, digests and marks of every machine."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from vboxlab.guest.canonical import digest
from vboxlab.guest.first_digest import earlier_digests
from vboxlab.guest.resources import prepared_packages
from vboxlab.guest.role_registry import resources_for
from vboxlab.lab.ports import Reservations, management_ports
from vboxlab.lazily import dataclass
from vboxlab.listening import is_free
from vboxlab.planning.desired import Desired, DesiredMachine, desired_machine, stages_of
from vboxlab.planning.host import Host
from vboxlab.planning.names import choose_names
from vboxlab.planning.observed import (
    MARK_ADOPTED,
    MARK_EXERCISE,
    MARK_TOPOLOGY,
    MARK_USER,
    MARK_VALUES,
    ObservedMachine,
)
from vboxlab.topology.addressing import LabName, Names
from vboxlab.topology.model import Machine, SnapshotSet, Topology
from vboxlab.topology.undone import is_left


@dataclass(frozen=True)
class PackageSets:
    """The packages of a machine: those its image has, what each later stage adds up to, and what a student installs."""

    image: tuple[str, ...]
    by_stage: Mapping[str | None, tuple[str, ...]]
    offered: tuple[str, ...] = ()  # that the image has archives of

    @property
    def later(self) -> tuple[tuple[str, ...], ...]:
        """Return the sets of packages that stages bring a machine of the image to, the next one first."""
        return tuple(dict.fromkeys(each for each in self.by_stage.values() if not set(each) <= set(self.image)))


def package_sets(topology: Topology, machine: Machine, members: Mapping[str, tuple[str, ...]]) -> PackageSets:
    """Say which packages belong in the machine's image: those of all stages, or up to its first snapshot.

    A snapshot must hold nothing of the stages after it, so its machine's image must not either.
    """
    stages = stages_of(topology, machine, members)
    by_stage: dict[str | None, tuple[str, ...]] = {
        stage: prepared_packages(resources_for(topology, machine, stage)) for stage in (None, *stages)
    }
    snapshots = {stage.name: stage.snapshot for stage in topology.stages}
    ends_in_snapshot = [s for s in stages if machine.name in members.get(snapshots[s] or "", ())]
    first = ends_in_snapshot[0] if ends_in_snapshot else (stages[-1] if stages else None)
    if topology.start_from and machine.name in members.get(topology.start_from, ()):
        first = None
    return PackageSets(by_stage[first], by_stage, _offered(topology, machine, by_stage))


def _offered(topology: Topology, machine: Machine, by_stage: Mapping[str | None, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the packages that the stages which an exercise leaves undone would install, besides those that it has.

    None for a machine with a source of packages of its own, of which nothing is known beforehand.
    """
    whole = topology.whole
    left = whole.left_undone(whole.machines[machine.name])
    if not topology.is_exercise or not left:
        return ()
    wanted = prepared_packages(resources_for(whole, whole.machines[machine.name], left[-1]))
    return tuple(sorted(set(wanted).difference(*by_stage.values())))


def digest_of(topology: Topology, machine: Machine, stage: str | None) -> str:
    """Return a digest of all resources of a machine at a stage: what "configured" means there."""
    return digest(resources_for(topology, machine, stage))


def chosen_values(topology: Topology) -> dict[str, str]:
    """Return the parameters' values that are not the defaults, sorted."""
    return {
        key: value
        for key, value in sorted(topology.values.items())
        if key in topology.parameters and topology.parameters[key].default != value
    }


def marks_of(topology: Topology) -> dict[str, str | None]:
    """Return the marks that say what a machine was brought to and by whom; None for one that it shall not have."""
    values = json.dumps(chosen_values(topology), sort_keys=True, ensure_ascii=False)
    adopted = sorted(machine.adopt.vm for machine in topology.adopted_machines if machine.adopt is not None)
    return {
        MARK_TOPOLOGY: topology.name,
        MARK_VALUES: values,
        MARK_USER: getpass.getuser(),
        MARK_ADOPTED: json.dumps(adopted, ensure_ascii=False) if adopted else None,
        MARK_EXERCISE: topology.name if topology.is_exercise else None,
    }


def recorded_values(machines: Sequence[ObservedMachine]) -> dict[str, str]:
    """Return the parameters' values recorded with a lab's machines; an unreadable record counts as none."""
    values: dict[str, str] = {}
    for machine in machines:
        with suppress(ValueError, RecursionError):
            recorded = json.loads(machine.marks.get(MARK_VALUES, "{}"))
            if isinstance(recorded, dict):
                values.update({key: value for key, value in recorded.items() if isinstance(value, str)})
    return values


def members_of(sets: Sequence[SnapshotSet]) -> dict[str, tuple[str, ...]]:
    """Return the machines of each snapshot set by the set's name."""
    return {entry.name: entry.machines for entry in sets}


def desire(
    topology: Topology,
    lab: LabName,
    host: Host,
    sets: Sequence[SnapshotSet],
    *,
    until: str | None = None,
    prepared: Callable[[str], bool] = lambda _base: True,
    stock: Callable[[str], bool] = lambda _base: False,
    free: Callable[[int], bool] = is_free,
    reserved: Reservations | None = None,
    plain_free: bool = True,
    to_come: Collection[str] = (),
) -> Desired:
    """Put together the desired state of a lab.

    `prepared` tells whether a base's packages need no network, `stock` whether its guests know nothing of vboxlab,
    `plain_free` whether no other vboxlab is just giving the plain names to its lab. `to_come` are machines that the lab
    will have besides those of the topology.
    """
    members = members_of(sets)
    owned = topology.owned_machines
    ports = management_ports(lab, [machine.name for machine in owned if machine.configured], host, free, reserved)
    naming = choose_names(topology, lab, host, plain_free=plain_free, to_come=to_come)
    machines = {
        machine.name: _desired(topology, naming.names, machine, ports.get(machine.name), members, prepared, stock)
        for machine in owned
    }
    return Desired(topology, naming, machines, marks_of(topology), members, until)


def _desired(
    topology: Topology,
    names: Names,
    machine: Machine,
    port: int | None,
    members: Mapping[str, tuple[str, ...]],
    prepared: Callable[[str], bool],
    stock: Callable[[str], bool],
) -> DesiredMachine:
    stages = stages_of(topology, machine, members)
    base = machine.base or topology.base
    image = package_sets(topology, machine, members).image
    resources = {stage: resources_for(topology, machine, stage) for stage in (None, *stages)}
    return desired_machine(
        topology,
        names,
        machine,
        image=" + ".join((base, *image)),
        port=port,
        digests={stage: digest(wanted) for stage, wanted in resources.items()},
        earlier_digests={stage: earlier_digests(wanted) for stage, wanted in resources.items()},
        snapshot_members=members,
        needs_network=not prepared(base),
        stock=stock(base),
        left=is_left(topology, machine.name),
    )
