"""Which roles there are: those that the entry points of the group `vboxlab.roles` name, ours as anybody's.

One that cannot be used is known as such, and stops no other: a topology that uses it is told why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, reduce
from operator import or_
from types import MappingProxyType, ModuleType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field

from vboxlab.errors import RoleUnusable
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.topology.code import GROUPS, Broken, Code, NotFit, broken, installed, taken_for_a_reason
from vboxlab.topology.roles import INTERFACE, Role


@dataclass(frozen=True)
class FoundRole:
    """A role that can be used, and where it was found."""

    kind: type[Role]
    code: Code

    @property
    def origin(self) -> str:
        """Return whose it is: a distribution such as `vboxlab 0.1.0`, or a folder."""
        return self.code.origin

    def module(self, name: str) -> ModuleType | None:
        """Load the module that stands beside the role's role.py, None where there is none. Raises RoleUnusable."""
        try:
            return self.code.module(name)
        except NotFit as unfit:
            raise self.unusable(unfit) from unfit

    def broken(self, why: NotFit) -> Broken:
        """Return what is told of it when it cannot be used after all."""
        return broken(self.code, why)

    def unusable(self, why: NotFit) -> RoleUnusable:
        """Return the error that the role cannot be used."""
        told = self.broken(why)
        return RoleUnusable(told.brief, details=[told.written, why.told()], resolution=told.advice)


def installed_roles() -> Mapping[str, FoundRole]:
    """Return all roles that can be used by name, in the order in which lists name them.

    Raises RoleUnusable when there is none at all.
    """
    found, _broken = _found()
    if not found:
        raise RoleUnusable(
            _("no role is installed, not even vboxlab's own"),
            details=[_("no distribution has an entry point of the group {group}").format(group=GROUPS["role"])],
            resolution=_("install vboxlab again, so that its entry points are written anew"),
        )
    return found


def broken_roles() -> tuple[Broken, ...]:
    """Return the roles that entry points name and that cannot be used."""
    return _found()[1]


def any_role(kinds: Iterable[type[Role]] | None = None) -> Any:
    """Return the type of a role in a topology: the union of the given ones, told apart by `role`.

    Without any they are all that are installed and usable. Raises nothing where there is none: a lab of machines can be
    taken away whatever is installed.
    """
    some = [role.kind for role in _found()[0].values()] if kinds is None else list(kinds)
    some = some or [Role]
    return Annotated[reduce(or_, some), Field(discriminator="role")] if len(some) > 1 else some[0]


@cache
def _found() -> tuple[Mapping[str, FoundRole], tuple[Broken, ...]]:
    """Return the roles that can be used, and those that cannot."""
    codes, unfit = installed("role")
    found, more = fit_roles(codes)
    return MappingProxyType(in_order(found)), (*unfit, *more)


def fit_roles(codes: Iterable[Code]) -> tuple[list[FoundRole], list[Broken]]:
    """Load roles, and return those that can be used and those that cannot."""
    found, unfit = [], []
    for code in codes:
        try:
            role = FoundRole(_loaded(code), code)
            code.take_sentences()
        except NotFit as why:
            unfit.append(broken(code, why))
        else:
            found.append(role)
    return found, unfit


def in_order(roles: Iterable[FoundRole]) -> dict[str, FoundRole]:
    """Return roles by name, in the order in which lists name them."""
    ordered = sorted(roles, key=lambda role: (role.kind.list_order, role.code.name))
    return {role.code.name: role for role in ordered}


def _loaded(code: Code) -> type[Role]:
    kind = code.load()
    if not (isinstance(kind, type) and issubclass(kind, Role)):
        text = N_("{value} is no class that derives from vboxlab.topology.roles.Role")
        raise NotFit(text, value=code.written.partition(" = ")[2] or code.written)
    version: object = kind.made_for  # what the class says, whatever its annotation
    if version != INTERFACE:
        text = N_("it is made for version {theirs} of the interface of roles; this vboxlab has version {ours}")
        raise NotFit(text, theirs=version, ours=INTERFACE)
    if not code.is_ours:
        # See that a model can be made of its parameters: nobody else does before a topology is read.
        with taken_for_a_reason():
            kind.model_rebuild()
    names = kind.model_fields["role"].annotation
    if get_origin(names) is not Literal or get_args(names) != (code.name,):
        raise NotFit(N_('its class does not say `role: Literal["{role}"]`'), role=code.name)
    taken = [key for key in kind.model_fields if key != "role" and hasattr(Role, key)]
    if taken:
        text = N_("its parameter {parameter} has the name of a question that vboxlab asks of roles")
        raise NotFit(text, parameter=taken[0])
    order: object = kind.list_order
    if not isinstance(order, int):
        raise NotFit(N_("its list_order is {value}; expected a whole number"), value=repr(order))
    return kind


_of_folders: dict[type[Role], FoundRole] = {}


def know(roles: Iterable[FoundRole]) -> None:
    """Remember roles of folders beside topologies, which are used in this process."""
    _of_folders.update({role.kind: role for role in roles})


def known_roles() -> tuple[FoundRole, ...]:
    """Return all roles that may be met in this process: the installed ones first. Raises as installed_roles."""
    return (*installed_roles().values(), *_of_folders.values())


def found_of(role: Role) -> FoundRole:
    """Return where a role of a topology was found. Raises RoleUnusable when it is not there any more."""
    return _of_folders.get(type(role)) or installed_roles()[role.role]
