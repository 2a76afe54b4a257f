"""The words that a topology may use for roles and checks, and what is told of those that it uses in vain."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model

from vboxlab.language import N_
from vboxlab.lazily import dataclass
from vboxlab.topology import check_registry, role_registry
from vboxlab.topology.check_registry import FoundCheck, any_check, broken_checks, fit_checks, installed_checks
from vboxlab.topology.code import Code, Kind, NotFit, Unusable, broken
from vboxlab.topology.code_folder import CodeFolder, InFolder, read_code
from vboxlab.topology.grading import Question, Scheme
from vboxlab.topology.model import Machine, Topology
from vboxlab.topology.problems import Problem
from vboxlab.topology.role_registry import FoundRole, any_role, broken_roles, fit_roles, in_order, installed_roles
from vboxlab.topology.scenario import Scenario, any_step
from vboxlab.topology.source import Source
from vboxlab.topology.trust import Untrusted, is_trusted, untrusted_in


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What a topology may use: roles, checks that are not ours, and the model that takes them.

    `unusable` has by key and name what it may use in vain; `folder` is the code beside it, where there is any.
    """

    roles: Mapping[str, FoundRole]
    checks: Mapping[str, FoundCheck]
    unusable: Mapping[tuple[str, str], Unusable]
    topology: type[Topology]
    folder: CodeFolder | None = None

    def explained(self, problem: Problem, source: Source) -> Problem:
        """Return a problem of a file; of a word that cannot be used, with the reason."""
        before, _dash, key = problem.code.partition("-")
        found = self.unusable.get((key, str(source.get(problem.place)))) if before == "unknown" else None
        return replace(problem, code=found.code, message=found.sentence(source.file)) if found else problem

    @property
    def untrusted(self) -> tuple[Untrusted, ...]:
        """Return what is in the folder beside the topology and may not run."""
        return tuple(each for each in self.unusable.values() if isinstance(each, Untrusted))


@cache
def installed_vocabulary() -> Vocabulary:
    """Return what every topology may use: the installed roles and checks. Raises RoleUnusable where no role is."""
    roles, checks = installed_roles(), installed_checks()
    unusable: dict[tuple[str, str], Unusable] = {
        (each.kind, each.name): each
        for each in (*broken_roles(), *broken_checks())
        if each.name not in (roles if each.kind == "role" else checks)
    }
    return Vocabulary(roles, checks, unusable, Topology)


_loading = threading.Lock()
_of_folders: dict[tuple[str, str], Vocabulary] = {}


def vocabulary_beside(folder: Path, home: Path) -> Vocabulary:
    """Return what a topology in a folder may use: the code beside it as well, where its user has agreed to run it.

    Nothing of a folder is run that is not trusted in the home. Raises RoleUnusable where no role is installed.
    """
    installed, code = installed_vocabulary(), read_code(folder)
    if code is None:
        return installed
    if not is_trusted(home, code):
        unusable = dict(installed.unusable)
        unusable.update({(each.kind, each.name): each for each in untrusted_in(code, home)})
        return replace(installed, unusable=unusable, folder=code)
    key = str(code.path), code.digest
    with _loading:
        if key not in _of_folders:
            _of_folders[key] = _with_folder(installed, code)
        return _of_folders[key]


def _with_folder(installed: Vocabulary, folder: CodeFolder) -> Vocabulary:
    roles, unfit_roles = fit_roles(_codes("role", folder))
    checks, unfit_checks = fit_checks(_codes("check", folder))
    unusable: dict[tuple[str, str], Unusable] = dict(installed.unusable)
    origins = {(each.code.kind, each.code.name): each.origin for each in _all(installed.roles, installed.checks)}
    for code in [each.code for each in roles] + [each.code for each in checks]:
        unusable.pop((code.kind, code.name), None)
        if (code.kind, code.name) in origins:  # nobody can know which is meant
            why = NotFit(N_("its name is also that of one of {others}"), others=origins[code.kind, code.name])
            unusable[code.kind, code.name] = broken(code, why)
    for each in (*unfit_roles, *unfit_checks):
        unusable[each.kind, each.name] = each
    usable_roles = in_order(
        role for role in (*installed.roles.values(), *roles) if ("role", role.code.name) not in unusable
    )
    usable_checks = {
        check.code.name: check
        for check in (*installed.checks.values(), *checks)
        if ("check", check.code.name) not in unusable
    }
    role_registry.know(role for role in roles if role in usable_roles.values())
    check_registry.know(check for check in checks if check in usable_checks.values())
    topology = _model(usable_roles.values(), usable_checks.values())
    return Vocabulary(usable_roles, usable_checks, unusable, topology, folder)


def _all(roles: Mapping[str, FoundRole], checks: Mapping[str, FoundCheck]) -> list[FoundRole | FoundCheck]:
    return [*roles.values(), *checks.values()]


def _codes(kind: Kind, folder: CodeFolder) -> list[Code]:
    return [InFolder(kind, name, folder) for name in folder.names(kind)]


def _model(roles: Iterable[FoundRole], checks: Iterable[FoundCheck]) -> type[Topology]:
    """Return the model of topologies that may use these roles and checks, besides our own checks."""
    role: Any = any_role(found.kind for found in roles)
    step: Any = any_step(any_check([found.kind for found in checks]))
    described = Machine.model_fields["roles"].description
    machine = create_model(
        "Machine",
        __base__=Machine,
        __doc__=Machine.__doc__,
        __module__=Machine.__module__,
        roles=(tuple[role, ...], Field(default=(), description=described)),
        stages=(dict[str, tuple[role, ...]], Field(default_factory=dict)),
    )
    scenario = create_model(
        "Scenario", __base__=Scenario, __doc__=Scenario.__doc__, __module__=Scenario.__module__,
        steps=(tuple[step, ...], ()),
    )  # fmt: skip
    question = create_model(
        "Question", __base__=Question, __doc__=Question.__doc__, __module__=Question.__module__,
        steps=(tuple[step, ...], ()),
    )  # fmt: skip
    scheme = create_model(
        "Scheme", __base__=Scheme, __doc__=Scheme.__doc__, __module__=Scheme.__module__,
        questions=(Annotated[tuple[question, ...], Field(min_length=1)], ...),
    )  # fmt: skip
    return create_model(
        "Topology",
        __base__=Topology,
        __doc__=Topology.__doc__,
        __module__=Topology.__module__,
        machines=(dict[str, machine], ...),
        verify=(scenario, Field(default_factory=scenario.model_construct)),
        grading=(scheme | None, Field(default=None, description=Topology.model_fields["grading"].description)),
    )
