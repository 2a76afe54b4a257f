"""What roles find wrong with a topology: the `problems` of each one's rules.py.

Of a role that is not vboxlab's own, the rest of its code is looked at as well where a topology uses it: what cannot be
loaded is told there, and not first when machines are brought up. What fails of one that is not used stops nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from vboxlab.language import N_
from vboxlab.topology.code import NotFit, taken_for_a_reason
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.role_registry import FoundRole, installed_roles
from vboxlab.topology.subject import Subject

Rules = Callable[[Subject], Iterable[Problem]]
"""What is wrong with a topology as far as a role is concerned: asked once, whether the role is used in it or not.

Codes of problems are stable. Pure; nothing is raised for a topology that is wrong.
"""


def problems_of_roles(subject: Subject, roles: Iterable[FoundRole] | None = None) -> Iterator[Problem]:
    """Yield what each role finds, in the roles' order; without any given, the installed ones are asked."""
    for role in installed_roles().values() if roles is None else roles:
        used: Place | None = next((place for _machine, _role, place in subject.roles_of(role.kind)), None)
        try:
            if used is not None and not role.code.is_ours:
                _expect_a_guest(role)
            rules = _rules_of(role)
            found = [] if rules is None else _asked(role, rules, subject)
        except NotFit as why:
            told = role.broken(why)
            found = (
                []
                if used is None
                else [subject.problem(told.code, (*used, "role"), told.sentence(subject.source.file))]
            )
        yield from found


def _asked(role: FoundRole, rules: Rules, subject: Subject) -> list[Problem]:
    if role.code.is_ours:
        return list(rules(subject))
    with taken_for_a_reason():
        found = list(rules(subject))
        wrong = next((each for each in found if not isinstance(each, Problem)), None)
    if wrong is not None:
        raise NotFit(N_("its rules yield {value}; expected problems of the subject"), value=repr(wrong))
    return found


@cache
def _rules_of(role: FoundRole) -> Rules | None:
    module = role.code.module("rules")
    if module is None:
        return None
    rules: Rules | None = getattr(module, "problems", None)
    if not callable(rules):
        raise NotFit(N_("{module} has no function problems"), module=module.__name__)
    return rules


def _expect_a_guest(role: FoundRole) -> None:
    """Raise NotFit when a role has nothing to say of its guest; what that is, is looked at by who asks it."""
    module = role.code.module("guest")
    if module is None:
        raise NotFit(N_("there is no guest.py beside its role.py; expected one with `IN_GUEST`"))
    if getattr(module, "IN_GUEST", None) is None:
        text = N_("IN_GUEST of {module} is {value!r}; expected a vboxlab.guest.roles.GuestRole")
        raise NotFit(text, module=module.__name__, value=None)
