"""The checks of a scenario that ask a service from outside, as its clients do."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vboxlab.language import _
from vboxlab.topology.places import show
from vboxlab.topology.roles import Parameters
from vboxlab.topology.step import CheckStep, Names, Seconds

HttpUrl = Annotated[str, Field(pattern=r"^http://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$")]
"""A plain HTTP address: the prober speaks HTTP/1.0 without TLS."""
_HOST = r"[A-Za-z0-9.-]+"
ProbeUrl = Annotated[
    str,
    Field(
        pattern=rf"^(https?://{_HOST}(:[0-9]{{1,5}})?(/[!-~]*)?|(tcp|udp)://{_HOST}:[0-9]{{1,5}}|"
        rf"dns://{_HOST}(:[0-9]{{1,5}})?/{_HOST}|ping://{_HOST})?$"
    ),
]
"""What a client asks: http://HOST/PATH, https://…, tcp://HOST:PORT, udp://…, dns://SERVER/NAME or ping://HOST."""
PAGES = ("http://", "https://")
HEX = "hex:"
SLOW_PACE = 1.0  # seconds between commands: a process each, where everything else is asked by the one prober


class Asking(Parameters):
    """What a client asks again and again: an address, or a command that it runs."""

    url: ProbeUrl = ""
    ca: str = Field(
        default="",
        pattern="^(/[^\\x00-\\x1f]+)?$",
        description="of https: file on the client with the certificates of the authorities that are trusted",
    )
    certificate: str = Field(
        default="",
        pattern=rf"^({_HOST})?$",
        description="of https: name that the certificate must be for, and the page is asked for by; default: the host",
    )
    send: str = Field(
        default="", max_length=2000, description="of udp: what is sent, a text or bytes as `hex:` and their digits"
    )
    run: tuple[Annotated[str, Field(pattern=r"^[^\x00]*$")], ...] = Field(
        default=(),
        description="instead of an address: a command without a shell: good when it ends with 0, told by its output",
    )
    root: bool = Field(default=False, description="of a command: run as root")
    every: float
    timeout: Seconds

    @property
    def asked(self) -> str:
        """Return what is asked, for people."""
        return shlex.join(self.run) if self.run else self.url

    @property
    def is_page(self) -> bool:
        """Tell whether pages are asked for."""
        return self.url.startswith(PAGES)

    @property
    def payload(self) -> bytes:
        """Return what is sent. Raises ValueError when its digits are no whole bytes."""
        return bytes.fromhex(self.send.removeprefix(HEX)) if self.send.startswith(HEX) else self.send.encode()

    @model_validator(mode="before")
    @classmethod
    def _has_its_own_pace(cls, said: object) -> object:
        if isinstance(said, Mapping) and said.get("run") and "every" not in said:
            return {**said, "every": SLOW_PACE}
        return said

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if bool(self.url) == bool(self.run):
            raise ValueError(_("expected one of `url` and `run`"))
        if self.run and not self.run[0]:
            raise ValueError(_("expected a command"))
        if self.root and not self.run:
            raise ValueError(_("`root` is of `run` alone"))
        return self

    @model_validator(mode="after")
    def _says_what_its_kind_needs(self) -> Self:
        is_https, is_udp = self.url.startswith("https://"), self.url.startswith("udp://")
        if is_https and not self.ca:
            raise ValueError(_("{url} needs `ca`, the file of the authorities that are trusted").format(url=self.url))
        if (self.ca or self.certificate) and not is_https:
            raise ValueError(_("`ca` and `certificate` are of https alone, and {url} is not").format(url=self.asked))
        if is_udp and not self.send:
            raise ValueError(_("{url} needs `send`, what is sent").format(url=self.url))
        if self.send and not is_udp:
            raise ValueError(_("`send` is of udp alone, and {url} is not").format(url=self.asked))
        try:
            _sent = self.payload
        except ValueError:
            text = _("`send`: expected two hexadecimal digits a byte after `hex:`, not {digits}")
            raise ValueError(text.format(digits=show(self.send.removeprefix(HEX)))) from None
        return self


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


class ProbeCheck(Asking, CheckStep):
    """What a machine asks is answered as expected, each of so many times: a page, a port, a name server, a command."""

    check: Literal["probe"]
    source: str = Field(alias="from")
    expect: Literal["ok", "refused", "timeout", "unreachable", "untrusted"] = Field(
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
            "untrusted": _("from {machine}, {url} has a certificate that is not trusted"),
        }[self.expect]
        return text.format(machine=self.source, url=self.asked)

    @model_validator(mode="after")
    def _expects_what_may_come(self) -> Self:
        may_come = ("ok", "timeout") if self.run else ("ok", "refused", "timeout", "unreachable")
        if self.expect not in may_come and not (self.expect == "untrusted" and self.url.startswith("https://")):
            raise ValueError(_("{url} cannot become {outcome}").format(url=self.asked, outcome=self.expect))
        return self


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

    @property
    def logins(self) -> tuple[str, ...]:
        """Return the client, and the machines that are rebooted from within."""
        return (self.source, *self.persist)

    def summary(self) -> str:
        """Return who shares what."""
        return _("{count} requests to {url} are shared by {machines}").format(
            count=self.requests, url=self.url, machines=", ".join(self.over)
        )
