"""`vboxlab validate`: check topology and snapshot-set files without touching any lab."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options

if TYPE_CHECKING:
    from vboxlab.settings import Settings
    from vboxlab.topology.model import Topology
    from vboxlab.topology.source import Source


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@options.set_values
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def validate(files: tuple[str, ...], values: dict[str, str], as_json: bool) -> int:
    """Check topology and snapshot-set files and report every problem in all of them.

    FILE is a path, or the name of a topology as `vboxlab list` shows it. A value given with --set is used by the
    topologies that declare the parameter. Exit code 3 when there is any problem.
    """
    from vboxlab.cli import output
    from vboxlab.errors import EXIT_INVALID, EXIT_OK
    from vboxlab.settings import load_settings
    from vboxlab.topology.catalog import find_topology

    settings = load_settings()
    paths = [find_topology(file, settings) for file in files]
    problems = _problems(paths, values, settings)
    if as_json:
        output.say_json({str(path): found for path, found in problems.items()})
    else:
        for path, found in problems.items():
            for line in found or [f"{path}: no problem found"]:
                output.say(line)
    return EXIT_INVALID if any(problems.values()) else EXIT_OK


def _problems(paths: list[Path], values: Mapping[str, str], settings: Settings) -> dict[Path, list[str]]:
    """Return the problems of each file.

    Raises UsageError when a value is given for a parameter that none of the files declares.
    """
    from vboxlab.errors import RoleUnusable, TopologyInvalid, UsageError
    from vboxlab.topology.source import read_source

    result: dict[Path, list[str]] = {}
    declared: set[str] = set()
    for path in paths:
        result[path] = []
        try:
            source = read_source(path)
            parameters = source.get(("parameters",))
            own = {key: value for key, value in values.items() if isinstance(parameters, dict) and key in parameters}
            declared |= set(own)
            _check(source, path, own, settings)
        except RoleUnusable:
            raise
        except TopologyInvalid as error:
            result[path] = list(error.details)
    for key in values:
        if key not in declared:
            raise UsageError(f"--set {key}=…: none of the files declares a parameter `{key}`")
    return result


def _check(source: Source, path: Path, values: Mapping[str, str], settings: Settings) -> None:
    """Load one file as what it is; raises TopologyInvalid when it has problems."""
    from vboxlab.topology.catalog import snapshot_set_names
    from vboxlab.topology.loader import is_snapshot_set, snapshot_set_of, topology_of
    from vboxlab.topology.origins import made_first
    from vboxlab.topology.validation import Known

    if is_snapshot_set(source):
        found = snapshot_set_of(source, path.stem)
        snapshot_set_of(source, path.stem, _maker(source, found.topology, path, settings))
    else:
        known = Known(_base_names(settings), snapshot_set_names(settings, path), made_first(path, settings))
        topology_of(source, values, path.stem, known)


def _base_names(settings: Settings) -> frozenset[str]:
    """Return the bases that this host has or can build."""
    from vboxlab.base.recipe import RECIPES
    from vboxlab.base.store import BaseStore

    store = BaseStore(settings)
    return frozenset(RECIPES) | {base.name for base in store.list()} | {base.name for base in store.added.all()}


def _maker(source: Source, name: str, path: Path, settings: Settings) -> Topology:
    """Return the topology that makes a snapshot set: beside the set's folder, else wherever the name is found."""
    from vboxlab.errors import TopologyInvalid, UsageError
    from vboxlab.topology.catalog import find_topology
    from vboxlab.topology.loader import load_topology
    from vboxlab.topology.problems import Problem, invalid

    beside = path.resolve().parent.parent / "topologies" / f"{name}.yaml"
    where = source.value(("topology",))
    try:
        return load_topology(beside if beside.is_file() else find_topology(name, settings))
    except UsageError as error:
        message = f"{error.brief}; {error.details[0]}"
        raise invalid(source.file, [Problem("unknown-topology", where, message)]) from error
    except TopologyInvalid as error:
        message = f"topology `{name}` has problems of its own ({error.brief}); expected one without"
        raise invalid(source.file, [Problem("bad-topology", where, message)]) from error
