"""Load a topology or snapshot-set file: all its problems in one error, or an immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.catalog import FoundParts
from vboxlab.topology.expansion import expand
from vboxlab.topology.growth import NO_TEMPLATES
from vboxlab.topology.lookalikes import lookalikes
from vboxlab.topology.model import SnapshotSet, Topology
from vboxlab.topology.parameters import scope_of, values_in_force
from vboxlab.topology.parts import NoParts, PartFiles
from vboxlab.topology.problems import Problem, in_order, invalid, without_follow_ups
from vboxlab.topology.rules_snapshots import snapshot_problems
from vboxlab.topology.shape import fit
from vboxlab.topology.source import Data, Source, read_source
from vboxlab.topology.subject import Known, Subject
from vboxlab.topology.templates import FoundTemplates, TemplateFiles
from vboxlab.topology.validation import doubts_of, problems_of
from vboxlab.topology.vocabulary import Vocabulary, installed_vocabulary

NO_VALUES: Mapping[str, str] = MappingProxyType({})
NOTHING_KNOWN = Known()
NO_PARTS = NoParts()


@dataclass(frozen=True)
class Beside:
    """What a topology's file may name: parts, templates, roles and checks (None: the installed ones)."""

    parts: PartFiles = NO_PARTS
    templates: TemplateFiles = NO_TEMPLATES
    vocabulary: Vocabulary | None = None


NOTHING_BESIDE = Beside()
_FILLERS: Mapping[str, Data] = MappingProxyType({"lab": "lab", "base": "base", "networks": {}, "machines": {}})


def load_topology(
    path: Path,
    values: Mapping[str, str] = NO_VALUES,
    *,
    name: str | None = None,
    known: Known = NOTHING_KNOWN,
    for_copy: bool = False,
) -> Topology:
    """Load a topology with its parameters' default values, or the given ones.

    `name` is the topology's name; default: the file's name without its ending. References to bases and snapshot sets
    are checked against those that are `known`, and whether it can be had `for_copy` of the lab.
    Raises TopologyInvalid with every problem of the file, UsageError when the file cannot be read or a value is given
    for a parameter that it does not declare, RoleUnusable when no role is installed.
    """
    return topology_of(
        read_source(path),
        values,
        name or path.stem,
        known,
        for_copy=for_copy,
        beside=Beside(FoundParts(path), FoundTemplates(path)),
    )


def topology_of(
    source: Source,
    values: Mapping[str, str],
    name: str,
    known: Known = NOTHING_KNOWN,
    *,
    for_copy: bool = False,
    beside: Beside = NOTHING_BESIDE,
) -> Topology:
    """Make a topology of a file that has been read, and of the parts and templates that it names.

    Raises as load_topology does.
    """
    return _examined(source, values, name, known, for_copy=for_copy, beside=beside).topology


def doubts_in(
    source: Source,
    values: Mapping[str, str],
    name: str,
    known: Known = NOTHING_KNOWN,
    *,
    beside: Beside = NOTHING_BESIDE,
) -> tuple[Problem, ...]:
    """Return the warnings about the topology of a file that has been read. Raises as load_topology does."""
    return tuple(in_order(doubts_of(_examined(source, values, name, known, for_copy=False, beside=beside))))


def _examined(
    source: Source, values: Mapping[str, str], name: str, known: Known, *, for_copy: bool, beside: Beside
) -> Subject:
    """Make a topology and keep every rule to it. Raises as load_topology does."""
    vocabulary = beside.vocabulary or installed_vocabulary()
    if not isinstance(source.data, dict):
        raise invalid(source.file, [*source.problems, _not_a_mapping(source, "lab, base, networks, machines …")])
    text = source.text
    in_force = values_in_force(source, values)
    expanded = expand(source, source.data, scope_of(source, in_force), beside.parts, beside.templates, vocabulary.roles)
    source = expanded.source
    data, more = _completed(expanded.data, source)
    problems = [*source.problems, *expanded.problems, *more]
    data["name"], data["values"] = name, dict(in_force)
    found = fit(vocabulary.topology, data, source, _FILLERS)
    told = [vocabulary.explained(problem, source) for problem in found.problems]
    problems += without_follow_ups(problems, told, expanded.unsure)
    subject = Subject(found.model, source, found, known, for_copy) if found.model is not None else None
    if subject is not None:
        found_by_rules = problems_of(subject, vocabulary.roles.values())
        problems += without_follow_ups(problems, found_by_rules, expanded.unsure)
    if problems or subject is None:
        raise invalid(source.file, [*problems, *lookalikes(text, problems)])
    return subject


def load_snapshot_set(path: Path, topology: Topology | None = None) -> SnapshotSet:
    """Load a snapshot set; its name is the file's without its ending.

    `topology`, the one that makes the set, lets its machines and stage be checked as well.
    Raises TopologyInvalid with every problem of the file, UsageError when the file cannot be read.
    """
    return snapshot_set_of(read_source(path), path.stem, topology)


def snapshot_set_of(source: Source, name: str, topology: Topology | None = None) -> SnapshotSet:
    """Make a snapshot set of a file that has been read. Raises as load_snapshot_set does."""
    if not isinstance(source.data, dict):
        raise invalid(source.file, [*source.problems, _not_a_mapping(source, "lab, topology, stage, machines")])
    problems = [*source.problems, *_name_given(source, ())]
    found = fit(SnapshotSet, {**source.data, "name": name}, source)
    problems += found.problems
    if found.model is not None:
        problems += snapshot_problems(found.model, source, topology)
    if problems or found.model is None:
        raise invalid(source.file, [*problems, *lookalikes(source.text, problems)])
    return found.model


def is_snapshot_set(source: Source) -> bool:
    """Tell whether a file is meant to be a snapshot set: it names the topology that makes it."""
    return isinstance(source.data, dict) and "topology" in source.data and "networks" not in source.data


def _not_a_mapping(source: Source, keys: str) -> Problem:
    if source.data is None:
        message = _("the file is empty; expected keys and values ({keys})").format(keys=keys)
    else:
        message = _("the file has no keys at its top; expected keys and values ({keys})").format(keys=keys)
    return Problem("wrong-type", source.key(()), message)


def _name_given(source: Source, place: tuple[str, ...]) -> list[Problem]:
    data = source.get(place)
    if not isinstance(data, dict) or "name" not in data:
        return []
    if place:
        message = _("machine `{machine}` is named by its key; expected no `name` here").format(machine=place[-1])
    else:
        message = _("the file is named by its own name; expected no `name` here")
    return [Problem("unknown-key", source.key((*place, "name")), message, (*place, "name"))]


def _completed(data: Mapping[str, Data], source: Source) -> tuple[dict[str, Data], list[Problem]]:
    """Add what a file leaves out: a machine's name is its key, an adapter's slot its place, `verify` may be a list."""
    result = dict(data)
    problems = _name_given(source, ())
    if isinstance(result.get("verify"), list):
        result["verify"] = {"steps": result["verify"]}
    machines = result.get("machines")
    if isinstance(machines, dict):
        folder = Path(source.file).absolute().parent
        result["machines"] = {name: _completed_machine(name, machine, folder) for name, machine in machines.items()}
        for name in machines:
            problems += _name_given(source, ("machines", name))
    if "values" in result:
        message = _("`values` is not a key of the file; expected default values under `parameters`")
        problems.append(Problem("unknown-key", source.key(("values",)), message, ("values",)))
    return result, problems


def _completed_machine(name: str, machine: Data, folder: Path) -> Data:
    if not isinstance(machine, dict):
        return machine
    result: dict[str, Data] = {**machine, "name": name}
    adapters = machine.get("adapters")
    if isinstance(adapters, list):
        result["adapters"] = [
            {**adapter, "slot": adapter.get("slot") or str(place)} if isinstance(adapter, dict) else adapter
            for place, adapter in enumerate(adapters, start=1)
        ]
    disks = machine.get("disks")
    if isinstance(disks, list):  # the first is the base's
        result["disks"] = [_completed_disk(f"disk{place}", disk) for place, disk in enumerate(disks, start=2)]
    dvd = machine.get("dvd")
    if isinstance(dvd, str) and dvd:
        result["dvd"] = str(folder / dvd)
    return result


def _completed_disk(name: str, disk: Data) -> Data:
    return disk if not isinstance(disk, dict) or disk.keys() & {"name", "shared"} else {**disk, "name": name}
