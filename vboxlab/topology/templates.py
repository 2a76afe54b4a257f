"""Templates: files beside a topology whose text its roles use, with `{name}` filled in as in the topology's own texts.

A role says which of its keys a template fills (vboxlab.topology.roles.Role.template_fills): where `template: NAME`
stands in it, the text of that file is taken for the key when the topology is expanded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.problems import Place, Position
from vboxlab.topology.role_registry import FoundRole, installed_roles
from vboxlab.topology.source import Data, Source, look, unprintable

TEMPLATE = "template"
"""The key that names a template."""
LARGEST = 256 * 1024  # bytes
_LISTS = {"roles": 4, "stages": 5}  # how deep the place of a role is: below machines.NAME.roles, or of a stage


@dataclass(frozen=True)
class Template:
    """A template that has been read: how messages call its file, and its text."""

    file: str
    text: str


class WrongTemplate(Exception):
    """A template cannot be used: says why, and where when that is in its own file."""

    def __init__(self, why: str, position: Position | None = None) -> None:
        super().__init__(why)
        self.position = position


class TemplateFiles(Protocol):
    """The templates that a topology can name."""

    def read(self, name: str, near: str) -> Template:
        """Return a template by its path below the folder of the file that names it, or below the topology's.

        `near` is the file that names it. Raises WrongTemplate when it cannot be used.
        """


class NoTemplates:
    """No template at all, for topologies that stand in no folder."""

    def read(self, name: str, near: str) -> Template:
        """Raise that there is none."""
        del near
        raise WrongTemplate(_("there is no template {name}").format(name=f"`{name}`"))


class FoundTemplates:
    """The templates below the folder of a topology's file, and below those of the parts that it names."""

    def __init__(self, topology: Path) -> None:
        self._folder = topology.parent

    def read(self, name: str, near: str) -> Template:
        """Return a template. Raises WrongTemplate."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name or any(char in name for char in "\\:\0"):
            text = _("{name} is no template; expected a path below the topology's folder, without `..`")
            raise WrongTemplate(text.format(name=f"`{name}`"))
        folders = dict.fromkeys((Path(near).parent, self._folder))
        found = next((folder for folder in folders if folder.joinpath(*path.parts).is_file()), None)
        if found is None:
            text = _("there is no template {name}; expected a file in {folder}")
            raise WrongTemplate(text.format(name=f"`{name}`", folder=" / ".join(map(str, folders))))
        file = found.joinpath(*path.parts)
        if not file.resolve().is_relative_to(found.resolve()):
            text = _("the template {name} leads out of {folder}; expected a file in it")
            raise WrongTemplate(text.format(name=f"`{name}`", folder=found))
        return Template(str(file), _text(file))


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        said = _(error.strerror) if error.strerror else str(error)
        text = _("the template {file} cannot be read: {problem}")
        raise WrongTemplate(text.format(file=file, problem=said)) from error
    if len(content) > LARGEST:
        text = _("the template {file} is larger than {count} KiB; expected a file that configures something")
        raise WrongTemplate(text.format(file=file, count=LARGEST // 1024))
    try:
        # A checkout on Windows may end lines as Windows does: the guest's file is the same from everywhere.
        decoded = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        text = _("byte 0x{byte:02X} is not UTF-8; expected a text file saved as UTF-8")
        before = content[: error.start]
        position = Position(before.count(b"\n") + 1, len(before) - before.rfind(b"\n"), str(file))
        raise WrongTemplate(text.format(byte=content[error.start]), position) from error
    if name := unprintable(decoded):
        offset = next(index for index, char in enumerate(decoded) if unprintable(char))
        text = _("the text has the character {character}; expected printable text")
        raise WrongTemplate(text.format(character=name), position_in(decoded, offset, str(file)))
    return decoded


def position_in(text: str, offset: int, file: str) -> Position:
    """Return the line and column of a place in the text of a file."""
    before = text[:offset]
    return Position(before.count("\n") + 1, offset - before.rfind("\n"), file)


def key_filled(
    data: Mapping[str, Data], at: Place, source: Source, roles: Mapping[str, FoundRole] | None = None
) -> str:
    """Return the key that the template of a mapping fills, by the role that it is in; "" when it names none.

    `roles` are those that the topology may use; default: the installed ones.
    """
    if TEMPLATE not in data or at[:1] != ("machines",) or len(at) < 4:
        return ""
    name = look(source.data, (*at[: _LISTS.get(str(at[2]), 0)], "role"))
    known = installed_roles() if roles is None else roles
    role = known.get(name) if isinstance(name, str) else None
    return role.kind.template_fills if role is not None else ""
