"""`validate`: all that is wrong or doubtful in topologies, snapshot sets and parts by themselves; no lab is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from vboxlab.base.recipe import RECIPES
from vboxlab.base.store import BaseStore
from vboxlab.errors import RoleUnusable, TopologyInvalid, UsageError
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.settings import Settings, load_settings
from vboxlab.topology.catalog import snapshot_set_names
from vboxlab.topology.library import Library
from vboxlab.topology.loader import doubts_in, is_snapshot_set, snapshot_set_of
from vboxlab.topology.model import Topology
from vboxlab.topology.origins import made_first
from vboxlab.topology.parts import declaration_problems, is_part
from vboxlab.topology.problems import Problem, invalid
from vboxlab.topology.rules_mutants import is_mutants, mutants_of
from vboxlab.topology.source import Source
from vboxlab.topology.subject import Known


@dataclass(frozen=True)
class ValidateRequest:
    """Files by path or topology name, and values for the topologies that declare the parameter."""

    files: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Validated:
    """The problems and warnings of each file, a line each, in the order that the files were named."""

    problems: Mapping[Path, tuple[str, ...]]
    warnings: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_fine(self) -> bool:
        """Tell whether there is no problem at all; warnings are none."""
        return not any(self.problems.values())

    def lines(self, path: Path) -> tuple[str, ...]:
        """Return all that there is to say of a file."""
        return (*self.problems[path], *self.warnings.get(path, ()))


def validate(request: ValidateRequest) -> Validated:
    """Check each file as what it is.

    Raises UsageError when a file cannot be found, or a value is given for a parameter that none of the files declares;
    RoleUnusable when no role is installed.
    """
    settings = load_settings()
    library = Library(settings)
    paths = [library.find_topology(file) for file in request.files]
    problems: dict[Path, tuple[str, ...]] = {}
    warnings: dict[Path, tuple[str, ...]] = {}
    declared: set[str] = set()
    for path in paths:
        problems[path] = ()
        try:
            source = library.source(path)
            parameters = source.get(("parameters",))
            known = parameters if isinstance(parameters, dict) else {}
            own = {key: value for key, value in request.values.items() if key in known}
            declared |= own.keys()
            warnings[path] = tuple(each.render(source.file) for each in _check(source, path, own, settings, library))
        except RoleUnusable:
            raise
        except TopologyInvalid as error:
            problems[path] = tuple(error.details)
    for key in request.values:
        if key not in declared:
            raise UsageError(_("--set {key}=…: none of the files declares a parameter `{key}`").format(key=key))
    return Validated(problems, warnings)


def _check(
    source: Source, path: Path, values: Mapping[str, str], settings: Settings, library: Library
) -> tuple[Problem, ...]:
    """Load one file as what it is and return the warnings; raises TopologyInvalid when it has problems."""
    if is_snapshot_set(source):
        found = snapshot_set_of(source, path.stem)
        snapshot_set_of(source, path.stem, _maker(source, found.topology, path, library))
    elif is_mutants(source):
        mutants_of(source, library.topology(path.resolve().parent.parent / path.name, values))
    elif is_part(source):
        problems = declaration_problems(source)
        if problems:
            raise invalid(source.file, problems)
    else:
        known = Known(_base_names(settings), snapshot_set_names(settings, path), made_first(path, library))
        return doubts_in(source, values, path.stem, known, beside=library.beside(path))
    return ()


def _base_names(settings: Settings) -> frozenset[str]:
    """Return the bases that this host has or can build."""
    store = BaseStore(settings)
    return frozenset(RECIPES) | {base.name for base in store.list()} | {base.name for base in store.added.all()}


def _maker(source: Source, name: str, path: Path, library: Library) -> Topology:
    """Return the topology that makes a snapshot set: beside the set's folder, else wherever the name is found."""
    beside = path.resolve().parent.parent / "topologies" / f"{name}.yaml"
    where = source.value(("topology",))
    try:
        return library.topology(beside if beside.is_file() else library.find_topology(name))
    except UsageError as error:
        message = _("; ").join([error.brief, error.details[0]])
        raise invalid(source.file, [Problem("unknown-topology", where, message)]) from error
    except TopologyInvalid as error:
        text = _("topology `{topology}` has problems of its own ({problem}); expected one without")
        message = text.format(topology=name, problem=error.brief)
        raise invalid(source.file, [Problem("bad-topology", where, message)]) from error
