"""What proves a scheme: `mutants/NAME.yaml` beside a topology, each a small break that must cost what it names.

    mutants:
      - mutant: hosts-mode
        title: everybody may read the keys
        on: srv-web
        edits: [{edit: /etc/hosts, mode: "644"}]
        fails: [heartbeat]
      - mutant: other-words
        title: blanks and another order mean the same
        on: [srv-web, srv-web-bis]
        edits: [{edit: /etc/hosts, replace: {" +": "  "}}]

What fails nothing is the reference in other words: it must keep full marks. Questions that depend on one that fails
follow from it, and are not named. Patterns are Python's regular expressions; `^` and `$` are those of a line, and holes
such as `{student}` are filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from vboxlab.language import _
from vboxlab.topology.parameters import fill
from vboxlab.topology.roles import Parameters
from vboxlab.topology.step import Names

MUTANT_NAME = r"^[a-z][a-z0-9-]*$"
_MODE = r"^[0-7]{3,4}$"
_OWNER = r"^[a-z_][a-z0-9_-]*:[a-z_][a-z0-9_-]*$"


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(_("expected an absolute path of the guest, such as /etc/hosts"))
    return path


def _patterns(replace: dict[str, str]) -> dict[str, str]:
    for pattern in replace:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(_("`{pattern}` is no regular expression").format(pattern=pattern)) from error
    return replace


GuestPath = Annotated[str, AfterValidator(_absolute)]


class FileEdit(Parameters):
    """A file of the guest, changed: what of it is not said stays."""

    edit: GuestPath
    whole: str | None = Field(default=None, description="its new text")
    replace: Annotated[dict[str, str], AfterValidator(_patterns)] = Field(
        default_factory=dict, description="by pattern, what stands there instead; each must be found"
    )
    append: str = Field(default="", description="text at its end")
    mode: str | None = Field(default=None, pattern=_MODE, description="such as 644")
    owner: str | None = Field(default=None, pattern=_OWNER, description="such as root:root")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.whole is not None and (self.replace or self.append):
            raise ValueError(_("a whole text leaves nothing to change; expected `whole` or `replace` and `append`"))
        if not (self.changes_text or self.mode or self.owner):
            raise ValueError(_("nothing is changed; expected one of whole, replace, append, mode, owner"))
        return self

    @property
    def changes_text(self) -> bool:
        """Tell whether the text of the file becomes another."""
        return self.whole is not None or bool(self.replace or self.append)

    def applied(self, text: str, values: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
        """Return a text after the edit under parameter values, and the patterns that were not found in it."""
        if self.whole is not None:
            return fill(self.whole, values), ()
        missed = []
        for pattern, instead in self.replace.items():
            text, count = re.subn(_filled(pattern, values), fill(instead, values), text, flags=re.MULTILINE)
            if not count:
                missed.append(pattern)
        return text + fill(self.append, values), tuple(missed)


class FileRemoval(Parameters):
    """A file of the guest that is taken away."""

    remove: GuestPath


class ServiceEdit(Parameters):
    """A service of the guest that does not start at boot any more, or does."""

    service: str = Field(min_length=1)
    at_boot: bool


class AdapterEdit(Parameters):
    """A NIC on another network, or with its cable out, as the hypervisor has it."""

    adapter: int = Field(ge=1, le=7, description="its slot")
    network: str | None = Field(default=None, description="network of the topology that it is plugged into instead")
    plugged: bool = True

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.network is None and self.plugged:
            raise ValueError(_("nothing is changed; expected `network: NAME` or `plugged: false`"))
        return self


class CommandEdit(Parameters):
    """A command in the guest, as root. What it does is undone by going back to the snapshot."""

    run: Annotated[tuple[str, ...], Field(min_length=1)]


def _kind(value: Any) -> str | None:
    kinds = ("edit", "remove", "service", "adapter", "run")
    if isinstance(value, dict):
        return next((kind for kind in kinds if kind in value), "edit")
    return next((kind for kind in kinds if hasattr(value, kind)), None)


Edit = Annotated[
    Annotated[FileEdit, Tag("edit")]
    | Annotated[FileRemoval, Tag("remove")]
    | Annotated[ServiceEdit, Tag("service")]
    | Annotated[AdapterEdit, Tag("adapter")]
    | Annotated[CommandEdit, Tag("run")],
    Discriminator(_kind),
]


class Mutant(Parameters):
    """A small break of a finished lab, and the questions that it must cost."""

    mutant: str = Field(pattern=MUTANT_NAME, description="its name in results, never changed")
    title: str = Field(min_length=1, description="what is wrong, in a sentence")
    on: Names = Field(description="machines")
    edits: Annotated[tuple[Edit, ...], Field(min_length=1)]
    fails: tuple[str, ...] = Field(default=(), description="questions that fail; none: other words for the same")

    @property
    def is_undone_by_hand(self) -> bool:
        """Tell whether nothing but files and what starts at boot is changed, so that it can be put back exactly."""
        return all(isinstance(each, FileEdit | FileRemoval | ServiceEdit) for each in self.edits)


class Mutants(Parameters):
    """The mutants of a topology (mutants/NAME.yaml beside it)."""

    mutants: Annotated[tuple[Mutant, ...], Field(min_length=1)]

    def named(self, names: tuple[str, ...]) -> tuple[Mutant, ...]:
        """Return those of some names, all where none is given."""
        return tuple(each for each in self.mutants if not names or each.mutant in names)


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    return fill(pattern, {name: re.escape(value) for name, value in values.items()})
