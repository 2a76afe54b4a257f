"""What an adapter of a machine is to have when the machine has booted, and what is otherwise, with the line of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from vboxlab.guest.findings import Finding, Severity, Where
from vboxlab.guest.grammars.ifup import Boot, boot, mapped, started
from vboxlab.guest.grammars.ifup_commands import options_of
from vboxlab.guest.grammars.interfaces import INTERFACES, At, Named, Option, Reading, Stanza, read_interfaces
from vboxlab.guest.grammars.ip_command import USUAL_MTU, HeldRoute, Link, prefix_of
from vboxlab.guest.place import Place, static_address
from vboxlab.lazily import dataclass
from vboxlab.topology.addressing import MANAGEMENT_INTERFACE, interface_name

SHOWN = 80  # characters of what a file says
_DEFAULT = IPv4Network("0.0.0.0/0")
# What says of the values of a stanza why ifup's own commands fail.
_OF_VALUES = frozenset(
    f"interfaces-{each}"
    for each in ("address", "no-address", "no-prefix", "option", "gateway", "second-gateway", "extra-gateway")
)
_KNOWN = ("address", "netmask", "gateway", "broadcast", "metric")


@dataclass(frozen=True)
class Expected:
    """What an interface is to have. `address` is None when it is to be given one by DHCP."""

    name: str
    address: IPv4Interface | None
    gateway: str | None
    routes: tuple[tuple[IPv4Network, IPv4Address], ...]

    @property
    def method(self) -> str:
        """Return the method that gives it."""
        return "static" if self.address else "dhcp"


@dataclass(frozen=True)
class Judged:
    """What was read, and what comes of it at boot."""

    reading: Reading
    after: Boot
    forced: Boot  # as if each interface came up by itself
    names: tuple[str, ...]


def found_at(code: str, machine: str, at: At | None, severity: Severity = "error", /, **values: str) -> Finding:
    """Return a finding about a line; it explains why the main file differs, whichever file it is in."""
    where = Where("file", at.path if at else INTERFACES, at.line if at else None)
    shown = {key: value if len(value) <= SHOWN else f"{value[:SHOWN]}…" for key, value in values.items()}
    return Finding(code, machine, where, shown, severity, (f"file:{INTERFACES}",))


def judged(files: Mapping[str, bytes], names: tuple[str, ...], wanted: tuple[str, ...]) -> Judged:
    """Read the files, and boot with them; `wanted` are the interfaces that shall come up."""
    reading = read_interfaces(files, wholly=True)
    known = [name for name, _logical in started(reading, "auto", names) + started(reading, "hotplug", names)]
    missing = [Named(name, At(INTERFACES, 0)) for name in wanted if name not in known]
    whole = replace(reading, refused=None)
    forced = replace(whole, classes={**whole.classes, "auto": [*whole.classes.get("auto", ()), *missing]})
    return Judged(reading, boot(whole, names), boot(forced, names), names)


def expected_of(place: Place) -> tuple[Expected, ...]:
    """Return what the interfaces of a machine are to have, those that the topology gives nothing apart."""
    found = []
    for adapter in place.machine.adapters:
        if adapter.address is not None:
            address = static_address(adapter)
            routes = [route for role in place.roles for route in role.static_routes()]
            near = [(route.to, route.via) for route in routes if address and route.via in address.network]
            gateway = str(adapter.gateway) if adapter.gateway is not None else None
            found.append(Expected(interface_name(adapter.slot), address, gateway, tuple(dict.fromkeys(near))))
    return tuple(found)


@dataclass(frozen=True)
class AdapterJudge:
    """Compares one interface."""

    machine: str
    expected: Expected
    everything: Sequence[Expected]
    result: Judged

    @property
    def name(self) -> str:
        """Return the interface."""
        return self.expected.name

    @property
    def link(self) -> Link:
        """Return what it has at the end, as if it came up by itself."""
        return self.result.forced.kernel.links[self.name]

    @property
    def stanzas(self) -> list[Stanza]:
        """Return the IPv4 stanzas that it is configured with."""
        reading, used = self.result.reading, self.result.forced.used
        found = used.get(self.name) or reading.stanzas_of(self.name)
        return [stanza for stanza in found if stanza.family == "inet"]

    def findings(self) -> Iterator[Finding]:
        """Yield all that is wrong."""
        reading = self.result.reading
        stanzas = self.stanzas
        if mapped(reading, self.name):
            at = next(m.at for m in reading.mappings)
            yield self._one("interfaces-mapping", at)
            return
        if not stanzas:
            yield from self._missing()
            return
        known = started(reading, "auto", self.result.names) + started(reading, "hotplug", self.result.names)
        told = [] if self.name in dict(known) else [self._one("interfaces-not-auto", stanzas[0].at)]
        told += [*self._addresses(stanzas), *self._link(stanzas), *self._gateway(stanzas), *self._routes(stanzas)]
        is_told = any(finding.severity == "error" and finding.code in _OF_VALUES for finding in told)
        lines = {(finding.where.name, finding.where.line) for finding in told if finding.severity == "error"}
        for trouble in self.result.forced.troubles:
            if trouble.interface.partition(":")[0] != self.name or (trouble.is_own and is_told):
                continue
            if (trouble.at.path, trouble.at.line) not in lines:
                told.append(self._one("interfaces-fails", trouble.at, found=" ".join(trouble.said.split())))
        yield from {repr(finding): finding for finding in told}.values()

    @property
    def is_right(self) -> bool:
        """Tell whether the interface has, after the machine has booted, what it is to have and no more."""
        after, wanted = self.result.after, self.expected
        link = after.kernel.links[self.name]
        addresses = [(wanted.address, "")] if wanted.address else []
        routes = {(route.to, route.via) for route in after.kernel.routes if route.device == self.name}
        expected = {*wanted.routes, *([(_DEFAULT, IPv4Address(wanted.gateway))] if wanted.gateway else [])}
        usual = (link.mtu, link.mac, link.dhcp) == (USUAL_MTU, None, wanted.address is None)
        return usual and link.addresses == addresses and routes == expected and self.name in after.configured

    def _one(self, code: str, at: At | None, severity: Severity = "error", **values: str) -> Finding:
        return found_at(code, self.machine, at, severity, interface=self.name, **values)

    def _missing(self) -> Iterator[Finding]:
        reading, names = self.result.reading, (*self.result.names, MANAGEMENT_INTERFACE)
        refused = [each for each in (reading.refused, *reading.passed_over) if each is not None]
        if any(each.fault in ("family", "method", "inherits-unknown", "inherits-nothing") for each in refused):
            return  # the stanza is there, and what is wrong with it is told
        strange = [s for s in reading.stanzas if s.name.partition(":")[0] not in names and s.method != "loopback"]
        close = get_close_matches(self.name, [s.name for s in strange], 1, 0)
        if close:
            stanza = next(s for s in strange if s.name == close[0])
            yield found_at("interfaces-name", self.machine, stanza.at, found=stanza.name, expected=self.name)
        else:
            yield self._one("interfaces-missing", None, method=self.expected.method)

    # -- addresses

    def _addresses(self, stanzas: list[Stanza]) -> Iterator[Finding]:
        wanted = self.expected.address
        plain = [address for address, more in self.link.addresses if not more]
        if wanted is None:
            if not self.link.dhcp:
                yield self._method(stanzas[0])
        elif wanted not in plain:
            yield from self._no_address(stanzas, wanted)
        if wanted is not None and self.link.dhcp and wanted in plain:
            yield self._method(next(stanza for stanza in stanzas if stanza.method == "dhcp"))
        for address, more in self.link.addresses:
            # One that stands where another is wanted is told already.
            if address != wanted and (wanted is None or wanted in plain):
                shown = f"{address}{more}"
                yield self._one("interfaces-extra-address", self._line_with(str(address.ip)), found=shown)

    def _method(self, stanza: Stanza) -> Finding:
        return self._one("interfaces-method", stanza.at, found=stanza.method, expected=self.expected.method)

    def _no_address(self, stanzas: list[Stanza], wanted: IPv4Interface) -> Iterator[Finding]:
        static = [stanza for stanza in stanzas if stanza.method == "static"]
        if not static:
            yield self._method(stanzas[0])
            return
        stanza = next((s for s in static if s.option("address") is not None), static[0])
        option, mask, expected = stanza.option("address"), stanza.option("netmask"), str(wanted)
        unusual = next((o for o in map(stanza.option, ("pointopoint", "broadcast", "scope")) if o is not None), None)
        if option is None:
            strange = self._misspelt(stanza, "address")
            if strange is not None:
                yield self._one("interfaces-option", strange.at, found=strange.name, expected="address")
            else:
                yield self._one("interfaces-no-address", stanza.at, expected=expected)
        elif unusual is not None and any(address == wanted for address, _more in self.link.addresses):
            yield self._changed(unusual)
        elif _address_in(stanza) != wanted:
            yield self._address(option, mask, wanted)

    def _address(self, option: Option, mask: Option | None, wanted: IPv4Interface) -> Finding:
        text = option.value.split("\n")[0]
        at, own = option.at, text.partition("/")[0]
        if mask is None and text == str(wanted.ip):
            return self._one("interfaces-no-prefix", at, found=text, expected=str(wanted))
        if mask is not None:
            text = f"{own}/{mask.value}"
            at = mask.at if own == str(wanted.ip) else at
        return self._one("interfaces-address", at, found=text, expected=str(wanted))

    def _misspelt(self, stanza: Stanza, wanted: str) -> Option | None:
        """Return an option that is meant to be another: option names have no capitals, and are not guessed."""
        names = {o.name.lower(): o for o in stanza.options if o.name not in _KNOWN}
        close = get_close_matches(wanted, names, 1, 0.75)
        return names[close[0]] if close else None

    def _line_with(self, word: str) -> At | None:
        """Return the line that has a word in it: an option of a stanza, or a command."""
        inside = [o for s in self._everywhere() for o in s.options if word in o.value]
        return inside[0].at if inside else None

    def _everywhere(self) -> list[Stanza]:
        own = [s for name, used in self.result.forced.used.items() for s in used if name.partition(":")[0] == self.name]
        return [*own, *(s for s in self.result.reading.stanzas if s not in own)]

    def _changed(self, option: Option) -> Finding:
        return self._one("interfaces-changes", option.at, option=option.name, found=option.value)

    def _link(self, stanzas: list[Stanza]) -> Iterator[Finding]:
        changed = {"mtu": self.link.mtu != USUAL_MTU, "hwaddress": self.link.mac is not None}
        for word, is_changed in changed.items():
            if is_changed:
                value = str(self.link.mtu) if word == "mtu" else str(self.link.mac)
                option = next((o for s in stanzas for o in s.options if o.name == word), None)
                at = option.at if option else self._line_with(value)
                yield self._one("interfaces-changes", at, option=word, found=value)

    # -- routes

    def _defaults(self) -> list[HeldRoute]:
        routes = [route for route in self.result.forced.kernel.routes if route.to == _DEFAULT]
        return sorted(routes, key=lambda route: route.metric)

    def _gateway(self, stanzas: list[Stanza]) -> Iterator[Finding]:
        wanted = self.expected.gateway
        option = next((o for s in stanzas for o in s.options if o.name == "gateway"), None)
        through = [route for route in self._defaults() if route.device == self.name]
        if wanted is None:
            if option is not None or through:
                found = option.value if option else str(through[0].via)
                at = option.at if option else self._line_with(found)
                yield self._one("interfaces-extra-gateway", at, found=" ".join(found.split()), expected="")
            return
        right = [route for route in through if str(route.via) == wanted]
        if option is not None and right and "\n" in option.value:
            second = option.value.rpartition("\n")[2]
            yield self._one("interfaces-second-gateway", option.last, found=second, expected=wanted)
        for route in through:
            if route not in right:
                found = str(route.via or "-")
                at = option.at if option and found in option.value else self._line_with(found)
                code = "interfaces-second-gateway" if right else "interfaces-gateway"
                yield self._one(code, at or stanzas[0].at, found=found, expected=wanted)
        if right or through:
            return
        if option is not None:
            clean = " ".join(option.value.split())
            if clean != wanted:
                yield self._one("interfaces-gateway", option.at, found=clean, expected=wanted)
            return
        strange = next(filter(None, (self._misspelt(stanza, "gateway") for stanza in stanzas)), None)
        if strange is not None:
            yield self._one("interfaces-option", strange.at, found=strange.name, expected="gateway")
        elif self.expected.address is not None and any(stanza.method == "static" for stanza in stanzas):
            yield self._one("interfaces-no-gateway", stanzas[0].at, found="", expected=wanted)

    def _routes(self, stanzas: list[Stanza]) -> Iterator[Finding]:
        routes = [route for route in self.result.forced.kernel.routes if route.to != _DEFAULT]
        for to, via in self.expected.routes:
            if not any((route.to, route.via) == (to, via) for route in routes):
                yield self._one("interfaces-no-route", stanzas[0].at, to=str(to), via=str(via))
        wanted = {pair for each in self.everything for pair in each.routes}
        for route in routes:
            if route.device == self.name and (route.to, route.via) not in wanted:
                at = self._line_with(str(route.to.network_address))
                yield self._one("interfaces-extra-route", at, to=str(route.to), via=str(route.via or "-"))


def _address_in(stanza: Stanza) -> IPv4Interface | None:
    """Return the address that a stanza gives, whether or not it is given in the end."""
    values = dict(reversed(options_of(stanza)))
    text = f"{values.get('address', '')}/{values.get('netmask', '')}"
    try:
        return prefix_of(text.removesuffix("/"))
    except ValueError:
        return None
