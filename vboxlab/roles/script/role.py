"""The parameters of a shell script that is run on a machine."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role


class ScriptRole(Role):
    """A machine on which a shell script is run as root while its check fails."""

    role: Literal["script"]
    name: str = Field(description="what reports call it")
    run: str | None = Field(default=None, description="the script, for `sh`")
    template: str | None = Field(
        default=None, description="file below the topology's folder that is the script, with `{parameter}` filled in"
    )
    check: str = Field(description="shell command without side effects that succeeds once the script has done its work")
    timeout: int = Field(default=300, ge=1, le=3600, description="seconds that it may take, times --time-scale")

    list_order: ClassVar[int] = 25
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True
    template_fills: ClassVar[str] = "run"

    def tells_all(self) -> bool:
        """Tell that it may route, forward and answer anything."""
        return False
