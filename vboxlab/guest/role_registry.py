"""The guest's side of the roles, and what the roles of a machine come to together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from vboxlab.guest.filling import declared
from vboxlab.guest.finding_texts import EXPECTED, FOUND
from vboxlab.guest.naming import naming
from vboxlab.guest.network import network
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Resource, merge
from vboxlab.guest.roles import GuestRole
from vboxlab.guest.wording import Texts
from vboxlab.language import N_
from vboxlab.topology.code import Broken, NotFit
from vboxlab.topology.exercise import EXERCISE
from vboxlab.topology.model import Machine, Topology
from vboxlab.topology.role_registry import FoundRole, found_of, known_roles
from vboxlab.topology.roles import Role


def guest_roles() -> Mapping[str, GuestRole[Any]]:
    """Return the guest's side of all roles that may be met, by name; of those alone that have one that can be used.

    Where folders beside several topologies have roles of one name, that of the last one has it.
    """
    return {role.code.name: side for role, side in guest_sides().items()}


def guest_sides() -> Mapping[FoundRole, GuestRole[Any]]:
    """Return the guest's side of all roles that may be met, by where each was found."""
    return _sides(known_roles())[0]


def broken_guest_sides() -> tuple[Broken, ...]:
    """Return the roles whose guest's side cannot be used."""
    return _sides(known_roles())[1]


@cache
def _sides(roles: tuple[FoundRole, ...]) -> tuple[Mapping[FoundRole, GuestRole[Any]], tuple[Broken, ...]]:
    found: dict[FoundRole, GuestRole[Any]] = {}
    broken: list[Broken] = []
    texts: tuple[dict[str, str], ...] = (dict(FOUND), dict(EXPECTED))
    owners = dict.fromkeys([*FOUND, *EXPECTED], "")
    for role in roles:
        try:
            side = _loaded(role)
            for told, own in zip(texts, (side.found, side.expected), strict=True):
                _expect_own_codes(told, own, owners)
        except NotFit as why:
            broken.append(role.broken(why))
            continue
        found[role] = side
        for told, own in zip(texts, (side.found, side.expected), strict=True):
            told.update(own)
            owners.update(dict.fromkeys(own, f"{role.code.name} ({role.origin})"))
    return found, tuple(broken)


def _expect_own_codes(told: Mapping[str, str], own: Texts, owners: Mapping[str, str]) -> None:
    """Raise NotFit when a role has other words for what somebody else has words for already."""
    for code, words in own.items():
        if told.get(code, words) != words:
            text = N_("its code {code} of a finding is also one of {owner}; expected one that begins with its name")
            raise NotFit(text, code=code, owner=owners[code] or "vboxlab")


@cache
def _loaded(role: FoundRole) -> GuestRole[Any]:
    module = role.code.module("guest")
    if module is None:
        raise NotFit(N_("there is no guest.py beside its role.py; expected one with `IN_GUEST`"))
    found = getattr(module, "IN_GUEST", None)
    if not isinstance(found, GuestRole):
        text = N_("IN_GUEST of {module} is {value!r}; expected a vboxlab.guest.roles.GuestRole")
        raise NotFit(text, module=module.__name__, value=found)
    return found


def in_guest(role: Role) -> GuestRole[Any]:
    """Return the guest's side of a role. Raises RoleUnusable where there is none that can be used."""
    found = found_of(role)
    try:
        if found.code.is_ours:
            return _loaded(found)
        sides, broken = _sides(known_roles())
        if found in sides:
            return sides[found]
        raise next(each.why for each in broken if each == found.broken(each.why))
    except NotFit as why:
        raise found.unusable(why) from why


def resources_for(topology: Topology, machine: Machine, stage: str | None) -> tuple[Resource, ...]:
    """Return everything that must be true in a machine's guest at a stage (None: only what holds in every stage).

    Host name, names and network come first, then the roles in order; a later role has the last word on a key.
    Of a machine that is not configured nothing is known. In an exercise other machines count as what they shall become.
    """
    whole = topology.whole
    if not machine.configured or (topology.is_exercise and whole.leaves_bare(whole.machines[machine.name])):
        return ()
    place = Place(whole, machine, whole.last_stage if stage == EXERCISE else stage)
    resources: list[Resource] = [*naming(place), *network(place)]
    for role in place.roles:
        resources.extend(in_guest(role).resources(role, place))
    return merge(declared(resources, whole))
