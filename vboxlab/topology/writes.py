"""The measure that asks whether a service keeps what it has acknowledged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vboxlab.language import _
from vboxlab.topology.caused import CausedStep
from vboxlab.topology.fault_sequences import all_machines
from vboxlab.topology.roles import Parameters
from vboxlab.topology.step import Seconds

FolderUrl = Annotated[str, Field(pattern=r"^http://[A-Za-z0-9.-]+(:[0-9]{1,5})?/([!-~]*/)?$")]
"""A folder of a web server that takes files (PUT of RFC 9110): http://HOST/FOLDER/."""


class LimitsOfWrites(Parameters):
    """Limits of what may become of acknowledged writes."""

    lost: int = Field(default=0, ge=0, description="acknowledged writes that are not there afterwards")


class Writes(CausedStep):
    """Numbered files, written to a web server around a fault: those that it acknowledged must be there afterwards."""

    measure: Literal["writes"]
    url: FolderUrl
    every: float = Field(default=0.2, ge=0.02, le=10, description="seconds between writes, times --time-scale")
    timeout: Seconds = Field(default=2.0, gt=0, description="per write, times --time-scale")
    before: Seconds = Field(default=3.0, description="seconds of writes before the cause, times --time-scale")
    observe: Seconds = Field(default=3.0, description="seconds of writes once they succeed again, times --time-scale")
    within: Seconds = Field(default=60.0, description="seconds that writes have to succeed again, times --time-scale")
    limits: LimitsOfWrites = Field(default_factory=LimitsOfWrites)

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that write and suffer."""
        return (self.source, *all_machines(self.causes))

    def summary(self) -> str:
        """Return what is asked."""
        text = _("what {url} has acknowledged is there when {cause}")
        return text.format(url=self.url, cause=self.cause_words)
