"""Code that brings a role or a check: where it is found, and what is told of one that is not fit for use.

Anybody's code runs when it is loaded, and may fail in any way: whatever it raises is a reason, and stops nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol

from vboxlab import language
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass

Kind = Literal["role", "check"]
GROUPS: Mapping[Kind, str] = {"role": "vboxlab.roles", "check": "vboxlab.checks"}
"""The groups of entry points that name them."""
_OURS = "vboxlab.roles."  # modules that have been tested
MOST_TOLD = 300  # characters of what an error says
AGAIN = N_("install that distribution again or another version of it, or remove it")
_LOADED: dict[str, str] = {
    "role": N_("the role {role} of {distribution} cannot be loaded"),
    "check": N_("the check {check} of {distribution} cannot be loaded"),
}


class NotFit(Exception):
    """Code is not fit for use: a marked sentence that says why, and its values."""

    def __init__(self, why: str, **values: object) -> None:
        super().__init__(why)
        self.why, self.values = why, values

    def told(self) -> str:
        """Return why, in the language spoken."""
        return _(self.why).format(**self.values)


class Code(Protocol):
    """The code of a role or check: a distribution's, or that of a folder beside a topology."""

    @property
    def kind(self) -> Kind:
        """Return what it brings."""

    @property
    def name(self) -> str:
        """Return the name that a topology uses."""

    @property
    def written(self) -> str:
        """Return where it is named, such as `quote = quote.role:QuoteRole` or `roles/quote`."""

    @property
    def origin(self) -> str:
        """Return whose it is: a distribution such as `vboxlab 0.1.0`, or a folder."""

    @property
    def is_ours(self) -> bool:
        """Tell whether it comes with vboxlab, so that it has been tested."""

    @property
    def advice(self) -> str:
        """Return what is done about one that is not fit, marked for the catalogues."""

    def load(self) -> object:
        """Return its class. Raises NotFit."""

    def module(self, name: str) -> ModuleType | None:
        """Load the module of a name that stands beside its class's; None where there is none. Raises NotFit."""

    def take_sentences(self) -> None:
        """Take its sentences in other languages, from the folder locale beside its class. Raises NotFit."""


class Unusable(Protocol):
    """A name that a topology may use in vain, and what is said where it does."""

    @property
    def code(self) -> str:
        """Return the stable code of the problem."""

    def sentence(self, file: str) -> str:
        """Return what is wrong where a topology's file uses it, and what to do, in the language spoken."""


@dataclass(frozen=True)
class Broken:
    """A role or check that is named and cannot be used."""

    kind: Kind
    name: str
    written: str
    origin: str
    why: NotFit
    advised: str = AGAIN

    @property
    def code(self) -> str:
        """Return the code of the problem where a topology uses it."""
        return f"unusable-{self.kind}"

    @property
    def brief(self) -> str:
        """Say what cannot be used."""
        return _(_LOADED[self.kind]).format(**{self.kind: self.name, "distribution": self.origin})

    @property
    def advice(self) -> str:
        """Say what to do."""
        return _(self.advised)

    def sentence(self, file: str) -> str:
        """Say what cannot be used, why, and what to do."""
        del file
        text = _("{what}: {why}; expected one that can be used: {advice}")
        return text.format(what=self.brief, why=self.why.told(), advice=self.advice)


def broken(code: Code, why: NotFit) -> Broken:
    """Return what is told of code that is not fit for use."""
    return Broken(code.kind, code.name, code.written, code.origin, why, code.advice)


@contextmanager
def taken_for_a_reason() -> Iterator[None]:
    """Raise NotFit for whatever anybody's code raises: it may end the interpreter as well (SystemExit)."""
    try:
        yield
    except (NotFit, KeyboardInterrupt):
        raise
    except BaseException as error:
        text = N_("{subject}: {problem}")
        problem = " ".join(str(error).split())[:MOST_TOLD]
        raise NotFit(text, subject=type(error).__name__, problem=problem) from error


@dataclass(frozen=True)
class Installed:
    """Code that an entry point of a distribution names, as `NAME = "PACKAGE.FILE:CLASS"`."""

    kind: Kind
    entry: EntryPoint

    @property
    def name(self) -> str:
        """Return the name that a topology uses."""
        return self.entry.name

    @property
    def written(self) -> str:
        """Return the entry point."""
        return f"{self.entry.name} = {self.entry.value}"

    @property
    def origin(self) -> str:
        """Return the distribution that it is of, such as `vboxlab 0.1.0`."""
        return _named(self.entry.dist)

    @property
    def is_ours(self) -> bool:
        """Tell whether it comes with vboxlab."""
        return self.entry.value.startswith(_OURS)

    @property
    def advice(self) -> str:
        """Return what is done about one that is not fit."""
        return AGAIN

    @property
    def _target(self) -> tuple[str, str]:
        match = EntryPoint.pattern.match(self.entry.value)
        if match is None or not match["attr"]:
            text = N_("{value} is not written as PACKAGE.{file}:CLASS")
            raise NotFit(text, value=self.entry.value, file=self.kind)
        found = str(match["module"])
        if not found.endswith(f".{self.kind}"):
            raise NotFit(N_("{module} is no module {file} of a package"), module=found, file=self.kind)
        return found, str(match["attr"])

    def load(self) -> object:
        """Return its class. Raises NotFit."""
        module, name = self._target
        with taken_for_a_reason():
            found: object = import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
            return found

    def module(self, name: str) -> ModuleType | None:
        """Load the module of a name that stands beside its class's; None where there is none. Raises NotFit."""
        full = f"{self._target[0].removesuffix(f'.{self.kind}')}.{name}"
        with taken_for_a_reason():
            return import_module(full) if find_spec(full) else None

    def take_sentences(self) -> None:
        """Take its sentences in other languages. Raises NotFit."""
        folder = Path(str(import_module(self._target[0]).__file__)).with_name("locale")
        try:
            language.add(folder)
        except Exception as error:  # anybody's file is read here
            text = N_("its sentences in {folder} cannot be read: {problem}")
            raise NotFit(text, folder=str(folder), problem=str(error)) from error


def installed(kind: Kind) -> tuple[list[Installed], list[Broken]]:
    """Return what entry points name, each name once, and what of it cannot be told or used.

    Ours keep their names. Where two others have one name, none of them is used: nobody can know which is meant.
    """
    entries, unusable = _entries(kind)
    by_name: dict[str, list[Installed]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(Installed(kind, entry))
    usable = []
    for found in by_name.values():
        kept = [code for code in found if code.is_ours][:1] or found
        if len(kept) == 1:
            usable += kept
        for code in found:
            if len(kept) > 1 or code is not kept[0]:
                others = ", ".join(other.origin for other in found if other is not code)
                why = NotFit(N_("its name is also that of one of {others}"), others=others)
                unusable.append(broken(code, why))
    return usable, unusable


def _entries(kind: Kind) -> tuple[list[EntryPoint], list[Broken]]:
    try:
        return list(_all_entries(tuple(sys.path))[kind]), []
    except Exception:  # noqa: BLE001 -- one distribution's metadata is damaged: those of the others are not
        found: list[EntryPoint] = []
        unusable = []
    seen = set()
    for distribution in distributions():
        name = _named(distribution)
        if name in seen and name != _named(None):  # the first in the path is the one that is imported
            continue
        seen.add(name)
        try:
            found += [entry for entry in distribution.entry_points if entry.group == GROUPS[kind]]
        except Exception as error:  # noqa: BLE001 -- see above
            if kind == "role":  # told once
                why = NotFit("{subject}: {problem}", subject="entry_points.txt", problem=str(error))
                unusable.append(Broken(kind, "?", "entry_points.txt", name, why))
    return found, unusable


@cache
def _all_entries(_path: tuple[str, ...]) -> Mapping[Kind, tuple[EntryPoint, ...]]:
    """Return the entry points that are found in a path: to look for them takes longer than anything else here."""
    found = entry_points()
    return {kind: tuple(found.select(group=group)) for kind, group in GROUPS.items()}


def _named(distribution: Distribution | None) -> str:
    try:
        name = distribution.metadata["Name"] if distribution is not None else None
        version = distribution.version if distribution is not None and name else None
    except Exception:  # noqa: BLE001 -- whatever its metadata is
        name = version = None
    return f"{name} {version}" if name else _("an unknown distribution")
