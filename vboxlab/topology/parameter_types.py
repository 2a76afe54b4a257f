"""The types of parameters: what a value must be, and how a sentence says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Literal

from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.topology.problems import did_you_mean, one_of

ParameterType = Literal["text", "address", "network", "name", "number", "choice", "secret"]
# RFC 1123, section 2.1: what fits as a machine's name and as its host name.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NUMBER = re.compile(r"-?[0-9]{1,9}")
_EXPECTED: Mapping[str, str] = MappingProxyType({
    "address": N_("expected an IPv4 address such as 192.168.200.51"),
    "network": N_("expected a network such as 192.168.200.0/24"),
    "name": N_("expected 1 to 63 letters, digits and hyphens, with no hyphen first or last"),
    "secret": N_("expected the name of a secret of the lab: letters, digits, `.`, `-` and `_`"),
})  # fmt: skip


def _is_made(make: Callable[[str], object], value: str) -> bool:
    try:
        make(value)
    except ValueError:
        return False
    return True


_FITS: Mapping[str, Callable[[str], bool]] = MappingProxyType({
    "address": lambda value: _is_made(IPv4Address, value),
    "network": lambda value: "/" in value and _is_made(IPv4Network, value),
    "name": lambda value: _LABEL.fullmatch(value) is not None,
    "number": lambda value: NUMBER.fullmatch(value) is not None,
    "secret": lambda value: _SECRET.fullmatch(value) is not None,
})  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """What a parameter's values must be."""

    type: str = "text"
    choices: tuple[str, ...] = ()
    min: int | None = None
    max: int | None = None

    def fits(self, value: str) -> bool:
        """Tell whether a value is one that the parameter can have."""
        if self.choices and value not in self.choices:
            return False
        if self.type in _FITS and not _FITS[self.type](value):
            return False
        if self.type != "number":
            return True
        return (self.min is None or int(value) >= self.min) and (self.max is None or int(value) <= self.max)

    def expected(self, value: str) -> str:
        """Return what is expected instead of a value that does not fit."""
        if self.choices:
            return one_of(self.choices) + did_you_mean(value, self.choices)
        if self.type != "number":
            return _(_EXPECTED[self.type])
        if self.min is not None and self.max is not None:
            return _("expected a whole number from {low} to {high}").format(low=self.min, high=self.max)
        if self.min is not None:
            return _("expected a whole number of at least {limit}").format(limit=self.min)
        if self.max is not None:
            return _("expected a whole number of at most {limit}").format(limit=self.max)
        return _("expected a whole number")

    def shown(self, value: str) -> str:
        """Return a value as a sentence about it shows it: never one that may be a secret itself."""
        return "…" if self.type == "secret" else value

    def is_number(self, value: str) -> bool:
        """Tell whether `{name+1}` can count up from a value."""
        return self.type == "number" and self.fits(value)


def limits_problem(kind: str, choices: Sequence[str], low: int | None, high: int | None) -> str | None:
    """Return what is wrong with a declaration; None when nothing is."""
    if kind != "number" and (low is not None or high is not None):
        return _("`min` and `max` are for numbers; expected `type: number` beside them")
    if kind == "choice" and not choices:
        return _("a choice needs `choices`; expected the values to choose from")
    if low is not None and high is not None and low > high:
        return _("`min` is above `max`; expected the lower number as `min`")
    return None
