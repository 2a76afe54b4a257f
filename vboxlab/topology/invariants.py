"""What must hold through a whole verification, whatever its steps do: the invariants of a scenario."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vboxlab.language import _
from vboxlab.topology.asking import Asking
from vboxlab.topology.step import Names, Seconds, Step


class HoldersInvariant(Step):
    """Of some machines exactly one, or at most one, has an address or is in a state; what is off has nothing."""

    invariant: Literal["one-holder", "at-most-one"]
    on: Names = Field(min_length=2, description="machines that may have it; each is sampled from within")
    source: str | None = Field(
        default=None,
        alias="from",
        description="machine in the network of the address that asks by ARP who has it: it sees those that only boot",
    )
    address: IPv4Address | None = None
    run: tuple[str, ...] = Field(
        default=(), description="instead of an address: a command without a shell that tells the state, as root"
    )
    shows: str = Field(default="", description="words in the command's output that say that the machine is it")
    every: float = Field(default=0.1, ge=0.05, le=60, description="seconds between two looks, times --time-scale")
    none_for: Seconds = Field(default=15.0, description="seconds, times --time-scale, that none may have it")
    several_for: Seconds = Field(default=0.0, description="seconds, times --time-scale, that several may have it")

    unseen_for: Seconds = Field(
        default=0.0, description="seconds, times --time-scale, that a machine may be silent, as while it boots"
    )

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that are sampled, and the one that asks."""
        return (*self.on, *((self.source,) if self.source else ()))

    @property
    def exactly_one(self) -> bool:
        """Tell whether none is too few."""
        return self.invariant == "one-holder"

    def summary(self) -> str:
        """Return what holds all the time."""
        what = str(self.address) if self.address else self.shows
        if self.exactly_one:
            text = _("all the time exactly one of {machines} has {what}")
        else:
            text = _("at no time more than one of {machines} has {what}")
        return text.format(machines=", ".join(self.on), what=what)

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> Self:
        if (self.address is None) == (not self.run):
            raise ValueError(_("expected one of `address` and `run`"))
        if self.run and not self.shows:
            raise ValueError(_("`run` needs `shows`: the text that says that a machine is it"))
        if self.source and self.address is None:
            raise ValueError(_("`from` asks by ARP for an `address`"))
        return self


class AnswersInvariant(Asking, Step):
    """A service answers a machine all the time, but for outages that are short enough."""

    invariant: Literal["answers"]
    source: str = Field(alias="from")
    every: float = Field(default=0.25, ge=0.02, le=60, description="seconds between requests, times --time-scale")
    timeout: Seconds = Field(default=2.0, gt=0, description="per request, times --time-scale")
    failing_for: Seconds = Field(
        default=2.0, description="seconds, times --time-scale, for which requests may fail in a row"
    )

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that asks."""
        return (self.source,)

    def summary(self) -> str:
        """Return what holds all the time."""
        text = _("from {machine}, {url} never fails for more than {seconds:g} s")
        return text.format(machine=self.source, url=self.asked, seconds=self.failing_for)


Invariant = Annotated[HoldersInvariant | AnswersInvariant, Field(discriminator="invariant")]
InvariantStep = HoldersInvariant | AnswersInvariant
