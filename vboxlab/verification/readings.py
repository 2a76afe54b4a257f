"""Commands that read a guest's state, and the pure parsers of what they print."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface

from vboxlab.lazily import dataclass

ADDRESSES_SCRIPT = "ip -o -4 addr show"
IPVS_SCRIPT = "ipvsadm -Ln"


@dataclass(frozen=True)
class HeldAddress:
    """An IPv4 address on an interface, as `ip -o -4 addr show` prints it."""

    interface: str
    address: IPv4Interface
    label: str


def parse_addresses(output: str) -> tuple[HeldAddress, ...]:
    r"""Return the addresses in the output of `ip -o -4 addr show` (ip-address(8)).

    A line: `2: enp0s3    inet 192.168.200.5/24 brd 192.168.200.255 scope global secondary enp0s3:0\       valid_lft …`
    """
    found = []
    for line in output.splitlines():
        words = line.partition("\\")[0].split()
        if len(words) >= 4 and words[2] == "inet":
            with suppress(ValueError):
                found.append(HeldAddress(words[1], IPv4Interface(words[3]), words[-1]))
    return tuple(found)


@dataclass(frozen=True)
class RealServer:
    """A server behind a virtual service, with how packets reach it (Masq, Route, Tunnel) and its weight."""

    address: IPv4Address
    port: int
    forward: str
    weight: int


@dataclass(frozen=True)
class VirtualService:
    """A virtual service of the IPVS table."""

    protocol: str
    address: IPv4Address
    port: int
    scheduler: str
    servers: tuple[RealServer, ...] = ()


def parse_ipvs(output: str) -> tuple[VirtualService, ...]:
    """Return the IPv4 services in the output of `ipvsadm -Ln` (ipvsadm(8)).

    Services of IPv6 and by firewall mark are left out, with the servers behind them.
    """
    services: list[VirtualService] = []
    servers: list[list[RealServer]] = []
    is_ipv4 = False
    for line in output.splitlines():
        match line.split():
            case [("TCP" | "UDP" | "SCTP" | "FWM") as protocol, where, *more]:
                place = _place(where)
                is_ipv4 = protocol != "FWM" and place is not None
                if is_ipv4 and place is not None:
                    services.append(VirtualService(protocol, *place, more[0] if more else ""))
                    servers.append([])
            case ["->", where, forward, weight, *_connections] if is_ipv4 and weight.isdigit():
                if (place := _place(where)) is not None:
                    servers[-1].append(RealServer(*place, forward, int(weight)))
            case _:
                continue
    return tuple(
        VirtualService(service.protocol, service.address, service.port, service.scheduler, tuple(behind))
        for service, behind in zip(services, servers, strict=True)
    )


def _place(text: str) -> tuple[IPv4Address, int] | None:
    address, _colon, port = text.rpartition(":")
    try:
        return IPv4Address(address), int(port)
    except ValueError:
        return None


@dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit."""

    loaded: bool
    running: bool
    enabled: bool
    active_state: str
    file_state: str


def unit_script(service: str) -> str:
    """Return the command that reads the state of a service."""
    return shlex.join(["systemctl", "show", "-p", "LoadState,ActiveState,UnitFileState", "--", service])


def parse_unit(output: str) -> UnitState | None:
    """Return the state in the output of `systemctl show -p …` (systemctl(1)), None when it has none."""
    values = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    if not values.get("LoadState"):
        return None
    active, file_state = values.get("ActiveState", ""), values.get("UnitFileState", "")
    return UnitState(
        loaded=values.get("LoadState") == "loaded",
        running=active in ("active", "reloading"),
        # a service that has only a script in /etc/init.d is "generated" from it, and started at boot
        enabled=file_state in ("enabled", "enabled-runtime", "generated", "alias", "static"),
        active_state=active,
        file_state=file_state,
    )


@dataclass(frozen=True)
class FileState:
    """A file's mode (octal digits), owner and content."""

    mode: str
    owner: str
    content: str


def file_script(path: str) -> str:
    """Return the command that reads a file: a line of mode and owner, then the content."""
    quoted = shlex.quote(path)
    return f"stat -c '%a %U' -- {quoted} && cat -- {quoted}"


def parse_file(output: str) -> FileState:
    """Return what the output of `file_script` says. Raises ValueError when it is something else."""
    first, _end, content = output.partition("\n")
    mode, owner = first.split()
    return FileState(mode, owner, content)


@dataclass(frozen=True)
class PingAnswer:
    """What ping ended with, and what it said when it did not end well."""

    exit_code: int
    why: str


def ping_script(targets: tuple[str, ...]) -> str:
    """Return a script that pings all targets once at a time and prints of each: number, exit code, what it said."""
    one = (
        'reach() { out=$(ping -n -c 1 -W 2 "$2" 2>&1); code=$?; [ $code -ne 0 ] || out=; '
        """echo "$1 $code $(printf '%s' "$out" | tr '\\n' ' ')"; }\n"""
    )
    return one + "".join(f"reach {n} {shlex.quote(target)} &\n" for n, target in enumerate(targets)) + "wait\n"


def parse_pings(output: str, targets: int) -> tuple[PingAnswer | None, ...]:
    """Return what came of each target by its number, None for those of which nothing was said."""
    answers: dict[int, PingAnswer] = {}
    for line in output.splitlines():
        if found := re.fullmatch(r"(\d+) (\d+) ?(.*)", line):
            number, code, why = found.groups()
            answers[int(number)] = PingAnswer(int(code), why.strip())
    return tuple(answers.get(number) for number in range(targets))


@dataclass(frozen=True)
class JournalLine:
    """A line of the journal with its time on the guest's clock (seconds since 1970)."""

    at: float
    text: str


def journal_script(since: float, *texts: str) -> str:
    """Return the command that prints the lines of the journal with one of some texts, since a moment of its clock."""
    wanted = " ".join(f"-e {shlex.quote(text)}" for text in texts)
    read = f"lines=$(journalctl -q --no-pager -o short-unix --since @{int(since)}) || exit"
    return f"{read}\nprintf '%s\\n' \"$lines\" | grep -F {wanted} || true"


def parse_journal(output: str) -> tuple[JournalLine, ...]:
    """Return the lines in the output of `journalctl -o short-unix` (journalctl(1)): time, host, source, message."""
    found = (re.match(r"(\d+\.\d+) (.*)", line) for line in output.splitlines())
    return tuple(JournalLine(float(match[1]), match[2]) for match in found if match)
