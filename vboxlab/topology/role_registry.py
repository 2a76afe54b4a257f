"""Which roles there are: those that the entry points of the group `vboxlab.roles` name, ours as anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from operator import or_
from types import MappingProxyType, ModuleType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field

from vboxlab.errors import RoleUnusable
from vboxlab.topology.roles import Role

GROUP = "vboxlab.roles"


@dataclass(frozen=True)
class InstalledRole:
    """A role that can be used, and the distribution that it is of, such as `vboxlab 0.1.0`."""

    kind: type[Role]
    origin: str
    entry: EntryPoint

    def module(self, name: str) -> ModuleType | None:
        """Load the module that stands beside the role's role.py, None where there is none.

        Raises RoleUnusable when it fails.
        """
        full = f"{_package(self.entry)}.{name}"
        try:
            return import_module(full) if find_spec(full) else None
        except Exception as error:  # anybody's code runs here, and may fail in any way
            raise self.unusable(f"{type(error).__name__}: {error}") from error

    def unusable(self, why: str) -> RoleUnusable:
        """Return the error that the role cannot be used."""
        return _unusable(self.entry, why)


@cache
def installed_roles() -> Mapping[str, InstalledRole]:
    """Return all roles by name, in the order in which lists name them.

    Raises RoleUnusable when there is none, when two have one name, or when one is not what its entry point says.
    """
    found, trouble = _found()
    if trouble is not None:
        raise trouble
    return found


def any_role() -> Any:
    """Return the type of a role in a topology: the union of all usable ones, told apart by `role`.

    Raises nothing for those that are not: a lab of machines can be taken away whatever else is installed. Whoever
    reads a topology asks for installed_roles.
    """
    kinds = [role.kind for role in _found()[0].values()] or [Role]
    return Annotated[reduce(or_, kinds), Field(discriminator="role")] if len(kinds) > 1 else kinds[0]


@cache
def _found() -> tuple[Mapping[str, InstalledRole], RoleUnusable | None]:
    """Return the roles that can be used, and the first trouble with one."""
    found: dict[str, InstalledRole] = {}
    trouble: RoleUnusable | None = None
    for entry in entry_points(group=GROUP):
        try:
            role = InstalledRole(_loaded(entry), _origin(entry), entry)
        except RoleUnusable as error:
            trouble = trouble or error
            continue
        if entry.name in found:
            trouble = trouble or _twice(entry.name, found[entry.name], role)
        found.setdefault(entry.name, role)
    if not found and trouble is None:
        trouble = RoleUnusable(
            "no role is installed, not even vboxlab's own",
            details=[f"no distribution has an entry point of the group {GROUP}"],
            resolution="install vboxlab again, so that its entry points are written anew",
        )
    ordered = sorted(found.items(), key=lambda item: (item[1].kind.list_order, item[0]))
    return MappingProxyType(dict(ordered)), trouble


def _twice(name: str, *roles: InstalledRole) -> RoleUnusable:
    return RoleUnusable(
        f"the role {name} is there twice",
        details=[f"{name} of {role.origin}" for role in roles],
        resolution="remove one of these distributions from the Python environment of vboxlab",
    )


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown distribution"


def _package(entry: EntryPoint) -> str:
    return entry.module.removesuffix(".role")


def _loaded(entry: EntryPoint) -> type[Role]:
    if not entry.module.endswith(".role"):
        raise _unusable(entry, f"{entry.module} is no module role of a package")
    try:
        kind = entry.load()
    except Exception as error:  # anybody's code runs here, and may fail in any way
        raise _unusable(entry, f"{type(error).__name__}: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Role)):
        raise _unusable(entry, f"{entry.value} is no class that derives from vboxlab.topology.roles.Role")
    names = kind.model_fields["role"].annotation
    if get_origin(names) is not Literal or get_args(names) != (entry.name,):
        raise _unusable(entry, f'its class does not say `role: Literal["{entry.name}"]`')
    taken = [key for key in kind.model_fields if key != "role" and hasattr(Role, key)]
    if taken:
        raise _unusable(entry, f"its parameter {taken[0]} has the name of a question that vboxlab asks of roles")
    return kind


def _unusable(entry: EntryPoint, why: str) -> RoleUnusable:
    return RoleUnusable(
        f"the role {entry.name} of {_origin(entry)} cannot be loaded",
        details=[f"{entry.name} = {entry.value}", why],
        resolution="install that distribution again or another version of it, or remove it",
    )
