"""Which checks there are beside vboxlab's own: those that the entry points of the group `vboxlab.checks` name.

One that cannot be used is known as such, and stops no other: a topology that uses it is told why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, reduce
from operator import or_
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field

from vboxlab.language import N_
from vboxlab.lazily import dataclass
from vboxlab.topology.check_interface import OutsideCheck
from vboxlab.topology.checks import OWN_CHECKS, Check
from vboxlab.topology.code import Broken, Code, NotFit, broken, installed, taken_for_a_reason
from vboxlab.topology.roles import INTERFACE
from vboxlab.topology.step import CheckStep


@dataclass(frozen=True)
class FoundCheck:
    """A check that can be used, and where it was found."""

    kind: type[OutsideCheck]
    code: Code

    @property
    def origin(self) -> str:
        """Return whose it is: a distribution such as `vboxlab-quote 1.0`, or a folder."""
        return self.code.origin


def installed_checks() -> Mapping[str, FoundCheck]:
    """Return the installed checks that can be used by name, vboxlab's own left out."""
    return _found()[0]


def broken_checks() -> tuple[Broken, ...]:
    """Return the checks that entry points name and that cannot be used."""
    return _found()[1]


def any_check(kinds: Iterable[type[OutsideCheck]] | None = None) -> Any:
    """Return the type of a check in a scenario: ours and the given ones (default: those installed), by `check`."""
    some = [check.kind for check in _found()[0].values()] if kinds is None else list(kinds)
    if not some:
        return Check
    return Annotated[reduce(or_, (*OWN_CHECKS, *some)), Field(discriminator="check")]


@cache
def _found() -> tuple[Mapping[str, FoundCheck], tuple[Broken, ...]]:
    codes, unfit = installed("check")
    found, more = fit_checks(codes)
    return MappingProxyType({check.code.name: check for check in found}), (*unfit, *more)


def fit_checks(codes: Iterable[Code]) -> tuple[list[FoundCheck], list[Broken]]:
    """Load checks, and return those that can be used, by their names, and those that cannot."""
    found, unfit = [], []
    for code in codes:
        try:
            check = FoundCheck(_loaded(code), code)
            code.take_sentences()
        except NotFit as why:
            unfit.append(broken(code, why))
        else:
            found.append(check)
    return sorted(found, key=lambda check: check.code.name), unfit


def own_check_names() -> tuple[str, ...]:
    """Return the names of vboxlab's own checks."""
    return tuple(name for kind in OWN_CHECKS for name in names_of(kind))


def names_of(kind: type[CheckStep]) -> tuple[str, ...]:
    """Return the words that a scenario may say for a check of a kind."""
    return tuple(get_args(kind.model_fields["check"].annotation))


def _loaded(code: Code) -> type[OutsideCheck]:
    if code.name in own_check_names():
        raise NotFit(N_("its name is also that of one of {others}"), others="vboxlab")
    kind = code.load()
    if not (isinstance(kind, type) and issubclass(kind, OutsideCheck)):
        text = N_("{value} is no class that derives from vboxlab.topology.check_interface.OutsideCheck")
        raise NotFit(text, value=code.written.partition(" = ")[2] or code.written)
    version: object = kind.made_for
    if version != INTERFACE:
        text = N_("it is made for version {theirs} of the interface of checks; this vboxlab has version {ours}")
        raise NotFit(text, theirs=version, ours=INTERFACE)
    with taken_for_a_reason():
        kind.model_rebuild()
    names = kind.model_fields["check"].annotation
    if get_origin(names) is not Literal or get_args(names) != (code.name,):
        raise NotFit(N_('its class does not say `check: Literal["{check}"]`'), check=code.name)
    lacking = [name for name in ("machines", "summary", "observe", "judge") if _is_inherited(kind, name)]
    if lacking:
        raise NotFit(N_("its class lacks {names}"), names=", ".join(lacking))
    return kind


def _is_inherited(kind: type[OutsideCheck], name: str) -> bool:
    return getattr(kind, name) in (getattr(OutsideCheck, name), getattr(CheckStep, name, None))


_of_folders: dict[type[OutsideCheck], FoundCheck] = {}


def know(checks: Iterable[FoundCheck]) -> None:
    """Remember checks of folders beside topologies, which are used in this process."""
    for check in checks:
        _of_folders.pop(check.kind, None)  # the last one comes last
        _of_folders[check.kind] = check


def known_checks(name: str) -> tuple[FoundCheck, ...]:
    """Return the checks of a name that may be met in this process, the last one first that a topology brought."""
    known = (*reversed(_of_folders.values()), *installed_checks().values())
    return tuple(check for check in known if check.code.name == name)
