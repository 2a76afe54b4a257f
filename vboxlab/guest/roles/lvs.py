"""The load balancer: LVS in NAT mode with ipvsadm as taught, and what removes a dead server from it."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.resources import Await, Command, File, Package, Resource, Service, Sysctl
from vboxlab.guest.roles.network import starts_after
from vboxlab.guest.roles.place import Place
from vboxlab.topology.roles import LvsRole

RULES = "/etc/ipvsadm.rules"
DEFAULTS = "/etc/default/ipvsadm"
DAEMONS = ("keepalived", "ldirectord")  # what may own the table; two at once would fight over it


def lvs(role: LvsRole, place: Place) -> Iterable[Resource]:
    """Return the resources of an LVS load balancer (ipvsadm(8), keepalived.conf(5), ldirectord(8)).

    health none: the table is loaded at boot and never changes. Otherwise a daemon owns the table, so ipvsadm's own
    loading at boot is off, and connections to a removed server are dropped at once (expire_nodest_conn).
    """
    yield Sysctl("net.ipv4.ip_forward", "1")
    yield Package("ipvsadm")
    yield File(RULES, _rules(role), notifies=("ipvsadm",) if role.health == "none" else ())
    yield File(DEFAULTS, _defaults(role), notifies=("ipvsadm",) if role.health == "none" else ())
    yield from (Service(other, enabled=False, running=False) for other in DAEMONS if other != role.health)
    if role.health == "none":
        yield starts_after("ipvsadm", role.interface)
        yield Service("ipvsadm")
    else:
        yield File("/etc/modules-load.d/ip_vs.conf", "ip_vs\n")
        yield Command("IPVS in the kernel", run=("modprobe", "ip_vs"), unless=("test", "-d", "/proc/sys/net/ipv4/vs"))
        yield Sysctl("net.ipv4.vs.expire_nodest_conn", "1")
        yield from (_keepalived if role.health == "keepalived" else _ldirectord)(role, place)
    servers = (f"{server}:{role.port}" for server in role.real_servers)
    unit = "ipvsadm" if role.health == "none" else role.health
    yield Await("real servers in the table", ("bash", "-c", _LISTED, "ipvsadm", *servers), unit=unit)


# Each argument must be a real server that ipvsadm lists.
_LISTED = 'table=$(ipvsadm -Sn) || exit 1; for server; do [[ $table == *"-r $server "* ]] || exit 1; done'


def _rules(role: LvsRole) -> str:
    virtual = f"{role.virtual}:{role.port}"
    lines = [f"-A -t {virtual} -s {role.scheduler}"]
    lines += [f"-a -t {virtual} -r {server}:{role.port} -m" for server in role.real_servers]
    return "\n".join(lines) + "\n"


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
