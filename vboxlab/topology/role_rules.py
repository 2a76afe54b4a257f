"""What the installed roles find wrong with a topology: the `problems` of each one's rules.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from vboxlab.language import _
from vboxlab.topology.problems import Problem
from vboxlab.topology.role_registry import InstalledRole, installed_roles
from vboxlab.topology.subject import Subject

Rules = Callable[[Subject], Iterable[Problem]]
"""What is wrong with a topology as far as a role is concerned: asked once, whether the role is used in it or not.

Codes of problems are stable. Pure; nothing is raised for a topology that is wrong.
"""


def problems_of_roles(subject: Subject) -> Iterator[Problem]:
    """Yield what each role finds, in the roles' order. Raises RoleUnusable when the rules of one cannot be loaded."""
    for rules in _rules():
        yield from rules(subject)


@cache
def _rules() -> tuple[Rules, ...]:
    return tuple(rules for role in installed_roles().values() if (rules := _rules_of(role)) is not None)


def _rules_of(role: InstalledRole) -> Rules | None:
    module = role.module("rules")
    if module is None:
        return None
    rules: Rules | None = getattr(module, "problems", None)
    if not callable(rules):
        raise role.unusable(_("{module} has no function problems").format(module=module.__name__))
    return rules
