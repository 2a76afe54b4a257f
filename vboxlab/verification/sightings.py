"""The records of samplers, which look at a lab through a whole run: who has what, and what the hypervisor says."""

from __future__ import annotations

from typing import Literal

from vboxlab.verification.record import Record


class SamplerBegun(Record):
    """A sampler said its first word in a machine, whose cards have these hardware addresses (lower case)."""

    kind: Literal["sampler"] = "sampler"
    step: int
    machine: str
    cards: tuple[str, ...] = ()


class Sighted(Record):
    """A machine has what was looked for, or not, at a moment of its monotonic clock; None: it could not be told."""

    kind: Literal["sighted"] = "sighted"
    step: int
    machine: str
    monotonic: float
    holds: bool | None


class Claimed(Record):
    """A question by ARP was answered from these hardware addresses.

    `monotonic` is when it was asked, `told` when that was said, both on the clock of the machine that asked.

    Source: RFC 826, RFC 5227 section 2.1.1: whoever has the address answers, several where several have it.
    """

    kind: Literal["claimed"] = "claimed"
    step: int
    machine: str
    monotonic: float
    told: float
    cards: tuple[str, ...]


class SamplerEnded(Record):
    """A sampler says no more: it was told to end, or the way to it was lost."""

    kind: Literal["sampler-ended"] = "sampler-ended"
    step: int
    machine: str
    reason: str = ""


class PowerSeen(Record):
    """What the hypervisor says of a sampled machine has changed."""

    kind: Literal["power"] = "power"
    step: int
    machine: str
    power: str


class WatchEnded(Record):
    """Samplers were told to end: what is silent from now on is not to be blamed for it."""

    kind: Literal["watch-ended"] = "watch-ended"
