"""The lab that a verb's argument names, with its topology where one could be loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.lab.desire import recorded_values
from vboxlab.lab.observe import labs
from vboxlab.lab.planned import Blueprint
from vboxlab.lab.topology_file import note_file, noted_file
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.session import Session
from vboxlab.planning.host import Host
from vboxlab.planning.observed import MARK_ORIGIN, MARK_TOPOLOGY, ObservedMachine, current_topology
from vboxlab.topology.addressing import LabName
from vboxlab.topology.library import Library
from vboxlab.topology.model import SnapshotSet, Topology
from vboxlab.topology.origins import made_first
from vboxlab.topology.subject import Known


@dataclass(frozen=True)
class Target:
    """The lab that a verb works on, with its topology where one could be loaded."""

    lab: LabName
    blueprint: Blueprint | None
    problem: TopologyInvalid | UsageError | None = None

    @property
    def needed(self) -> Blueprint:
        """Return the topology. Raises what kept it from being loaded."""
        if self.blueprint is None:
            text = _("lab {lab}: its topology is not known; name the topology instead")
            raise self.problem or UsageError(text.format(lab=self.lab))
        return self.blueprint

    def base_of(self, machine: str) -> str:
        """Return the base of a machine. Raises what kept the topology from being loaded."""
        topology = self.needed.topology
        return (topology.machines[machine].base if machine in topology.machines else None) or topology.base


def load_blueprint(
    library: Library,
    name: str,
    values: Mapping[str, str],
    copy: str | None = None,
    host: Host | None = None,
) -> Blueprint:
    """Load a topology with its snapshot sets; values recorded with the lab hold unless given anew.

    Raises TopologyInvalid, or UsageError where there is no such topology or a value is for no parameter of it.
    """
    path = library.find_topology(name)
    plain = library.topology(path)
    lab = LabName(plain.lab, copy)
    recorded = recorded_values(host.of(lab)) if host is not None else {}
    known = {key: value for key, value in recorded.items() if key in plain.parameters}
    if copy and "student" in plain.parameters:
        known.setdefault("student", copy)
    merged = {**known, **values}
    topology = plain
    if merged or copy is not None or plain.start_from is not None:
        known_here = Known(made_first=made_first(path, library))
        topology = library.topology(path, merged, known=known_here, for_copy=copy is not None)

    @cache
    def load(other: str) -> Blueprint:
        declared = library.topology(library.find_topology(other)).parameters
        own = {key: value for key, value in values.items() if key in declared}
        return load_blueprint(library, other, own, copy, host)

    return Blueprint(topology, _sets(library, topology, path), load)


def _sets(library: Library, topology: Topology, path: Path) -> list[SnapshotSet]:
    names = {stage.snapshot for stage in topology.stages if stage.snapshot}
    names |= {name for name in (topology.start_from, topology.reset) if name}
    return [library.snapshot_set(library.find_snapshot_set(name, near=path)) for name in sorted(names)]


def find_target(
    session: Session, name: str, values: Mapping[str, str] | None = None, copy: str | None = None
) -> Target:
    """Find what a verb's argument names: a topology, or a lab by its ownership mark.

    A topology file that is broken or gone does not hide a lab that exists: the problem is kept in the target.
    """
    host = session.context.machines()
    try:
        found = load_blueprint(session.library, name, values or {}, copy, host)
    except (TopologyInvalid, UsageError) as error:
        by_mark = _lab_by_mark(host, name, copy)
        if by_mark is None:
            raise
        return _named_by_mark(session, by_mark, values or {}, error, name)
    lab = LabName(found.topology.lab, copy)
    clash = LabName(name, copy)
    if clash != lab and host.of(clash) and not host.of(lab):
        return Target(clash, None)
    return Target(lab, found)


def _named_by_mark(
    session: Session, lab: LabName, values: Mapping[str, str], error: TopologyInvalid | UsageError, name: str
) -> Target:
    host = session.context.machines()
    topology = current_topology(host.of(lab))
    file = noted_file(session.context.directory(lab), topology) if topology is not None else None
    if topology is None or (topology == name and file is None):
        return Target(lab, None, error)
    try:
        found = load_blueprint(session.library, str(file or topology), values, lab.copy, host)
    except (TopologyInvalid, UsageError) as problem:
        return Target(lab, None, problem)
    return Target(lab, found if found.topology.lab == lab.lab else None)


def keep_file(session: Session, name: str, lab: LabName, topology: Topology) -> None:
    """Keep with a lab where its topology lies, by what it was called, unless the topology's own name finds it.

    Raises OSError.
    """
    library = session.library
    try:
        path = library.find_topology(name)
    except UsageError:  # it was called by the lab's name: what is known stays
        return
    if path.stem != topology.name:
        return
    by_name: Path | None = None
    with suppress(UsageError):
        by_name = library.find_topology(topology.name)
    found = by_name is not None and by_name.resolve() == path.resolve()
    note_file(session.context.directory(lab), topology.name, None if found else path.resolve())


def _lab_by_mark(host: Host, name: str, copy: str | None) -> LabName | None:
    for lab, machines in sorted(host.labs_of(copy).items(), key=lambda item: item[0].lab):
        if lab.lab == name or _stands_for(machines, name):
            return lab
    return None


def _stands_for(machines: Sequence[ObservedMachine], topology: str) -> bool:
    return any(topology in (m.marks.get(MARK_TOPOLOGY), m.marks.get(MARK_ORIGIN)) for m in machines)


def only_target(
    session: Session, name: str | None, values: Mapping[str, str] | None = None, copy: str | None = None
) -> Target:
    """Return the named lab, or the only one there is. Raises UsageError naming those that exist."""
    if name is not None:
        return find_target(session, name, values, copy)
    found = [lab for lab in labs(session.context.machines()) if copy is None or lab.copy == copy]
    if len(found) == 1:
        return _of_lab(session, found[0], values)
    if not found:
        raise UsageError(
            _("there is no lab on this computer yet"), resolution=_("`vboxlab list`, then `vboxlab up TOPOLOGY`")
        )
    raise UsageError(_("there are several labs; say which one"), details=[str(lab) for lab in found])


def _of_lab(session: Session, lab: LabName, values: Mapping[str, str] | None) -> Target:
    """Return a lab that exists with the topology that it is in, which may lie where names do not find it."""
    topology = current_topology(session.context.machines().of(lab))
    if topology is not None and noted_file(session.context.directory(lab), topology) is not None:
        error = UsageError(_("lab {lab}: its topology is not known; name the topology instead").format(lab=lab))
        target = _named_by_mark(session, lab, values or {}, error, "")
        if target.blueprint is not None:
            return target
    return find_target(session, lab.lab, values, lab.copy)
