"""The table of virtual services that a file of ipvsadm's rules makes (ipvsadm(8), ipvsadm-restore(8)).

That is what /etc/init.d/ipvsadm loads: `grep -v "^#"` of the file, read by `ipvsadm -R` (1.31, restore_table and
process_options of its source) into an empty table of the kernel (6.1, net/netfilter/ipvs/ip_vs_ctl.c). Whatever
`ipvsadm -Sn` prints is such a file too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Address

from vboxlab.guest.grammars.ipvsadm_options import Command, LeftOut, Stops, command_of, flags_of, number, words_of
from vboxlab.lazily import dataclass

HOSTS: Mapping[str, str] = {"localhost": "127.0.0.1"}
SCHEDULERS = frozenset({
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
})  # fmt: skip
UNWEIGHTED = frozenset({"rr", "lc"})
"""Schedulers for which any weight above 0 is the same (ipvsadm(8))."""
_TOLD = ("--tun-type", "--tun-port", "--tun-nocsum", "--tun-csum", "--tun-remcsum", "-x", "-y")  # in this order
_BINARY = "binary file matches"
_DEFAULT_SCHEDULER = "wlc"
_OF_SERVICE = frozenset({"scheduler", "persistent", "netmask", "ops", "pe", "sched-flags"})
_OF_SERVER = frozenset({
    "forwarding-method", "weight", "u-threshold", "l-threshold", "tun-type", "tun-port", "tun-nocsum", "tun-csum",
    "tun-remcsum",
})  # fmt: skip
# By command: the options that it must have, and those that it may have besides (commands_v_options of the source).
_ALLOWED: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "add-service": (("service-address",), _OF_SERVICE),
    "edit-service": (("service-address",), _OF_SERVICE),
    "delete-service": (("service-address",), frozenset()),
    "clear": ((), frozenset()),
    "list": ((), frozenset({
        "numeric", "connection", "service-address", "timeout", "daemon", "stats", "rate", "thresholds",
        "persistent-conn", "nosort", "syncid", "exact", "tun-info",
    })),
    "zero": ((), frozenset({"service-address"})),
    "add-server": (("service-address", "real-server"), _OF_SERVER),
    "edit-server": (("service-address", "real-server"), _OF_SERVER),
    "delete-server": (("service-address", "real-server"), frozenset()),
    "set": ((), frozenset()),
    "save": ((), frozenset({"numeric"})),
    "start-daemon": ((), frozenset({
        "mcast-interface", "syncid", "mcast-group", "mcast-port", "mcast-ttl", "sync-maxlen",
    })),
    "stop-daemon": ((), frozenset({"syncid"})),
}  # fmt: skip
_TUNNELS = {
    "ipip": (frozenset[str](), frozenset[str]()),
    "gue": (frozenset({"tun-port"}), frozenset({"tun-nocsum", "tun-csum", "tun-remcsum"})),
    "gre": (frozenset[str](), frozenset({"tun-nocsum", "tun-csum"})),
}


@dataclass(frozen=True)
class Server:
    """A real server of a service. `options` are its own besides method and weight, as the program would print them."""

    line: int
    method: str
    weight: int
    options: str = ""


@dataclass(frozen=True)
class Service:
    """A virtual service and its real servers, by address and port."""

    line: int
    scheduler: str
    persistence: int | None = None
    """How long a client stays with a server, in seconds; None for each request anew."""
    options: str = ""
    servers: Mapping[str, Server] = field(default_factory=dict)


@dataclass(frozen=True)
class Complaint:
    """A line that is refused, and why in the program's words. `is_last`: it ends there, what follows is not loaded."""

    line: int
    text: str
    reason: str
    is_last: bool


@dataclass(frozen=True)
class Table:
    """What a file makes: services by how they are asked for, such as `-t 192.168.200.5:80`."""

    services: Mapping[str, Service] = field(default_factory=dict)
    complaints: tuple[Complaint, ...] = ()


def read_rules(data: bytes, hosts: Mapping[str, str] = HOSTS, *, to_the_end: bool = False) -> Table:
    """Return the table that a file makes in an empty one. Host names other than those of `hosts` have no address.

    `to_the_end` tells what was meant: it goes on behind lines where the program ends, and a server whose service is
    not there (yet) makes one of line 0.
    """
    table, complaints = dict[str, Service](), list[Complaint]()
    # grep prints no line that is no UTF-8, and none at all of a file with a NUL.
    is_binary = b"\0" in data
    for line, text in enumerate(data.split(b"\n"), 1):
        if text.startswith(b"#") and not is_binary:
            continue
        if is_binary:
            complaints.append(Complaint(line, text.decode(errors="replace").strip(), _BINARY, is_last=True))
            break
        try:
            _load(table, text.decode(), line, hosts, is_meant=to_the_end)
        except Stops as error:
            complaints.append(Complaint(line, text.decode(errors="replace").strip(), str(error), is_last=True))
            if not to_the_end:
                break
        except (LeftOut, UnicodeDecodeError) as error:
            reason = str(error) if isinstance(error, LeftOut) else _BINARY
            complaints.append(Complaint(line, text.decode(errors="replace").strip(), reason, is_last=False))
    return Table(table, tuple(complaints))


def _load(  # noqa: C901
    table: dict[str, Service], text: str, line: int, hosts: Mapping[str, str], *, is_meant: bool
) -> None:
    words = words_of(text)
    if not words:
        return
    command = command_of(words, hosts)
    if command.name == "set":
        _set(command)
    elif command.words:
        raise Stops(f"unexpected argument {command.words[0]}")
    if command.flags:
        command.flags = flags_of(command.flags, command.scheduler or _DEFAULT_SCHEDULER)
    if command.name == "restore":
        raise Stops("--restore")
    _expect_options(command)
    match command.name:
        case "clear":
            table.clear()
        case "add-service" | "edit-service":
            _service(table, command, line)
        case "delete-service":
            if table.pop(_key(command), None) is None:
                raise LeftOut("No such service")
        case "add-server" | "edit-server" | "delete-server":
            _server(table, command, line, is_meant=is_meant)
        case "list" if "service-address" in command.given and _key(command) not in table:
            raise Stops("No such service")
        case "zero" if "service-address" in command.given and _key(command) not in table:
            raise LeftOut("No such service")
        case _:
            pass


def _set(command: Command) -> None:
    if len(command.words) < 3:
        raise Stops("--set option requires 3 timeout values")
    for word in command.words[:3]:
        found = number(word)
        if found is None or not 0 <= found <= 86400 * 31:
            raise Stops(f"invalid timeout value `{word}' specified")
    if len(command.words) > 3:
        raise Stops(f"unexpected argument {command.words[3]}")


def _expect_options(command: Command) -> None:
    needed, others = _ALLOWED[command.name]
    for name in needed:
        if name not in command.given:
            raise Stops(f"You need to supply the '{name}' option for the '{command.name}' command")
    for name in sorted(command.given.difference(needed, others)):
        raise Stops(f"Illegal '{name}' option with the '{command.name}' command")
    if command.name == "list" and len(command.given & {"connection", "service-address", "timeout", "daemon"}) > 1:
        raise Stops("options conflicts in the list command")


def _key(command: Command) -> str:
    if command.mark:
        return f"-f {command.mark}{' -6' if command.is_ipv6 else ''}"
    return f"{command.protocol} {command.service}"


def _service(table: dict[str, Service], command: Command, line: int) -> None:
    port = command.service.port if command.service else 0
    if not command.mark and not port and command.persistence is None:
        raise Stops("Zero port specified for non-persistent service")
    if command.one_packet and not command.mark and command.protocol != "-u":
        raise Stops("One-Packet Scheduling is only for UDP virtual services")
    scheduler, old = command.scheduler or _DEFAULT_SCHEDULER, table.get(_key(command))
    if command.name == "add-service" and old is not None and old.line:
        raise LeftOut("Service already exists")
    if command.name == "edit-service" and (old is None or not old.line):
        raise LeftOut("No such service")
    if scheduler not in SCHEDULERS or command.engine not in ("", "sip"):
        raise LeftOut("Scheduler or persistence engine not found")
    told = [
        f"-M {command.mask}" if command.mask and command.persistence is not None else "",
        f"--pe {command.engine}" if command.engine else "",
        "-o" if command.one_packet else "",
        f"-b {command.flags}" if command.flags else "",
    ]
    servers = old.servers if old is not None else {}
    table[_key(command)] = Service(line, scheduler, command.persistence, " ".join(filter(None, told)), servers)


def _server(table: dict[str, Service], command: Command, line: int, *, is_meant: bool) -> None:
    server, service = command.server, table.get(_key(command))
    if server is None:
        return
    if service is None and is_meant and command.name == "add-server":
        table[_key(command)] = Service(0, "")
        try:
            _server(table, command, line, is_meant=False)
        finally:
            if not table[_key(command)].servers:
                del table[_key(command)]
        raise LeftOut("Service not defined")
    port = server.port
    if command.name != "delete-server":
        if not command.mark and command.method != "-m":
            port = command.service.port if command.service else 0
        if (server.address.version == 6) != command.is_ipv6 and command.method != "-i":
            raise Stops("Different address family is allowed only for tunneling servers")
        _expect_tunnel(command)
    if service is None:
        raise LeftOut("Service not defined")
    key = str(type(server)(server.address, port))
    if command.name == "delete-server":
        if key not in service.servers:
            raise LeftOut("No such destination")
        others = {name: each for name, each in service.servers.items() if name != key}
        table[_key(command)] = _with_servers(service, others)
        return
    _expect_addable(command, service, key)
    changed = Server(line, command.method, command.weight, _told(command))
    table[_key(command)] = _with_servers(service, {**service.servers, key: changed})


def _expect_addable(command: Command, service: Service, key: str) -> None:
    if command.least > command.most:
        raise LeftOut("Numerical result out of range")
    if command.name == "add-server" and key in service.servers:
        raise LeftOut("Destination already exists")
    if command.name == "edit-server" and key not in service.servers:
        raise LeftOut("No such destination")
    address = command.server.address if command.server else IPv4Address(0)
    if address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
        raise LeftOut("Invalid operation.  Possibly wrong module version, address not unicast, ...")


def _told(command: Command) -> str:
    told = {f"--{name}": value for name, value in command.tunnel.items()}
    told |= {"-x": str(command.most)} if command.most else {}
    told |= {"-y": str(command.least)} if command.least else {}
    if told.get("--tun-type") == "ipip":
        del told["--tun-type"]
    if "--tun-type" in told and not {"--tun-csum", "--tun-remcsum"} & told.keys():
        told["--tun-nocsum"] = ""
    return " ".join(f"{name} {told[name]}".strip() for name in _TOLD if name in told)


def _with_servers(service: Service, servers: Mapping[str, Server]) -> Service:
    return Service(service.line, service.scheduler, service.persistence, service.options, servers)


def _expect_tunnel(command: Command) -> None:
    if command.tunnel and command.method != "-i":
        raise Stops("Tunnel options conflict with forward method")
    kind = command.tunnel.get("tun-type", "ipip")
    needed, one_of = _TUNNELS[kind]
    given = set(command.tunnel) - {"tun-type"}
    for name in sorted(needed - given):
        raise Stops(f"You need to supply the '{name}' option for the '{kind}' tunnel type")
    if given - needed - one_of or len(given & one_of) > 1:
        raise Stops(f"Illegal option with the '{kind}' tunnel type")
