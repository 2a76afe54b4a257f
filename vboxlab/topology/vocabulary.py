"""The words that a topology may use for roles and checks, and what is told of those that it uses in vain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from vboxlab.lazily import dataclass
from vboxlab.topology.check_registry import FoundCheck, broken_checks, installed_checks
from vboxlab.topology.code import Unusable
from vboxlab.topology.model import Topology
from vboxlab.topology.problems import Problem
from vboxlab.topology.role_registry import FoundRole, broken_roles, installed_roles
from vboxlab.topology.source import Source


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The roles and checks that a topology may use (of checks those that are not ours), the model that takes them, and by key and word what cannot be used."""

    roles: Mapping[str, FoundRole]
    checks: Mapping[str, FoundCheck]
    unusable: Mapping[tuple[str, str], Unusable]
    topology: type[Topology]

    def explained(self, problem: Problem, source: Source) -> Problem:
        """Return a problem of a file; of a word that cannot be used, with the reason."""
        before, _dash, key = problem.code.partition("-")
        found = self.unusable.get((key, str(source.get(problem.place)))) if before == "unknown" else None
        return replace(problem, code=found.code, message=found.sentence) if found else problem


@cache
def installed_vocabulary() -> Vocabulary:
    """Return what every topology may use: the installed roles and checks. Raises RoleUnusable when there is none."""
    roles, checks = installed_roles(), installed_checks()
    unusable: dict[tuple[str, str], Unusable] = {
        (broken.kind, broken.name): broken
        for broken in (*broken_roles(), *broken_checks())
        if broken.name not in (roles if broken.kind == "role" else checks)
    }
    return Vocabulary(roles, checks, unusable, Topology)
