"""ha.cf as Heartbeat 3.0.6 reads it: ha.cf(5), and parse_config and init_config of heartbeat/config.c.

Heartbeat reads at most 5119 bytes at once, so a longer line goes on as another. A `#` begins a comment anywhere. The
first word is the directive; all further words, between blanks or commas, are values of it, each taken in turn. `ucast`
and `mcast` have their whole line. One wrong line is enough, and Heartbeat does not start. Each text is told apart from
others by bytes: what is no UTF-8 is kept as surrogates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from ipaddress import AddressValueError, IPv4Address

from vboxlab.lazily import dataclass

MOST = 5119  # bytes of a line
BLANKS = " \t\n\r\f"
PORT = 694
MOST_NODES = 100
YES, NO = frozenset({"true", "on", "yes", "y", "1"}), frozenset({"false", "off", "no", "n", "0"})
FACILITIES = frozenset({
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "security", "syslog", "user", "uucp",
    *(f"local{number}" for number in range(8)),
})  # fmt: skip
_TIME = re.compile(r"([0-9]*\.?[0-9]*)[0-9.]*[ \t\n\r\f]*(.*)", re.DOTALL)
_NUMBER = re.compile(r"[ \t\n\r\f\v]*([+-]?[0-9]{1,9})")
BOOLEANS = frozenset({
    "use_logd", "realtime", "use_apphbd", "log_badpack", "syslogmsgfmt", "coredumps", "traditional_compression",
    "record_config_changes", "record_pengine_inputs", "enable_config_writes", "crmd_spawns_pengine", "nice_failback",
})  # fmt: skip
NUMBERS: Mapping[str, tuple[int, int]] = {
    "hopfudge": (0, 255), "debug": (0, 255), "udpport": (1, 2**31), "max_rexmit_delay": (1, 2**31),
    "compression_threshold": (1, 2**31), "rtprio": (1, 99), "memreserve": (1, 2**31),
}  # fmt: skip
CHOICES: Mapping[str, Set[str]] = {
    "autojoin": frozenset({"none", "other", "any"}),
    "msgfmt": frozenset({"classic", "netstring"}),
    "hbgenmethod": frozenset({"file", "time"}),
    "uuidfrom": frozenset({"file", "nodename"}),
    "compression": frozenset({"zlib", "bz2"}),
    "baud": frozenset({"9600", "19200", "38400", "57600", "115200", "230400", "460800"}),
}
TIMES = ("keepalive", "deadtime", "warntime", "initdead", "deadping")
ONCE = frozenset({"watchdog", "baud"})
ANY = frozenset({
    "cluster", "node", "logfile", "debugfile", "logfacility", "auto_failback", "watchdog", "env", "coreroot",
    "conn_logd_time", "quorum_server", "crm", "pacemaker", "crm_daemon_dir", "ping", "bcast",
})  # fmt: skip
WHOLE_LINES = frozenset({"ucast", "mcast", "stonith", "stonith_host", "apiauth", "respawn", "failfast"})
UNREAD = frozenset({"serial", "ping6", "ping_group", "ucast6", "mcast6"})  # media that are not read any further here
DIRECTIVES = ANY | BOOLEANS | NUMBERS.keys() | CHOICES.keys() | frozenset(TIMES) | WHOLE_LINES | UNREAD


@dataclass(frozen=True)
class Medium:
    """A way to the peers: an interface, the port, and to whom it leads (ucast, mcast)."""

    kind: str
    interface: str
    port: int = PORT
    target: str = ""
    line: int = 0


@dataclass(frozen=True)
class Refused:
    """Why Heartbeat does not start: what is wrong, the words of it, and its line (None: the file as a whole).

    kind is one of directive, value, interface, peer, arguments, crm, no-path, no-node, not-a-node, deadtime, initdead.
    """

    kind: str
    word: str = ""
    found: str = ""
    line: int | None = None


@dataclass(frozen=True)
class HaCf:
    """What Heartbeat took from a file, and where it stands; times in milliseconds."""

    times: Mapping[str, int]
    given: Mapping[str, tuple[int, str]]  # the last value of each directive as written, with its line
    auto_failback: str = "legacy"  # on, off, legacy
    nodes: tuple[tuple[str, int], ...] = ()  # in small letters, as Heartbeat keeps them, each with its line
    pinged: tuple[str, ...] = ()
    media: tuple[Medium, ...] = ()
    other_media: bool = False  # there are such as are not read here
    refused: tuple[Refused, ...] = ()

    def meaning(self) -> dict[str, object] | None:
        """Return what matters as plain values; None when Heartbeat does not start."""
        if self.refused:
            return None
        media = [[m.kind, m.interface, str(m.port), *([m.target] if m.target else [])] for m in self.media]
        return {
            **{name: self.times[name] for name in ("keepalive", "deadtime", "warntime", "initdead")},
            "auto_failback": self.auto_failback,
            "nodes": sorted(name for name, _line in self.nodes),
            "pinged": sorted(self.pinged),
            "media": sorted(media),
        }


def read_ha_cf(data: bytes, hostname: str, interfaces: Set[str], names: Mapping[str, str]) -> HaCf:
    """Return what Heartbeat takes from ha.cf on a computer of this name (`uname -n`).

    The computer has these interfaces, and finds these names' addresses.
    """
    reading = _Reading(interfaces, names)
    for number, text in lines(data):
        words = text.strip(BLANKS)
        if words:
            directive = re.split(r"[ \t\f\r\n]", words, maxsplit=1)[0]
            reading.line(number, directive, text.lstrip(BLANKS)[len(directive) :].lstrip(BLANKS + ","))
    return reading.whole(hostname)


def lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield what Heartbeat reads at once, with the number of its line, without comments and what follows a line end."""
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw + b"\n"
        for start in range(0, len(line), MOST):
            piece = line[start : start + MOST].partition(b"\0")[0].decode(errors="surrogateescape").lstrip(BLANKS)
            yield number, re.split(r"[\r\n]", piece.partition("#")[0], maxsplit=1)[0]


def milliseconds(text: str) -> int | None:
    """Return a time as Heartbeat counts it (cl_get_msec of cluster-glue): seconds without a unit; None for no time."""
    if text[:1] not in tuple("0123456789."):
        return None
    number, unit = _TIME.fullmatch(text).groups()  # type: ignore[union-attr]
    unit = unit.lower()
    if unit.startswith(("ms", "msec")):
        factor = 1.0
    elif unit.startswith(("us", "usec")):
        factor = 0.001
    elif unit:
        return None
    else:
        factor = 1000.0
    value = float(number) if number.strip(".") else 0.0
    return int(min(value * factor, 1e15) + 0.5)


class _Reading:
    """What was read so far."""

    def __init__(self, interfaces: Set[str], names: Mapping[str, str]) -> None:
        self.interfaces = interfaces
        self.names = names
        self.times = {"keepalive": 1000, "deadtime": 30000}
        self.given: dict[str, tuple[int, str]] = {}
        self.auto_failback = "legacy"
        self.nodes: list[tuple[str, int]] = []
        self.pinged: list[str] = []
        self.media: list[Medium] = []
        self.port = PORT
        self.other_media = False
        self.refused: list[Refused] = []

    def refuse(self, line: int | None, kind: str, word: str = "", found: str = "") -> None:
        self.refused.append(Refused(kind, word, found, line))

    def line(self, number: int, directive: str, rest: str) -> None:
        directive = "bcast" if directive == "udp" else directive
        if directive not in DIRECTIVES:
            self.refuse(number, "directive", directive)
        elif directive in UNREAD:
            self.other_media = True
        elif directive in WHOLE_LINES:
            self.whole_line(number, directive, rest.split())
        else:
            for value in filter(None, re.split(r"[ \t\f\r\n,]+", rest)):
                self.value(number, directive, value)

    def value(self, number: int, word: str, value: str) -> None:
        taken: Callable[[str], bool] | None = {
            "node": lambda v: self.node(v, number),
            "ping": lambda v: self.ping(v, number),
            "bcast": lambda v: self.medium(number, "bcast", v),
            "logfacility": lambda v: v in FACILITIES or v == "none",
            "auto_failback": self.failback,
            "conn_logd_time": lambda v: (milliseconds(v) or 0) > 0,
            "env": lambda v: not v.startswith("="),
        }.get(word)
        if word in ONCE and word in self.given:
            fine = False
        elif taken is not None:
            fine = taken(value)
        elif word in TIMES:
            fine = self.time(word, value)
        elif word in BOOLEANS:
            fine = value.lower() in YES | NO
        elif word in NUMBERS:
            least, most = NUMBERS[word]
            found = _NUMBER.match(value)
            fine = least <= (int(found[1]) if found else 0) <= most
        else:
            fine = word not in CHOICES or value in CHOICES[word]
        self.given[word] = (number, value)
        if word == "bcast" and not fine:
            self.refuse(number, "interface", word, value)
        elif not fine:
            self.refuse(number, "value", word, value)
        elif word == "udpport":
            self.port = int(_NUMBER.match(value)[1])  # type: ignore[index]
        elif word in ("crm", "pacemaker") and value.lower() not in NO:
            self.refuse(number, "crm", word, value)
        elif word == "nice_failback":
            self.auto_failback = "legacy"

    def node(self, name: str, number: int) -> bool:
        if len(self.nodes) >= MOST_NODES:
            return False
        self.nodes.append((_small(name), number))
        return True

    def ping(self, name: str, number: int) -> bool:
        self.pinged.append(_small(name))
        return (_is_address(name) or name in self.names) and self.node(name, number)

    def failback(self, value: str) -> bool:
        word = value.lower()
        if word not in YES | NO | {"legacy"}:
            return False
        self.auto_failback = "legacy" if word == "legacy" else "on" if word in YES else "off"
        return True

    def time(self, word: str, value: str) -> bool:
        found = milliseconds(value)
        if found is None or (found == 0 and word in ("keepalive", "warntime")):
            return False
        self.times[word] = found
        return True

    def medium(self, number: int, kind: str, interface: str, port: int | None = None, target: str = "") -> bool:
        self.media.append(Medium(kind, interface, port or self.port, target, number))
        return interface in self.interfaces

    def whole_line(self, number: int, word: str, words: list[str]) -> None:
        self.given[word] = (number, " ".join(words))
        if word == "ucast" and len(words) >= 2:
            target = words[1] if _is_address(words[1]) else self.names.get(words[1], "")
            fine = self.medium(number, word, words[0], None, target or words[1])
            if not target:
                self.refuse(number, "peer", word, words[1])
        elif word == "mcast" and len(words) >= 5 and _fine_mcast(words[1:5]):
            fine = self.medium(number, word, words[0], int(words[2]), words[1])
        elif word in ("ucast", "mcast", "stonith", "stonith_host"):
            self.refuse(number, "arguments", word, " ".join(words))
            return
        elif word in ("respawn", "failfast"):
            fine = len(words) >= 2 and words[1].startswith("/usr/libexec/heartbeat/")
            if not fine:
                self.refuse(number, "value", word, " ".join(words))
            return
        else:
            return
        if not fine:
            self.refuse(number, "interface", word, words[0])

    def whole(self, hostname: str) -> HaCf:
        """Judge what only the whole file tells."""
        keepalive, deadtime = self.times["keepalive"], self.times["deadtime"]
        usual = 2 * deadtime if 6000 <= deadtime <= 10000 else max(deadtime, 12000)
        self.times.setdefault("warntime", deadtime // 2)
        self.times.setdefault("initdead", usual)
        self.times.setdefault("deadping", deadtime)
        nodes = [name for name, _line in self.nodes]
        if not (self.media or self.other_media or self.pinged):
            self.refuse(None, "no-path")
        if not nodes:
            self.refuse(None, "no-node")
        elif _small(hostname) not in nodes:
            self.refuse(self.nodes[0][1], "not-a-node", hostname)
        for word, limit in (("deadtime", 2 * keepalive), ("deadping", 2 * keepalive)):
            if self.times[word] <= limit and (word == "deadtime" or word in self.given):
                self.refuse(self.at(word) or self.at("keepalive"), "deadtime", word, f"{self.times[word]} ms")
        if self.times["initdead"] < deadtime:
            self.refuse(self.at("initdead"), "initdead", "initdead", f"{self.times['initdead']} ms")
        if self.given.get("autojoin", (0, "none"))[1] != "none":
            self.refuse(self.at("autojoin"), "value", "autojoin", self.given["autojoin"][1])
        if self.given.get("use_logd", (0, "yes"))[1].lower() in NO and not self.logs():
            self.refuse(self.at("use_logd"), "value", "use_logd", self.given["use_logd"][1])
        own = tuple((name, line) for name, line in self.nodes if name not in self.pinged)
        return HaCf(self.times, self.given, self.auto_failback, own, tuple(self.pinged),
                    tuple(self.media), self.other_media, tuple(self.refused))  # fmt: skip

    def logs(self) -> bool:
        return any(word in self.given for word in ("logfile", "debugfile", "logfacility"))

    def at(self, word: str) -> int | None:
        return self.given[word][0] if word in self.given else None


def _small(text: str) -> str:
    return re.sub(r"[A-Z]+", lambda found: found[0].lower(), text)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def _fine_mcast(words: list[str]) -> bool:
    group, port, ttl, loop = words
    is_group = _is_address(group) and IPv4Address(group).is_multicast
    numbers = all(word.isascii() and word.isdigit() and len(word) < 6 for word in (port, ttl, loop))
    return is_group and numbers and 0 < int(port) < 65536 and int(ttl) < 256 and int(loop) < 2
