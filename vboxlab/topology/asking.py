"""The checks of a scenario that ask a service from outside, as its clients do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vboxlab.language import _
from vboxlab.topology.step import CheckStep, Names, Seconds

HttpUrl = Annotated[str, Field(pattern=r"^http://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$")]
"""A plain HTTP address: the prober speaks HTTP/1.0 without TLS."""
_HOST = r"[A-Za-z0-9.-]+"
ProbeUrl = Annotated[
    str,
    Field(
        pattern=rf"^(http://{_HOST}(:[0-9]{{1,5}})?(/[!-~]*)?|tcp://{_HOST}:[0-9]{{1,5}}|"
        rf"dns://{_HOST}(:[0-9]{{1,5}})?/{_HOST}|ping://{_HOST})$"
    ),
]
"""What a client asks: http://HOST/PATH, tcp://HOST:PORT, dns://SERVER/NAME or ping://HOST."""


class PageCheck(CheckStep):
    """A page, seen from a machine, shows a text, each of so many times."""

    check: Literal["page"]
    source: str = Field(alias="from")
    url: HttpUrl
    contains: str = ""
    status: int = Field(default=200, ge=100, le=599)
    times: int = Field(default=1, ge=1, le=1000)
    timeout: Seconds = Field(default=5.0, gt=0, description="per request, times --time-scale")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that looks at the page."""
        return (self.source,)

    def summary(self) -> str:
        """Return what is seen from where."""
        shown = self.contains or _("status {status}").format(status=self.status)
        if self.times > 1:
            text = _("from {machine}, {url} shows {text}, {times} times")
        else:
            text = _("from {machine}, {url} shows {text}")
        return text.format(machine=self.source, url=self.url, text=shown, times=self.times)


class ProbeCheck(CheckStep):
    """What a machine asks is answered as expected, each of so many times: a page, a port, a name server or a ping."""

    check: Literal["probe"]
    source: str = Field(alias="from")
    url: ProbeUrl
    expect: Literal["ok", "refused", "timeout", "unreachable"] = Field(
        default="ok", description="what becomes of it; refused and timeout tell a closed port from a filtered one"
    )
    contains: str = Field(default="", description="text that an answer must have")
    times: int = Field(default=1, ge=1, le=10000)
    every: float = Field(
        default=0.1, ge=0, le=10, description="seconds between requests, times --time-scale; 0: as fast as it can"
    )
    rate: float | None = Field(
        default=None, gt=0, description="requests a second that must at least be made; never stretched"
    )
    timeout: Seconds = Field(default=5.0, gt=0, description="per request, times --time-scale")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that asks."""
        return (self.source,)

    def summary(self) -> str:
        """Return what is asked from where, and what becomes of it."""
        text = {
            "ok": _("from {machine}, {url} answers"),
            "refused": _("from {machine}, {url} is refused"),
            "timeout": _("from {machine}, {url} gets no answer"),
            "unreachable": _("from {machine}, {url} cannot be reached"),
        }[self.expect]
        return text.format(machine=self.source, url=self.url)


class DistributionCheck(CheckStep):
    """New connections are shared evenly by exactly these machines, told apart by their pages (role web)."""

    check: Literal["distribution"]
    source: str = Field(alias="from")
    url: HttpUrl
    over: Names = Field(description="machines that share the requests; one alone must serve all")
    requests: int = Field(default=20, ge=1, le=10000)
    tolerance: int = Field(default=2, ge=0, description="requests that a machine may be away from the even share")
    timeout: Seconds = Field(default=5.0, gt=0, description="per request, times --time-scale")

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the client and the machines that serve."""
        return (self.source, *self.over)

    def summary(self) -> str:
        """Return who shares what."""
        return _("{count} requests to {url} are shared by {machines}").format(
            count=self.requests, url=self.url, machines=", ".join(self.over)
        )
