"""What a machine has on its network when it has booted with what a Reading holds: ifup(8), main.c of ifupdown 0.8.41.

At boot udev asks for the interfaces of the class `hotplug` one by one (ifupdown-hotplug), then networking.service runs
`ifup -a`. Commands of the file are followed as far as they are plain ones of `ip`; others are taken to succeed.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from vboxlab.guest.grammars.ifup_commands import Call, calls_of, options_of
from vboxlab.guest.grammars.interfaces import At, Named, Reading, Stanza
from vboxlab.guest.grammars.ip_command import DONE, Kernel, Link, NotUnderstood, run_ip
from vboxlab.guest.grammars.simple_commands import NotEnded, NotSimple, simple_commands
from vboxlab.lazily import dataclass

LOOPBACK = "lo"
_NOT_PLUGGED = ("ppp", "ippp", "isdn", "plip", "lo", "irda", "ipsec")
_HARMLESS = frozenset({"true", ":", "echo", "sleep", "logger", "test", "["})
_ABSENT = frozenset({"route", "ifconfig"})  # of net-tools, which is no part of Debian any more


@dataclass(frozen=True)
class Trouble:
    """Why an interface does not come up: the command that fails, or the stanza that lacks what it needs."""

    interface: str
    at: At
    said: str
    is_own: bool  # of the values of the stanza, not a command that is written in it


@dataclass
class Boot:
    """What there is after booting."""

    kernel: Kernel
    configured: dict[str, str] = field(default_factory=dict)  # the logical interface of each that is up
    troubles: list[Trouble] = field(default_factory=list)
    unsure: list[tuple[str, At]] = field(default_factory=list)  # commands that only a shell understands, and where
    used: dict[str, list[Stanza]] = field(default_factory=dict)  # by interface


def boot(reading: Reading, interfaces: Sequence[str]) -> Boot:
    """Boot a machine that has these interfaces."""
    booting = _Booting(reading, [name for name in interfaces if name != LOOPBACK])
    if reading.refused is None:
        booting.run()
    return booting.boot


def names_of(named: Sequence[Named], interfaces: Sequence[str]) -> list[tuple[str, str]]:
    """Return the interfaces that names and patterns stand for, each with its logical name (main.c, expand_matches).

    A pattern of other things than names, such as a MAC address, matches none here.
    """
    found: dict[str, str] = {}
    for each in named:
        for target in _expanded(each.name, interfaces):
            name, _equals, logical = target.partition("=")
            found.setdefault(target, logical or name)
    return [(target.partition("=")[0], logical) for target, logical in found.items()]


def _expanded(name: str, interfaces: Sequence[str]) -> Iterator[str]:
    if "/" not in name:
        yield name
        return
    variable, pattern, *more = name.split("/", 2)
    options = more[0] if more else ""
    text, equals, logical = (options if more else pattern).partition("=")
    pattern = pattern if more else text
    wanted = re.match(r"[0-9]{1,6}", text) if more else None
    matched = [] if variable else [each for each in interfaces if fnmatch.fnmatchcase(each, pattern)]
    for number, each in enumerate(matched, 1):
        if wanted is None or int(wanted[0]) in (0, number):
            yield f"{each}={logical}" if equals else each


def started(reading: Reading, kind: str, interfaces: Sequence[str]) -> list[tuple[str, str]]:
    """Return the interfaces of a class that have a stanza, each with its logical name, as `ifquery --list` does."""
    named = list(reading.classes.get(kind, ()))
    if kind == "auto":  # the loopback interface always is, and has a stanza where no other has that method
        named.insert(0, Named(LOOPBACK, At("", 0)))
    known = {stanza.name for stanza in reading.stanzas}
    if not any(s.method == "loopback" and s.family in ("inet", "inet6") for s in reading.stanzas):
        known.add(LOOPBACK)
    everything = [LOOPBACK, *(name for name in interfaces if name != LOOPBACK)]
    found = names_of(named, everything)
    return [(n, logical) for n, logical in found if logical in known or mapped(reading, logical)]


def mapped(reading: Reading, logical: str) -> bool:
    """Tell whether a mapping decides what an interface is configured as; its script is not run here."""
    patterns = (pattern for mapping in reading.mappings for pattern in mapping.patterns)
    return any(fnmatch.fnmatchcase(logical, pattern) for pattern in patterns)


def answers(reading: Reading, name: str) -> list[str] | None:
    """Return the lines that `ifquery NAME` prints; None when it does not know the interface."""
    stanzas = reading.stanzas_of(name)
    if not stanzas:
        loopback = any(s.method == "loopback" and s.family in ("inet", "inet6") for s in reading.stanzas)
        return [] if name == LOOPBACK and not loopback else None
    options = [option for stanza in stanzas for option in options_of(stanza)]
    return [line for key, value in options for line in f"{key}: {value}".split("\n")]


class _Booting:
    def __init__(self, reading: Reading, interfaces: list[str]) -> None:
        self.reading, self.interfaces = reading, interfaces
        self.boot = Boot(Kernel({LOOPBACK: Link(up=True), **{name: Link() for name in interfaces}}))

    def run(self) -> None:
        plugged = [name for name, _logical in started(self.reading, "hotplug", self.interfaces)]
        for name in self.interfaces:
            if name in plugged and not name.startswith(_NOT_PLUGGED) and self._is_known(name):
                self._up(name, name)
        # A pattern finds those with an address after the others (getifaddrs(3), main.c).
        links = self.boot.kernel.links
        in_order = sorted(self.interfaces, key=lambda name: links[name].up or bool(links[name].addresses))
        for name, logical in started(self.reading, "auto", in_order):
            self._up(name, logical)

    def _is_known(self, logical: str) -> bool:
        return bool(self.reading.stanzas_of(logical)) or mapped(self.reading, logical)

    def _up(self, name: str, logical: str) -> None:
        if name in self.boot.configured or mapped(self.reading, logical):
            return
        parent, dot, _number = name.partition(".")
        if dot and parent != name:
            self._up(parent, parent)
            self.boot.kernel.links.setdefault(name.partition(":")[0], Link())
        stanzas = self.reading.stanzas_of(logical)
        self.boot.used[name] = list({id(s): s for s in (*self.boot.used.get(name, ()), *stanzas)}.values())
        if all(self._stanza(stanza, name) for stanza in stanzas):
            self.boot.configured[name] = logical

    def _stanza(self, stanza: Stanza, name: str) -> bool:
        calls = calls_of(stanza, name)
        if calls is None:
            self.boot.troubles.append(
                Trouble(name, stanza.at, f"iface {stanza.name} {stanza.family} {stanza.method}", True)
            )
            return False
        for call in calls:
            at = stanza.at if call.option is None else stanza.options[call.option].at
            if not self._call(call, at, _variables(stanza, name)):
                self.boot.troubles.append(Trouble(name, at, call.text, call.option is None))
                return False
        return True

    def _call(self, call: Call, at: At, variables: Mapping[str, str]) -> bool:
        text = call.text.removeprefix("-")
        try:
            commands = simple_commands(text, variables)
        except NotEnded:
            return call.text.startswith("-")
        except NotSimple:
            self.boot.unsure.append((text, at))
            return True
        code = DONE
        for command in commands:
            skipped = {"&&": code != DONE, "||": code == DONE}.get(command.joined, False)
            if not skipped:
                code = self._command(command.words, call, at)
        return code == DONE or call.text.startswith("-")

    def _command(self, words: tuple[str, ...], call: Call, at: At) -> int:
        program = words[0].rpartition("/")[2]
        if program == "ip":
            try:
                return run_ip(self.boot.kernel, words[1:])
            except NotUnderstood:
                pass
        elif program == "dhclient":
            link = self.boot.kernel.link(words[-1])
            if link is not None:
                link.up = link.dhcp = True
            return DONE
        elif program == "false":
            return 1
        elif program in _HARMLESS:
            return DONE
        elif program in _ABSENT or call.option is None:  # a value that goes on after the end of ifup's own command
            return 127
        self.boot.unsure.append((call.text, at))
        return DONE


def _variables(stanza: Stanza, name: str) -> dict[str, str]:
    """Return what commands find in their environment (interfaces(5), IFACE OPTIONS)."""
    told = {f"IF_{key.upper().replace('-', '_')}": value for key, value in options_of(stanza)}
    own = {"IFACE": name, "LOGICAL": stanza.name, "ADDRFAM": stanza.family, "METHOD": stanza.method}
    return {**told, **own, "MODE": "start", "PHASE": "post-up"}
