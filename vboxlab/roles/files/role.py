"""The parameters of files of a machine."""

from __future__ import annotations

import shlex
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters, Role


class FileEntry(Parameters):
    """A file of a machine: its path, and what it holds, written here or in a template beside the topology."""

    path: str = Field(description="where it is on the machine, from /")
    content: str | None = Field(default=None, description="what it holds")
    template: str | None = Field(
        default=None, description="file below the topology's folder whose text it holds, with `{parameter}` filled in"
    )
    owner: str = "root"
    group: str | None = Field(default=None, description="default: the owner's name")
    mode: str = Field(default="0644", description="rights in octal, such as 0640")
    check: str | tuple[str, ...] | None = Field(
        default=None,
        description="command that must succeed before the file replaces the old one; `{}` or `%s` is the new file",
    )
    check_in_place: bool = Field(
        default=False,
        description="check with the new file in its place, and put the old one back when it is refused",
    )
    restarts: tuple[str, ...] = Field(default=(), description="services to restart when the file changes")

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the words of the check. Raises ValueError where its quotes are not in pairs."""
        return tuple(shlex.split(self.check)) if isinstance(self.check, str) else self.check or ()


class FilesRole(Role):
    """A machine with files of its own, written in the order of the list."""

    role: Literal["files"]
    files: tuple[FileEntry, ...] = Field(min_length=1)

    list_order: ClassVar[int] = 21
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True
    template_fills: ClassVar[str] = "content"

    def tells_all(self) -> bool:
        """Tell that it may route, forward and answer anything."""
        return False
