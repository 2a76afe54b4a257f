"""The load balancer: LVS in NAT mode with ipvsadm as taught, and what removes a dead server from it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding
from vboxlab.guest.grammars.ipvsadm import read_rules
from vboxlab.guest.network import starts_after
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Await, Command, File, Package, Resource, Service, Sysctl
from vboxlab.guest.roles import GuestRole, Seen
from vboxlab.guest.steps import Steps, content_of
from vboxlab.guest.wording import code
from vboxlab.language import C_, N_, _
from vboxlab.roles.lvs.role import LvsRole
from vboxlab.roles.lvs.slips import DEFAULTS, slips, starts_the_same
from vboxlab.roles.lvs.table_slips import QUESTIONS, RULES, is_same, rules_of
from vboxlab.roles.lvs.words import EXPECTED, FOUND

IN_THE_TABLE = N_("real servers in the table")
DAEMONS = ("keepalived", "ldirectord")  # what may own the table; two at once would fight over it


class LvsInGuest(GuestRole[LvsRole]):
    """A load balancer."""

    found = FOUND
    expected = EXPECTED
    understood = frozenset({RULES, DEFAULTS})

    def means_the_same(self, path: str, wanted: bytes, found: bytes, facts: Facts) -> bool:
        """Tell whether a file makes the same table, or the init script do the same."""
        del facts
        if path == RULES:
            return is_same(read_rules(found), read_rules(wanted))
        return path == DEFAULTS and starts_the_same(found, wanted)

    def resources(self, role: LvsRole, place: Place) -> Iterable[Resource]:
        """Return the resources of an LVS load balancer (ipvsadm(8), keepalived.conf(5), ldirectord(8)).

        health none: the table is loaded at boot and never changes. Otherwise a daemon owns the table, so ipvsadm's own
        loading at boot is off, and connections to a removed server are dropped at once (expire_nodest_conn).
        """
        yield Sysctl("net.ipv4.ip_forward", "1")
        yield Package("ipvsadm")
        yield File(RULES, rules_of(role), notifies=("ipvsadm",) if role.health == "none" else ())
        yield File(DEFAULTS, _defaults(role), notifies=("ipvsadm",) if role.health == "none" else ())
        yield from (Service(other, enabled=False, running=False) for other in DAEMONS if other != role.health)
        if role.health == "none":
            yield starts_after("ipvsadm", role.interface)
            yield Service("ipvsadm")
        else:
            yield File("/etc/modules-load.d/ip_vs.conf", "ip_vs\n")
            yield Command(
                N_("IPVS in the kernel"), run=("modprobe", "ip_vs"), unless=("test", "-d", "/proc/sys/net/ipv4/vs")
            )
            yield Sysctl("net.ipv4.vs.expire_nodest_conn", "1")
            yield from (_keepalived if role.health == "keepalived" else _ldirectord)(role, place)
        servers = (f"{server}:{role.port}" for server in role.real_servers)
        unit = "ipvsadm" if role.health == "none" else role.health
        yield Await(IN_THE_TABLE, ("bash", "-c", _LISTED, "ipvsadm", *servers), unit=unit)

    def slips(self, role: LvsRole, place: Place, facts: Facts) -> Iterable[Finding]:
        """Return what is wrong with the rules and defaults."""
        return slips(role, place, facts)

    def questions(self, resources: Iterable[Resource]) -> Iterable[str]:
        """Ask ipvsadm which table the rules make, and which one the kernel has."""
        return QUESTIONS if any(isinstance(each, File) and each.path == RULES for each in resources) else ()

    def made_by(self, file: File, steps: Steps) -> bool:
        """Say what `dpkg-reconfigure ipvsadm` asks, and that it writes the file (ipvsadm's debconf templates)."""
        if file.path != DEFAULTS:
            return False
        values = dict(re.findall(r'^(\w+)="(.*)"$', content_of(file), re.MULTILINE))
        text = _(
            "Answer the questions of {command}: load the rules at boot: {auto}; daemon: {daemon}; interface: "
            "{interface}. {path} then holds:"
        )
        auto = C_("answer", "yes") if values.get("AUTO") == "true" else C_("answer", "no")
        steps.say(
            text.format(
                command=code("dpkg-reconfigure ipvsadm"),
                auto=f"**{auto}**",
                daemon=f"**{values.get('DAEMON', 'none')}**",
                interface=f"**{values.get('IFACE', '')}**",
                path=f"**{code(file.path)}**",
            )
        )
        steps.show(content_of(file))
        return True

    def seen(self, wish: Await) -> Seen | None:
        """Return how somebody sees that the real servers are in the table."""
        if wish.name != IN_THE_TABLE:
            return None
        servers = [word for word in wish.until if re.fullmatch(r"[\d.]+:\d+", word)]
        return Seen(_("the table lists {servers}:").format(servers=code(", ".join(servers))), "ipvsadm -Ln")


IN_GUEST = LvsInGuest()


# Each argument must be a real server that ipvsadm lists.
_LISTED = 'table=$(ipvsadm -Sn) || exit 1; for server; do [[ $table == *"-r $server "* ]] || exit 1; done'


def _defaults(role: LvsRole) -> str:
    auto = "true" if role.health == "none" else "false"
    daemon = "master" if role.health == "none" else "none"
    return f'AUTO="{auto}"\nDAEMON="{daemon}"\nIFACE="{role.interface}"\n'


def _keepalived(role: LvsRole, place: Place) -> Iterable[Resource]:
    servers = "".join(
        f"    real_server {server} {role.port} {{\n"
        "        TCP_CHECK {\n            connect_timeout 1\n            retry 0\n        }\n    }\n"
        for server in role.real_servers
    )
    content = (
        f"global_defs {{\n    router_id {place.machine.hostname}\n}}\n\n"
        f"virtual_server {role.virtual} {role.port} {{\n    delay_loop 0.3\n    lb_algo {role.scheduler}\n"
        f"    lb_kind NAT\n    protocol TCP\n\n{servers}}}\n"
    )
    yield Package("keepalived")
    yield File("/etc/keepalived/keepalived.conf", content, notifies=("keepalived",))
    yield Service("keepalived")


def _ldirectord(role: LvsRole, _place: Place) -> Iterable[Resource]:
    servers = "".join(f"    real={server}:{role.port} masq\n" for server in role.real_servers)
    content = (
        "checktimeout=1\ncheckinterval=1\nautoreload=yes\nquiescent=no\n\n"
        f"virtual={role.virtual}:{role.port}\n{servers}"
        f"    scheduler={role.scheduler}\n    protocol=tcp\n    checktype=connect\n"
    )
    yield Package("ldirectord")
    yield File("/etc/ha.d/ldirectord.cf", content, notifies=("ldirectord",))
    yield Service("ldirectord")
