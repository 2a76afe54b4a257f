"""What a topology says of a machine that serves a quote."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Port, Role


class QuoteRole(Role):
    """A machine that answers on TCP port 17 with a quote (RFC 865)."""

    role: Literal["quote"]
    text: str = Field(max_length=511, description="the quote, in a line")

    made_for: ClassVar[int] = 1

    def ports_listened(self) -> frozenset[Port]:
        """Return the port of the quote."""
        return frozenset({Port("tcp", 17)})
