"""The parameters of commands that are run on a machine."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters, Role


class CommandEntry(Parameters):
    """A command, and the test that says whether it is still needed. A list is run as it is, a text by `sh -c`."""

    run: str | tuple[str, ...] = Field(description="what is run as root while the test fails")
    unless: str | tuple[str, ...] = Field(
        description="test without side effects that succeeds once the command has done its work"
    )
    name: str | None = Field(default=None, description="what reports call it; default: what is run")
    timeout: int = Field(default=300, ge=1, le=3600, description="seconds that it may take, times --time-scale")


class CommandsRole(Role):
    """A machine on which commands are run, one after the other, those that are needed."""

    role: Literal["commands"]
    commands: tuple[CommandEntry, ...] = Field(min_length=1)

    list_order: ClassVar[int] = 24
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True

    def tells_all(self) -> bool:
        """Tell that it may route, forward and answer anything."""
        return False
