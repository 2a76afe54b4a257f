"""A Heartbeat cluster of two nodes with a floating address, as taught or tuned to be fast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vboxlab.guest.resources import Await, Command, File, Package, Resource, SecretText, Service
from vboxlab.guest.roles.lean_heartbeat import lean_heartbeat, packaged_heartbeat
from vboxlab.guest.roles.naming import hosts_file
from vboxlab.guest.roles.network import starts_after
from vboxlab.guest.roles.place import Place, static_address
from vboxlab.guest.roles.web import page_served
from vboxlab.topology.model import Machine
from vboxlab.topology.roles import HeartbeatRole

UNIT = "heartbeat"
# Heartbeat waits initdead for a peer that does not appear, then takes the address and starts the services.
SETTLED_WITHIN = 90.0
# A node that is back before its peer has finished taking over never gets its resources again ("T_STARTING received
# during takeover" in the peer's log). Heartbeat's own init script waits deadtime + 10 s on restart; the unit does not.
TAKEOVER = 15
# Seconds that giving up the service may take: a minute was seen on a busy computer. Afterwards it is killed.
LONGEST_STOP = 300
# When it happened nevertheless, say because somebody restarted Heartbeat by hand, the node asks its peer for them, and
# the peer offers them: a master that still held the address when it was asked may give it up afterwards.
ASKED_AFTER = 35.0
ASK = ("/usr/share/heartbeat/hb_takeover", "local")
OFFER = ("/usr/share/heartbeat/hb_standby", "foreign")
TIMES = {
    "practical": ("keepalive 1", "warntime 3", "deadtime 5", "initdead 30"),
    "fast": ("keepalive 200ms", "warntime 1", "deadtime 2", "initdead 30"),
}


def heartbeat(role: HeartbeatRole, place: Place) -> Iterable[Resource]:
    """Return the resources of one node of a Heartbeat cluster (ha.cf(5), haresources as in the practical).

    practical: Heartbeat starts and stops the services with the address; net-tools is there for IPaddr.
    fast: the services run on all nodes at all times, and only the address moves.
    """
    nodes = [place.topology.machines[name] for name in role.nodes]
    is_master = place.machine.name == role.nodes[0]
    yield Package("heartbeat")
    yield hosts_file(place, tuple(_peers(role, place, nodes)))
    yield File("/etc/ha.d/ha.cf", _ha_cf(role, nodes), notifies=(UNIT,))
    yield File("/etc/ha.d/haresources", _haresources(role, nodes), notifies=(UNIT,))
    yield File(
        "/etc/ha.d/authkeys",
        SecretText("auth 1\n1 md5 <secret>\n", role.secret),
        mode=0o600,
        notifies=(UNIT,),
    )
    if role.tuning == "practical":
        yield Package("net-tools")
        yield from packaged_heartbeat()
        for service in role.services:
            yield Service(service, enabled=False, running=None)
            yield _handed_over(service)
    else:
        yield from lean_heartbeat()
        for service in role.services:
            yield Service(service)
    yield starts_after(UNIT, role.interface)
    yield _comes_back()
    yield Service(UNIT, pause=TAKEOVER)
    yield _address_settled(role, held=is_master)
    yield page_served(role.address.ip, unit=UNIT, within=SETTLED_WITHIN)


def _comes_back() -> File:
    """Return what brings Heartbeat back after its own restart (systemd.service(5), systemd.kill(5)).

    Nodes that took each other for dead, as after a pause of the host that was longer than deadtime, restart themselves
    when they meet again: they give up what they hold, and start anew in the background. Half of the time the packaged
    unit loses track of the new process and stops it, and nobody has the address any more. Killed processes stay dead,
    as a practical may want to see that.

    That new process holds nothing yet, but asked to end it first finishes its start ("Shutdown delayed until
    Communication is up"), for which it needs its peer and the very processes that the unit has just asked to end:
    minutes on a slow computer, up to the 30 that the package allows. So it is killed at once (mixed: what has no main
    process gets no SIGTERM). A main process is asked to end, as `heartbeat -k` does, and has a bounded time for it.
    """
    lines = (
        "[Service]", "ExecStop=", "KillMode=mixed", "SendSIGKILL=yes", f"TimeoutStopSec={LONGEST_STOP}",
        "Restart=on-success", f"RestartSec={TAKEOVER}",
    )  # fmt: skip
    return File(f"/etc/systemd/system/{UNIT}.service.d/restart.conf", "\n".join(lines) + "\n")


def _peers(role: HeartbeatRole, place: Place, nodes: list[Machine]) -> Iterator[tuple[str, Machine]]:
    network = place.network_of(role.interface)
    for node in nodes:
        if node.name == place.machine.name:
            continue
        for adapter in node.adapters:
            address = static_address(adapter)
            if adapter.network == network and address is not None:
                yield str(address.ip), node


def _ha_cf(role: HeartbeatRole, nodes: list[Machine]) -> str:
    names = " ".join(node.hostname for node in nodes)
    lines = ("logfacility local0", *TIMES[role.tuning], f"bcast {role.interface}", "auto_failback on", f"node {names}")
    return "\n".join(lines) + "\n"


def _haresources(role: HeartbeatRole, nodes: list[Machine]) -> str:
    kind = "IPaddr" if role.tuning == "practical" else "FloatingAddress"
    services = role.services if role.tuning == "practical" else ()
    return " ".join((nodes[0].hostname, f"{kind}::{role.address}/{role.interface}", *services)) + "\n"


def _handed_over(service: str) -> Command:
    """Return the stop of a service that Heartbeat is going to own, before Heartbeat runs for the first time."""
    test = 'systemctl --quiet is-active heartbeat || ! systemctl --quiet is-active "$1"'
    return Command(
        f"{service} handed over to Heartbeat", ("systemctl", "stop", service), ("sh", "-c", test, "sh", service)
    )


def _address_settled(role: HeartbeatRole, *, held: bool) -> Await:
    operator = "-n" if held else "-z"
    test = f'[ {operator} "$(ip -o -4 addr show dev "$1" to "$2")" ]'
    name = f"floating address {'held' if held else 'left to the master'}"
    until = ("sh", "-c", test, "sh", role.interface, str(role.address.ip))
    return Await(name, until, SETTLED_WITHIN, nudge=ASK if held else OFFER, nudge_after=ASKED_AFTER, unit=UNIT)
