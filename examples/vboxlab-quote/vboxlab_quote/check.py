"""A check for `verify:` that a machine serves its quote."""

from __future__ import annotations

import shlex
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.language import _
from vboxlab.topology.check_interface import Guests, OutsideCheck, Seen, Verdict, cannot_tell, failed, passed

# Perl is in every Debian; what cannot be reached makes it end with 1.
ASK = 'my $s = IO::Socket::INET->new(PeerAddr => "$ARGV[0]:17", Timeout => 5) or exit 1; print while <$s>'


class QuoteCheck(OutsideCheck):
    """A machine reads a quote of another one."""

    check: Literal["quote"]
    source: str = Field(alias="from", description="machine that asks")
    at: str = Field(description="name or address that is asked")
    contains: str = Field(default="", description="text that the quote must have")

    made_for: ClassVar[int] = 1

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that asks: it must run."""
        return (self.source,)

    def summary(self) -> str:
        """Return what is checked, in a line."""
        return _("{machine} reads a quote at {host}").format(machine=self.source, host=self.at)

    def observe(self, guests: Guests) -> Seen:
        """Ask, and return what came."""
        ran = guests.run(self.source, f"perl -MIO::Socket::INET -e {shlex.quote(ASK)} {shlex.quote(self.at)}")
        return {"exit_code": ran.exit_code, "quote": ran.stdout.strip()}

    def judge(self, seen: Seen) -> Verdict:
        """Return what follows from what came."""
        if seen["exit_code"] == 1:
            return failed(_("{host} does not answer on port 17").format(host=self.at))
        if seen["exit_code"] != 0:
            return cannot_tell(_("perl did not run on {machine}").format(machine=self.source))
        if not seen["quote"] or self.contains not in seen["quote"]:
            return failed(_("it says {quote}, expected {text}").format(quote=repr(seen["quote"]), text=self.contains))
        return passed(seen["quote"])
