"""A line for `ipvsadm -R`, as ipvsadm 1.31 reads it (ipvsadm(8); its config_stream.c and parse_options, popt 1.19)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from vboxlab.lazily import dataclass

Address = IPv4Address | IPv6Address
LONGEST_WORD = 4095
LONGEST_TIMEOUT = 86400 * 31
LARGEST = 2**31 - 1
# By the long name: the letter, and what the option takes: nothing, a value, or one perhaps (`?`).
_OPTIONS: Mapping[str, tuple[str, str]] = {
    "add-service": ("A", ""), "edit-service": ("E", ""), "delete-service": ("D", ""), "clear": ("C", ""),
    "list": ("L", ""), "zero": ("Z", ""), "add-server": ("a", ""), "edit-server": ("e", ""),
    "delete-server": ("d", ""), "set": ("", ""), "help": ("h", ""), "version": ("v", ""), "restore": ("R", ""),
    "save": ("S", ""), "start-daemon": ("", "="), "stop-daemon": ("", "="), "tcp-service": ("t", "="),
    "udp-service": ("u", "="), "sctp-service": ("", "="), "fwmark-service": ("f", "="), "scheduler": ("s", "="),
    "persistent": ("p", "?"), "netmask": ("M", "="), "real-server": ("r", "="), "masquerading": ("m", ""),
    "ipip": ("i", ""), "gatewaying": ("g", ""), "weight": ("w", "="), "u-threshold": ("x", "="),
    "l-threshold": ("y", "="), "numeric": ("n", ""), "connection": ("c", ""), "mcast-interface": ("", "="),
    "syncid": ("", "="), "timeout": ("", ""), "daemon": ("", ""), "stats": ("", ""), "rate": ("", ""),
    "thresholds": ("", ""), "persistent-conn": ("", ""), "nosort": ("", ""), "sort": ("", ""), "exact": ("X", ""),
    "ipv6": ("6", ""), "ops": ("o", ""), "pe": ("", "="), "sched-flags": ("b", "="), "mcast-group": ("", "="),
    "mcast-port": ("", "="), "mcast-ttl": ("", "="), "sync-maxlen": ("", "="), "tun-info": ("", ""),
    "tun-type": ("", "="), "tun-port": ("", "="), "tun-nocsum": ("", ""), "tun-csum": ("", ""),
    "tun-remcsum": ("", ""),
}  # fmt: skip
_LETTERS = {letter: name for name, (letter, _takes) in _OPTIONS.items() if letter} | {"l": "list"}
COMMANDS = frozenset({
    "add-service", "edit-service", "delete-service", "clear", "list", "zero", "add-server", "edit-server",
    "delete-server", "set", "help", "version", "restore", "save", "start-daemon", "stop-daemon",
})  # fmt: skip
# Services of /etc/services that a balancer may be for; the guest's own file is not read.
_PORTS = {
    "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "mail": 25, "domain": 53, "http": 80, "www": 80, "pop3": 110,
    "imap2": 143, "imap": 143, "ldap": 389, "https": 443, "submission": 587, "ldaps": 636, "imaps": 993, "pop3s": 995,
    "mysql": 3306, "postgresql": 5432, "http-alt": 8080, "webcache": 8080,
}  # fmt: skip
_UDP_PORTS = {"domain": 53, "ntp": 123, "snmp": 161, "syslog": 514, "tftp": 69, "https": 443}
_METHODS = {"masquerading": "-m", "gatewaying": "-g", "ipip": "-i"}
_FLAGS = ("flag-1", "flag-2", "flag-3", "sh-fallback", "sh-port", "mh-fallback", "mh-port")
# `--set-option` of the source: options that may be given once, and the word that its message has for them.
_ONCE = {
    "tcp-service": "service-address", "udp-service": "service-address", "sctp-service": "service-address",
    "fwmark-service": "service-address", "masquerading": "forwarding-method", "gatewaying": "forwarding-method",
    "ipip": "forwarding-method",
}  # fmt: skip


class Stops(Exception):
    """The program ends at this line: none below it is loaded. Its words are the reason."""


class LeftOut(Exception):
    """The program complains and goes on with the next line. Its words are the reason."""


@dataclass(frozen=True)
class Endpoint:
    """An address and a port."""

    address: Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"


@dataclass
class Command:
    """What a line asks for. Defaults are those of the program."""

    name: str
    given: set[str] = field(default_factory=set)
    """Its options, by the words that messages have for them."""
    protocol: str = ""
    service: Endpoint | None = None
    mark: int = 0
    is_ipv6: bool = False
    scheduler: str = ""
    persistence: int | None = None  # seconds
    mask: str = ""
    engine: str = ""
    one_packet: bool = False
    flags: str = ""
    server: Endpoint | None = None
    method: str = "-g"
    weight: int = 1
    most: int = 0
    least: int = 0
    tunnel: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def words_of(line: str) -> list[str]:
    """Return the words of a line as the program reads them: CR is a blank, `ipvsadm` is left out wherever it stands."""
    return [word for word in re.split(r"[ \t\r\n]+", line) if word and word != "ipvsadm"]


def command_of(words: list[str], hosts: Mapping[str, str]) -> Command:
    """Return what the words of a line ask for. Raises Stops and LeftOut."""
    options = _options(words)
    try:
        name, value = next(options)
    except (StopIteration, LeftOut):
        raise Stops(_TRY_HELP) from None
    if name not in COMMANDS:
        raise Stops(_TRY_HELP)
    command = Command(name)
    if name in ("start-daemon", "stop-daemon") and value not in ("master", "backup"):
        raise Stops("illegal start-daemon parameter specified")
    if name in ("help", "version"):
        raise Stops(f"--{name}")
    for name, value in options:
        if name == "":
            command.words.append(value or "")
        else:
            _take(command, name, value, hosts)
    return command


_TRY_HELP = "Try `ipvsadm -h' or 'ipvsadm --help' for more information."


def _options(words: list[str]) -> Iterator[tuple[str, str | None]]:
    """Yield options and their values in order; words that are no options come last, with no name."""
    rest, left = list(reversed(words)), list[str]()
    while rest:
        word = rest.pop()
        if len(word) > LONGEST_WORD:
            raise Stops(word[:20])
        if word == "--":
            left += reversed(rest)
            break
        if not word.startswith("-") or word == "-":
            left.append(word)
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name not in _OPTIONS:
                raise LeftOut(f"{word}: unknown option")
            if equals and not _OPTIONS[name][1]:
                raise LeftOut(f"{word}: option does not take an argument")
            yield name, value if equals else _value(name, word, rest)
        else:
            yield from _cluster(word, rest)
    yield from (("", word) for word in left)


def _cluster(word: str, rest: list[str]) -> Iterator[tuple[str, str | None]]:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter not in _LETTERS:
            raise LeftOut(f"-{letter}: unknown option")
        name = _LETTERS[letter]
        if not _OPTIONS[name][1]:
            if letters.startswith("="):
                raise LeftOut(f"{word}: option does not take an argument")
            yield name, None
        elif letters:
            yield name, letters.removeprefix("=")
            return
        else:
            yield name, _value(name, f"-{letter}", rest)


def _value(name: str, word: str, rest: list[str]) -> str | None:
    takes = _OPTIONS[name][1]
    if not takes or (takes == "?" and (not rest or rest[-1].startswith("-"))):
        return None
    if not rest:
        raise LeftOut(f"{word}: missing argument")
    return rest.pop()


def _take(command: Command, name: str, value: str | None, hosts: Mapping[str, str]) -> None:  # noqa: C901
    if name in COMMANDS:
        raise Stops(f"invalid option `--{name}'")
    once = _ONCE.get(name, name)
    if name not in ("sort", "ipv6") and once in command.given:
        raise Stops(f"multiple '{once}' options specified")
    command.given |= {once} - {"sort", "ipv6"}
    text = value or ""
    match name:
        case "tcp-service" | "udp-service" | "sctp-service":
            command.protocol = {"t": "-t", "u": "-u"}.get(name[0], "--sctp-service")
            found = _endpoint(text, command, hosts)
            if found is None:
                raise Stops("illegal virtual server address[:port] specified")
            command.service = Endpoint(found[0], found[1] or 0)
            command.is_ipv6 = found[0].version == 6
        case "fwmark-service":
            command.protocol = "-f"
            command.mark = _number(text, 1, 2**32 - 1, f"invalid fwmark value `{text}' specified")
        case "ipv6":
            if not command.mark:
                raise Stops("-6 used before -f")
            command.is_ipv6 = True
        case "persistent":
            command.persistence = (
                360 if value is None else _number(text, 1, LONGEST_TIMEOUT, f"invalid timeout value `{text}' specified")
            )
        case "netmask":
            command.mask = _mask(command, text)
        case "real-server":
            found = _endpoint(text, command, hosts)
            if found is None:
                raise Stops("illegal real server address[:port] specified")
            # Without a port it has the service's, if that is known by now.
            own = command.service.port if command.service else 0
            command.server = Endpoint(found[0], own if found[1] is None else found[1])
        case "scheduler":
            command.scheduler = text[:15]
        case "pe":
            command.engine = text[:16]
        case "ops":
            command.one_packet = True
        case "sched-flags":
            command.flags = text
        case _:
            _take_of_server(command, name, text)


def _take_of_server(command: Command, name: str, text: str) -> None:  # noqa: C901
    match name:
        case "masquerading" | "gatewaying" | "ipip":
            command.method = _METHODS[name]
        case "weight":
            command.weight = _number(text, 0, LARGEST, "illegal weight specified")
        case "u-threshold":
            command.most = _number(text, 0, LARGEST, "illegal u_threshold specified")
        case "l-threshold":
            command.least = _number(text, 0, LARGEST, "illegal l_threshold specified")
        case "tun-type":
            if text not in ("ipip", "gue", "gre"):
                raise Stops("illegal tunnel type specified")
            command.tunnel[name] = text
        case "tun-port":
            command.tunnel[name] = str(_number(text, 1, 65535, "illegal tunnel port specified"))
        case "tun-nocsum" | "tun-csum" | "tun-remcsum":
            command.tunnel[name] = ""
        case "syncid":
            _number(text, 0, 255, "illegal syncid specified")
        case "mcast-port":
            _number(text, 1, 65535, "illegal mcast-port specified")
        case "mcast-ttl":
            _number(text, 1, 255, "illegal mcast-ttl specified")
        case "sync-maxlen":
            _number(text, 1, 65535 - 28, "illegal sync-maxlen specified")
        case _:
            pass


def _mask(command: Command, text: str) -> str:
    if command.is_ipv6:
        digits = re.match(r"\+?\d{1,9}", text)
        number = int(digits[0]) if digits else 0
        if not 1 <= number <= 128:
            raise Stops("illegal ipv6 netmask specified")
        return "" if number == 128 else str(number)
    found = numbers_and_dots(text)
    if found is None:
        raise Stops("illegal virtual server persistent mask specified")
    return "" if str(found) == "255.255.255.255" else str(found)


def number(text: str) -> int | None:
    """Return a number as strtol(3) reads it to its end, None for anything else."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,25}", text) else None


def _number(text: str, least: int, most: int, complaint: str) -> int:
    found = number(text)
    if found is None or not least <= found <= most:
        raise Stops(complaint)
    return found


def _endpoint(text: str, command: Command, hosts: Mapping[str, str]) -> tuple[Address, int | None] | None:
    """Return an address and a port if there is one; None for what is refused (parse_service of the source)."""
    if re.fullmatch(r"[0-9]*", text):
        return None
    port: str | None = None
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            return None
        port = rest[1:]
    address: Address | None = _inet6(text)
    if address is None:
        host, colon, rest = text.rpartition(":")
        text, port = (host, rest) if colon else (text, None)
        address = numbers_and_dots(text) or numbers_and_dots(hosts.get(text.lower(), ""))
    if address is None:
        return None
    if port is None:
        return address, None
    found = number(port)
    if found is None or not 0 <= found <= 65535:
        found = (_UDP_PORTS if command.protocol == "-u" else _PORTS).get(port)
    return None if found is None else (address, found)


def _inet6(text: str) -> IPv6Address | None:
    if "%" in text or len(text) > 45:
        return None
    try:
        return IPv6Address(text)
    except AddressValueError:
        return None


def numbers_and_dots(text: str) -> IPv4Address | None:
    """Return an address in any spelling that inet_aton(3) takes: fewer parts, octal, hexadecimal."""
    parts = text.split(".")
    if len(text) > 60 or len(parts) > 4:
        return None
    numbers = []
    for part in parts:
        if re.fullmatch(r"0[xX][0-9a-fA-F]+", part):
            numbers.append(int(part, 16))
        elif re.fullmatch(r"0[0-7]*", part):
            numbers.append(int(part, 8))
        elif re.fullmatch(r"[1-9][0-9]*", part):
            numbers.append(int(part))
        else:
            return None
    *front, last = numbers
    if any(each > 255 for each in front) or last >= 256 ** (4 - len(front)):
        return None
    return IPv4Address(bytes(front) + struct.pack(">I", last)[len(front) :])


def flags_of(text: str, scheduler: str) -> str:
    """Return a scheduler's flags in a fixed order. Raises Stops for those of another scheduler."""
    named = [word for word in text.split(",") if word]
    for word in named:
        if word not in _FLAGS:
            raise Stops(f"invalid scheduler flag `{word}'")
        if not word.startswith("flag-") and not word.startswith(f"{scheduler}-"):
            raise Stops(f"incompatible scheduler flag `{word}'")
    own = scheduler if scheduler in ("sh", "mh") else ""
    order = [f"{own}-fallback", f"{own}-port", "flag-3"] if own else ["flag-1", "flag-2", "flag-3"]
    same = {"flag-1": order[0], "flag-2": order[1]}
    return ",".join(sorted({same.get(word, word) for word in named}, key=order.index))
