"""A Heartbeat cluster of two nodes with a floating address, as taught or tuned to be fast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from types import MappingProxyType

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding
from vboxlab.guest.naming import hosts_file
from vboxlab.guest.network import starts_after
from vboxlab.guest.pages import page_served
from vboxlab.guest.place import Place, static_address
from vboxlab.guest.resources import Await, Command, File, Package, Resource, SecretText, Service
from vboxlab.guest.roles import Copied, GuestRole, Judged, Seen
from vboxlab.guest.wording import code
from vboxlab.language import N_, _
from vboxlab.roles.heartbeat.lean import lean_heartbeat, packaged_heartbeat
from vboxlab.roles.heartbeat.other_words import means_the_same
from vboxlab.roles.heartbeat.pair_slips import together
from vboxlab.roles.heartbeat.role import HeartbeatRole
from vboxlab.roles.heartbeat.slips import ANOTHERS_KEY, AUTHKEYS, FILES, FOLDER, HA_CF, HARESOURCES, TIMES, slips
from vboxlab.roles.heartbeat.words import EXPECTED, FOUND
from vboxlab.topology.model import Machine

UNIT = "heartbeat"
RESTART = f"/etc/systemd/system/{UNIT}.service.d/restart.conf"
FIRST_RESTART = "[Service]\nKillMode=control-group\nRestart=on-success\nRestartSec=15\n"
HELD = N_("floating address held")
LEFT_TO_THE_MASTER = N_("floating address left to the master")
# Heartbeat waits initdead for a peer that does not appear, then takes the address and starts the services.
SETTLED_WITHIN = 90.0
# A node that is back before its peer has finished taking over never gets its resources again ("T_STARTING received
# during takeover" in the peer's log). Heartbeat's own init script waits deadtime + 10 s on restart; the unit does not.
TAKEOVER = 15
# Seconds that giving up the service may take: a minute was seen on a busy computer. Afterwards it is killed.
LONGEST_STOP = 300
# When it happened nevertheless, say because somebody restarted Heartbeat by hand, the node asks its peer for them, and
# the peer offers them: a master that still held the address when it was asked may give it up afterwards.
# The packaged scripts write each message to Heartbeat's pipe in pieces, and two of them write at once when the peer is
# silent at the start: "msg2string: Message with zero fields" in the log, and Heartbeat holds resources that nobody has
# started. Then there is nobody to ask: they are started as Heartbeat would have done it (rc.d/ip-request-resp).
ASKED_AFTER = 35.0
FIRST_ASK = ("/usr/share/heartbeat/hb_takeover", "local")
TAKE = """\
case $(cl_status rscstatus) in
    local | all)
        for group in $(/usr/share/heartbeat/ResourceManager listkeys "$(uname -n)"); do
            /usr/share/heartbeat/ResourceManager takegroup "$group"
        done
        ;;
    *) /usr/share/heartbeat/hb_takeover local ;;
esac"""
ASK = ("sh", "-c", TAKE)
OFFER = ("/usr/share/heartbeat/hb_standby", "foreign")


class HeartbeatInGuest(GuestRole[HeartbeatRole]):
    """One node of a Heartbeat cluster."""

    found = FOUND
    expected = EXPECTED
    understood = frozenset(FILES)
    other_secrets = MappingProxyType({AUTHKEYS: ANOTHERS_KEY})
    identity_files = ("/var/lib/heartbeat/hb_uuid", "/var/lib/heartbeat/hostcache", "/var/lib/heartbeat/delhostcache")
    fact_functions = files("vboxlab.roles.heartbeat").joinpath("facts.sh").read_text(encoding="utf-8")

    def resources(self, role: HeartbeatRole, place: Place) -> Iterable[Resource]:
        """Return the resources of one node of a Heartbeat cluster (ha.cf(5), haresources as in the practical).

        practical: Heartbeat starts and stops the services with the address; net-tools is there for IPaddr.
        fast: the services run on all nodes at all times, and only the address moves.
        """
        nodes = [place.topology.machines[name] for name in role.nodes]
        is_master = place.machine.name == role.nodes[0]
        yield Package("heartbeat")
        yield hosts_file(place, tuple(_peers(role, place, nodes)))
        yield File(HA_CF, _ha_cf(role, nodes), notifies=(UNIT,))
        yield File(HARESOURCES, _haresources(role, nodes), notifies=(UNIT,))
        yield File(
            AUTHKEYS,
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

    def slips(self, role: HeartbeatRole, place: Place, facts: Facts) -> Iterable[Finding]:
        """Return what is wrong with the three files, and with who starts the services."""
        return slips(role, place, facts)

    def means_the_same(self, path: str, wanted: bytes, found: bytes, facts: Facts) -> bool:
        """Tell whether a file lets Heartbeat do the same."""
        return means_the_same(path, wanted, found, facts)

    def together(self, role: HeartbeatRole, nodes: Mapping[str, Judged]) -> Iterable[Finding]:
        """Return what keeps nodes from hearing each other."""
        return together(role, nodes)

    def questions(self, resources: Iterable[Resource]) -> Iterable[str]:
        """Return what asks for the form of authkeys, whose text stays in the guest, and for services."""
        paths = [resource.path for resource in resources if isinstance(resource, File)]
        if AUTHKEYS not in paths:
            return []
        return [f"heartbeat_keys {AUTHKEYS}", f"heartbeat_digests {AUTHKEYS}", "heartbeat_scripts"]

    def as_it_was(self, resource: Resource) -> Resource:
        """Return the unit's restart, and the ways to take the address and to leave it to the master, as they were."""
        match resource:
            case File(path=path) if path == RESTART:
                return replace(resource, content=FIRST_RESTART)
            case Await(name=name) if name == LEFT_TO_THE_MASTER:
                return replace(resource, nudge=())
            case Await(name=name) if name == HELD:
                return replace(resource, nudge=FIRST_ASK)
            case _:
                return resource

    def copied(self, role: HeartbeatRole, place: Place) -> Copied | None:
        """Return that the files of all other nodes come from the master."""
        master, machine = role.nodes[0], place.machine.name
        if master == machine:
            return None
        text = _("On {master} (the master), copy the files of Heartbeat to {machine}, owner and mode included:")
        return Copied(master, FOLDER, text.format(master=code(master), machine=code(machine)))

    def seen(self, wish: Await) -> Seen | None:
        """Return how somebody sees who has the floating address."""
        if wish.name not in (HELD, LEFT_TO_THE_MASTER):
            return None
        interface, address = wish.until[-2:]
        if wish.name == HELD:
            text = _("{interface} carries {address}:")
        else:
            text = _("{interface} does not carry {address} (the master has it):")
        return Seen(
            text.format(interface=code(interface), address=code(address)), f"ip -4 address show dev {interface}"
        )


IN_GUEST = HeartbeatInGuest()


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
    return File(RESTART, "\n".join(lines) + "\n")


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
    return " ".join((nodes[0].hostname, f"{kind}::{role.address}/{role.interface}", *role.services_owned())) + "\n"


def _handed_over(service: str) -> Command:
    """Return the stop of a service that Heartbeat is going to own, before Heartbeat runs for the first time."""
    test = 'systemctl --quiet is-active heartbeat || ! systemctl --quiet is-active "$1"'
    return Command(
        f"{service} handed over to Heartbeat", ("systemctl", "stop", service), ("sh", "-c", test, "sh", service)
    )


def _address_settled(role: HeartbeatRole, *, held: bool) -> Await:
    operator = "-n" if held else "-z"
    test = f'[ {operator} "$(ip -o -4 addr show dev "$1" to "$2")" ]'
    until = ("sh", "-c", test, "sh", role.interface, str(role.address.ip))
    name = HELD if held else LEFT_TO_THE_MASTER
    return Await(name, until, SETTLED_WITHIN, nudge=ASK if held else OFFER, nudge_after=ASKED_AFTER, unit=UNIT)
