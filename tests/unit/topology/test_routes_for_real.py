"""The computed routing tables given to the kernel, a name space a machine: who pings whom is what was computed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from tests.unit.topology.language_world import made
from vboxlab.topology.routes import Fate, Node, Routes

ROOT_WITH_PROGRAMS = (
    hasattr(os, "geteuid") and os.geteuid() == 0 and all(shutil.which(program) is not None for program in ("ip", "sh"))
)
pytestmark = pytest.mark.skipif(not ROOT_WITH_PROGRAMS, reason="needs root, and the program ip")

HEAD = """\
lab: small
base: debian12
networks:
  out: {kind: nat}
  lan: {subnet: 192.168.7.0/24}
  link: {subnet: 10.9.9.0/31}
  cluster: {subnet: 192.168.8.0/24}
machines:
"""
ROUTERS = """\
  one:
    hostname: one
    adapters:
      - {network: lan, address: 192.168.7.254/24}
      - {network: link, address: 10.9.9.0/31}
      - {network: out, address: dhcp}
    roles: [{role: router, wan: out, routes: [{to: 192.168.8.0/24, via: 10.9.9.1}]}]
  two:
    hostname: two
    adapters:
      - {network: link, address: 10.9.9.1/31}
      - {network: cluster, address: 192.168.8.254/24}
      - {network: out, address: dhcp}
    roles: [{role: router, wan: out, routes: [{to: 192.168.7.0/24, via: 10.9.9.0}]}]
"""
ENDS = """\
  client:
    hostname: client
    adapters: [{network: lan, address: 192.168.7.10/24, gateway: 192.168.7.254}]
  server:
    hostname: server
    adapters: [{network: cluster, address: 192.168.8.5/24, gateway: 192.168.8.254}]
"""
LABS = {
    "complete": ROUTERS + ENDS,
    "no way back at a router": ROUTERS.replace("routes: [{to: 192.168.7.0/24, via: 10.9.9.0}]", "routes: []") + ENDS,
    "no gateway at the server": ROUTERS + ENDS.replace(", gateway: 192.168.8.254", ""),
}

# Echo requests (RFC 792), again and again until each is answered or two seconds are over; prints who has answered.
PING = """
import socket, struct, sys, time
missing = set(sys.argv[1:])
echo = struct.pack("!BBHHH", 8, 0, 0xF7FE, 1, 0)
link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
link.settimeout(0.2)
end = time.monotonic() + 2
while missing and time.monotonic() < end:
    for address in missing:
        try:
            link.sendto(echo, (address, 0))
        except OSError:
            pass
    again = time.monotonic() + 0.4
    while missing and time.monotonic() < again:
        try:
            packet, (sender, _port) = link.recvfrom(1500)
        except TimeoutError:
            continue
        if packet[20] == 0 and sender in missing:
            missing.discard(sender)
            print(sender)
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False, timeout=30)


class Spaces:
    """Network name spaces, one a machine and one with a bridge a network, until they are closed."""

    def __init__(self, routes: Routes) -> None:
        self.prefix = f"vl{os.getpid()}-"
        self.names = [*routes.nodes, "switch"]
        self.lines = [f"ip netns add {self.prefix}{name}" for name in self.names]
        networks = {leg.network for node in routes.nodes.values() for leg in node.legs}
        self.bridges = {network: f"br{number}" for number, network in enumerate(sorted(networks))}
        for bridge in self.bridges.values():
            self.lines.append(f"ip -n {self.prefix}switch link add {bridge} type bridge")
            self.lines.append(f"ip -n {self.prefix}switch link set {bridge} up")
        for number, node in enumerate(routes.nodes.values()):
            self._machine(number, node)

    def _machine(self, number: int, node: Node) -> None:
        space, switch = self.prefix + node.machine.name, f"{self.prefix}switch"
        self.lines.append(f"ip -n {space} link set lo up")
        for leg in node.legs:
            if leg.address is None:
                continue  # NAT is not there: what leaves by it is lost
            port, own = f"p{number}x{leg.index}", f"eth{leg.index}"
            self.lines += [
                f"ip -n {switch} link add {port} type veth peer name {own} netns {space}",
                f"ip -n {switch} link set {port} master {self.bridges[leg.network]} up",
                f"ip -n {space} address add {leg.address} dev {own}",
                f"ip -n {space} link set {own} up",
            ]
        for entry in reversed(node.table):
            if entry.via is not None:
                self.lines.append(f"ip -n {space} route replace {entry.to} via {entry.via} dev eth{entry.leg.index}")
        forward = int(node.forwards)
        self.lines.append(f"ip netns exec {space} sh -c 'echo {forward} > /proc/sys/net/ipv4/ip_forward'")

    def open(self) -> str:
        """Make them; return why it cannot be done, "" when it was."""
        done = run("\n".join(self.lines))
        return "" if done.returncode == 0 else done.stderr.strip() or "failed"

    def close(self) -> None:
        run("\n".join(f"ip netns delete {self.prefix}{name} || true" for name in self.names))

    def pings(self, addresses: list[str]) -> dict[tuple[str, str], bool]:
        """Return for each machine and address whether it gets an answer; all are asked at once."""
        running = {
            name: subprocess.Popen(
                ["ip", "netns", "exec", self.prefix + name, sys.executable, "-c", PING, *addresses],
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in self.names
            if name != "switch"
        }
        answered = {name: process.communicate(timeout=60)[0].split() for name, process in running.items()}
        return {(name, address): address in answered[name] for name in running for address in addresses}


@pytest.fixture(params=LABS)
def routes(request: pytest.FixtureRequest) -> Routes:
    return Routes(made(HEAD + LABS[request.param]))


@pytest.fixture
def spaces(routes: Routes) -> Iterator[Spaces]:
    made_up = Spaces(routes)
    why = made_up.open()
    try:
        if why:
            pytest.skip(f"no network name spaces here: {why}")
        yield made_up
    finally:
        made_up.close()


def test_who_pings_whom_is_what_was_computed(routes: Routes, spaces: Spaces) -> None:
    addresses = [str(leg.address.ip) for node in routes.nodes.values() for leg in node.legs if leg.address]
    computed = {
        (sender, address): _is_answered(routes, sender, address) for sender in routes.nodes for address in addresses
    }
    assert any(computed.values())
    assert spaces.pings(addresses) == computed


def _is_answered(routes: Routes, sender: str, address: str) -> bool:
    trip = routes.trip(sender, IPv4Address(address))
    return trip.fate is Fate.ARRIVED and routes.answer(trip).trip.fate is Fate.ARRIVED
