"""Pure functions of vboxlab that are computed once and then remembered, as thousands of processes ask them the same."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def replace_everywhere(old: object, new: object) -> None:
    """Let every module of vboxlab that has imported something have something else under its name."""
    for name, loaded in list(sys.modules.items()):
        if name.startswith("vboxlab"):
            for attribute, value in list(vars(loaded).items()):
                if value is old:
                    vars(loaded)[attribute] = new


def remember_pure_functions() -> None:
    """Remember topologies by file and values, and what is computed from them; their files never change here."""
    from vboxlab.guest import canonical, first_digest, role_registry
    from vboxlab.lab import desire
    from vboxlab.topology import catalog, loader, source

    for function in (
        source.read_source, loader.topology_of, loader.snapshot_set_of, role_registry.resources_for, canonical.digest,
        first_digest.earlier_digests, desire.package_sets, catalog.packaged_folder, catalog.project_folder,
    ):  # fmt: skip
        replace_everywhere(function, _remembering(function))


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[object, tuple[object, Any]] = {}

    @functools.wraps(function)
    def remembered(*args: Any, **kwargs: Any) -> Any:
        key = (*map(_key, args), *((name, _key(value)) for name, value in sorted(kwargs.items())))
        if key not in known:
            known[key] = (args, function(*args, **kwargs))  # the arguments are kept, as some are known by their id
        return known[key][1]

    return remembered


def _key(value: Any) -> object:
    if value is None or isinstance(value, str | Path | bool):
        return value
    if isinstance(value, Mapping):
        return tuple(sorted((name, _key(each)) for name, each in value.items()))
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return value
    return id(value)
