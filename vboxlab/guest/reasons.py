"""What the configuration script (runtime.sh) gives as a reason, told in the language that is spoken.

The script knows no language but English, and programs compare what it says (vboxlab.guest.differences): a reason is
translated where it is told. What it quotes of other programs stays as it is.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from vboxlab.language import N_, _

# The first that fits is taken.
REASONS = (
    N_("does not exist"),
    N_("content differs"),
    N_("is not a regular file"),
    N_("mode is {mode} instead of {wanted_mode} owner is {owner} instead of {wanted_owner}"),
    N_("mode is {mode} instead of {wanted_mode}"),
    N_("owner is {owner} instead of {wanted_owner}"),
    N_("exists"),
    N_("existed"),
    N_("{file} cannot be kept, so it stays as it is: {said}"),
    N_("not installed"),
    N_("the guest has no {interface} (it has: {interfaces})"),
    N_("has no address"),
    N_("has {found} instead of {wanted}"),
    N_("no default route through {gateway}"),
    N_("not in {file}"),
    N_("there is no user {user}"),
    N_("no password set, and chpasswd failed"),
    N_("another password, and chpasswd failed"),
    N_("no password set"),
    N_("another password"),
    N_("a file of it could not be written"),
    N_("systemd says that the unit is {state}"),
    N_("not enabled at boot"),
    N_("enabled at boot"),
    N_("not running ({state})"),
    N_("running"),
    N_("masked"),
    N_("its configuration changed"),
    N_("not done"),
    N_("was not done"),
    N_("not waited for, because something failed"),
    N_("is not so now"),
    N_("did not come about within {seconds} s: {said}"),
    N_("after {seconds} s"),
    N_("is {name}, and nothing in /etc/hostname"),
    N_("is {name}, and {stored} in /etc/hostname"),
    N_("is not set"),
    N_("something before it failed"),
    N_("its check refuses it, so what is there stays: {said}"),
    N_("was done, but is not so afterwards: {said}"),
    N_("did not end within {seconds} s: {said}"),
    N_("did not end within {seconds} s:"),
    N_("is not there"),
    N_("is {found}"),
)


def in_words(reason: str) -> str:
    """Return a reason in the language that is spoken; one that is not known, as the words of others, as it is."""
    if whole := _told(reason):
        return whole
    parts = [_told(part) for part in reason.split(", ")]  # as there are of a service
    return ", ".join(parts) if all(parts) else reason


def _told(reason: str) -> str:
    for text, pattern in _patterns():
        if found := pattern.fullmatch(reason):
            return _(text).format(**found.groupdict())
    return ""


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(text, re.compile("".join(map(_pattern, Formatter().parse(text))))) for text in REASONS]


def _pattern(part: tuple[str, str | None, str | None, str | None]) -> str:
    literal, name = part[:2]
    return re.escape(literal) + (f"(?P<{name}>.+)" if name else "")
