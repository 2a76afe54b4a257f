"""The words that a topology may use for roles, and what is told of those that it uses in vain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from vboxlab.lazily import dataclass
from vboxlab.topology.code import Unusable
from vboxlab.topology.model import Topology
from vboxlab.topology.problems import Problem
from vboxlab.topology.role_registry import FoundRole, broken_roles, installed_roles
from vboxlab.topology.source import Source


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The roles that a topology may use, the model that takes them, and by key and word what cannot be used."""

    roles: Mapping[str, FoundRole]
    unusable: Mapping[tuple[str, str], Unusable]
    topology: type[Topology]

    def explained(self, problem: Problem, source: Source) -> Problem:
        """Return a problem of a file; of a word that cannot be used, with the reason."""
        before, _dash, key = problem.code.partition("-")
        found = self.unusable.get((key, str(source.get(problem.place)))) if before == "unknown" else None
        return replace(problem, code=found.code, message=found.sentence) if found else problem


@cache
def installed_vocabulary() -> Vocabulary:
    """Return what every topology may use: the installed roles. Raises RoleUnusable when there is none."""
    roles = installed_roles()
    unusable: dict[tuple[str, str], Unusable] = {
        (broken.kind, broken.name): broken for broken in broken_roles() if broken.name not in roles
    }
    return Vocabulary(roles, unusable, Topology)
