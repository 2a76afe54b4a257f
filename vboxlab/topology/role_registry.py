"""Which roles there are: those that the entry points of the group `vboxlab.roles` name, ours as anybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial, reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from operator import or_
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field

from vboxlab import language
from vboxlab.errors import RoleUnusable
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.topology.roles import Role

GROUP = "vboxlab.roles"
_OURS = "vboxlab.roles."  # modules of roles that have been tested


@dataclass(frozen=True)
class InstalledRole:
    """A role that can be used, and where it was found."""

    kind: type[Role]
    entry: EntryPoint

    @property
    def origin(self) -> str:
        """Return the distribution that it is of, such as `vboxlab 0.1.0`."""
        return _origin(self.entry)

    def module(self, name: str) -> ModuleType | None:
        """Load the module that stands beside the role's role.py, None where there is none.

        Raises RoleUnusable when it fails.
        """
        full = f"{_package(self.entry)}.{name}"
        try:
            return import_module(full) if find_spec(full) else None
        except Exception as error:  # anybody's code runs here, and may fail in any way
            text = _("{subject}: {problem}")
            raise self.unusable(text.format(subject=type(error).__name__, problem=error)) from error

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
        raise trouble()
    return found


def any_role() -> Any:
    """Return the type of a role in a topology: the union of all usable ones, told apart by `role`.

    Raises nothing for those that are not: a lab of machines can be taken away whatever else is installed. Whoever
    reads a topology asks for installed_roles.
    """
    kinds = [role.kind for role in _found()[0].values()] or [Role]
    return Annotated[reduce(or_, kinds), Field(discriminator="role")] if len(kinds) > 1 else kinds[0]


class _NotFit(Exception):
    """A role is not fit for use: a marked sentence that says why, and its values."""

    def __init__(self, entry: EntryPoint, why: str, **values: str) -> None:
        super().__init__(why)
        self.entry, self.why, self.values = entry, why, values

    def error(self) -> RoleUnusable:
        """Return the error to tell."""
        return _unusable(self.entry, _(self.why).format(**self.values))


@cache
def _found() -> tuple[Mapping[str, InstalledRole], Callable[[], RoleUnusable] | None]:
    """Return the roles that can be used, and what makes the error of the first trouble with one.

    The model asks when it is loaded, and what is told is known in the language of whoever hears it.
    """
    found: dict[str, InstalledRole] = {}
    trouble: Callable[[], RoleUnusable] | None = None
    for entry in entry_points(group=GROUP):
        try:
            role = InstalledRole(_loaded(entry), entry)
            _take_sentences(entry)
        except _NotFit as unfit:
            trouble = trouble or unfit.error
            continue
        if entry.name in found:
            trouble = trouble or partial(_twice, entry.name, found[entry.name], role)
        found.setdefault(entry.name, role)
    if not found and trouble is None:
        trouble = _none
    ordered = sorted(found.items(), key=lambda item: (item[1].kind.list_order, item[0]))
    return MappingProxyType(dict(ordered)), trouble


def _none() -> RoleUnusable:
    return RoleUnusable(
        _("no role is installed, not even vboxlab's own"),
        details=[_("no distribution has an entry point of the group {group}").format(group=GROUP)],
        resolution=_("install vboxlab again, so that its entry points are written anew"),
    )


def _twice(name: str, *roles: InstalledRole) -> RoleUnusable:
    text = _("{role} of {distribution}")
    return RoleUnusable(
        _("the role {role} is there twice").format(role=name),
        details=[text.format(role=name, distribution=role.origin) for role in roles],
        resolution=_("remove one of these distributions from the Python environment of vboxlab"),
    )


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else _("an unknown distribution")


def _package(entry: EntryPoint) -> str:
    return entry.module.removesuffix(".role")


def _take_sentences(entry: EntryPoint) -> None:
    """Take the role's sentences in other languages, from the folder beside its role.py."""
    folder = Path(str(import_module(entry.module).__file__)).with_name("locale")
    try:
        language.add(folder)
    except Exception as error:  # anybody's file is read here
        text = N_("its sentences in {folder} cannot be read: {problem}")
        raise _NotFit(entry, text, folder=str(folder), problem=str(error)) from error


def _loaded(entry: EntryPoint) -> type[Role]:
    if not entry.module.endswith(".role"):
        raise _NotFit(entry, N_("{module} is no module role of a package"), module=entry.module)
    try:
        kind = entry.load()
    except Exception as error:  # anybody's code runs here, and may fail in any way
        text = N_("{subject}: {problem}")
        raise _NotFit(entry, text, subject=type(error).__name__, problem=str(error)) from error
    if not (isinstance(kind, type) and issubclass(kind, Role)):
        text = N_("{value} is no class that derives from vboxlab.topology.roles.Role")
        raise _NotFit(entry, text, value=entry.value)
    if not entry.module.startswith(_OURS):
        _build(kind, entry)
    names = kind.model_fields["role"].annotation
    if get_origin(names) is not Literal or get_args(names) != (entry.name,):
        raise _NotFit(entry, N_('its class does not say `role: Literal["{role}"]`'), role=entry.name)
    taken = [key for key in kind.model_fields if key != "role" and hasattr(Role, key)]
    if taken:
        text = N_("its parameter {parameter} has the name of a question that vboxlab asks of roles")
        raise _NotFit(entry, text, parameter=taken[0])
    order: object = kind.list_order  # what the class says, whatever its annotation
    if not isinstance(order, int):
        raise _NotFit(entry, N_("its list_order is {value}; expected a whole number"), value=repr(order))
    return kind


def _build(kind: type[Role], entry: EntryPoint) -> None:
    """See that a model can be made of a role's parameters, which nobody else looks at before a topology is read."""
    try:
        kind.model_rebuild()
    except Exception as error:  # whatever pydantic makes of anybody's annotations
        text = N_("{subject}: {problem}")
        raise _NotFit(entry, text, subject=type(error).__name__, problem=str(error)) from error


def _unusable(entry: EntryPoint, why: str) -> RoleUnusable:
    return RoleUnusable(
        _("the role {role} of {distribution} cannot be loaded").format(role=entry.name, distribution=_origin(entry)),
        details=[f"{entry.name} = {entry.value}", why],
        resolution=_("install that distribution again or another version of it, or remove it"),
    )
