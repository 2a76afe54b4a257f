"""Slips in Heartbeat's three files (ha.cf(5), and what Debian 12's Heartbeat 3.0.6 was seen to refuse)."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from vboxlab.guest.facts import Facts, FileFact, rights_of
from vboxlab.guest.findings import Finding, Severity, Where, in_file
from vboxlab.guest.grammars.authkeys import READ_BY_OTHERS, read_authkeys
from vboxlab.guest.grammars.ha_cf import DIRECTIVES, HaCf, milliseconds, read_ha_cf
from vboxlab.guest.place import Place, static_address
from vboxlab.roles.heartbeat.resource_slips import haresources
from vboxlab.roles.heartbeat.role import DEADTIMES, HeartbeatRole
from vboxlab.topology.problems import nearest

FOLDER = "/etc/ha.d/"
HA_CF, HARESOURCES, AUTHKEYS = f"{FOLDER}ha.cf", f"{FOLDER}haresources", f"{FOLDER}authkeys"
FILES = (HA_CF, HARESOURCES, AUTHKEYS)
ANOTHERS_KEY = "authkeys-other-secret"
RIGHT_MODE, WRITTEN_BY_OTHERS = 0o600, 0o022
NEEDED = ("deadtime", "keepalive")  # decide when a node is dead; the others are worth a warning
TIMES = {
    "practical": ("keepalive 1", "warntime 3", f"deadtime {DEADTIMES['practical']}", "initdead 30"),
    "fast": ("keepalive 200ms", "warntime 1", f"deadtime {DEADTIMES['fast']}", "initdead 30"),
}


def slips(role: HeartbeatRole, place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with one node of a cluster. Missing files are told by their resources."""
    nodes = frozenset(place.topology.machines[name].hostname.lower() for name in role.nodes)
    if HA_CF in facts.files:
        found = ha_cf(role, place, facts, facts.files[HA_CF])
        nodes |= {name for name, _line in found.nodes}
        yield from _ha_cf(role, place, facts, found)
    if HARESOURCES in facts.files:
        yield from haresources(role, place, facts, HARESOURCES, nodes)
    yield from _authkeys(place, facts)
    for service in role.services_owned():
        if service in facts.enabled:
            where = Where("service", service)
            key = (f"service:{service}",)
            yield Finding("service-at-boot", place.machine.name, where, {"service": service}, explains=key)


def ha_cf(role: HeartbeatRole, place: Place, facts: Facts, file: FileFact) -> HaCf:
    """Return what Heartbeat takes from the ha.cf of a node."""
    return read_ha_cf(file.data, facts.hostname, frozenset(facts.interfaces) | {role.interface}, peers(role, place))


def peers(role: HeartbeatRole, place: Place) -> dict[str, str]:
    """Return the addresses of the other nodes in the network of the interface, by their host names."""
    network = place.network_of(role.interface)
    others = [place.topology.machines[name] for name in role.nodes if name != place.machine.name]
    return {
        node.hostname: str(address.ip)
        for node in others
        for adapter in node.adapters
        if adapter.network == network and (address := static_address(adapter)) is not None
    }


def _ha_cf(role: HeartbeatRole, place: Place, facts: Facts, found: HaCf) -> Iterator[Finding]:
    machine = place.machine.name
    hostnames = [place.topology.machines[name].hostname for name in role.nodes]
    wanted: dict[str, str] = dict(line.split() for line in (*TIMES[role.tuning], "auto_failback on"))
    yield from _refused(role, place, facts, found, wanted)
    told = {each.word for each in found.refused}
    for word, value in wanted.items():
        line, text = found.given.get(word, (None, ""))
        if word == "auto_failback":
            differs = found.auto_failback == "off"
        else:
            differs = found.times[word] != milliseconds(value) and (word in NEEDED or line is not None)
        if not differs or word in told:
            continue
        if line is None:
            yield in_file("hacf-missing", machine, HA_CF, None, word=word, expected=value)
        else:
            severity: Severity = "error" if word in (*NEEDED, "auto_failback") else "warning"
            yield in_file("hacf-value", machine, HA_CF, line, severity, word=word, found=text, expected=value)
    names = [name for name, _line in found.nodes]
    kinds = {each.kind for each in found.refused}
    if not kinds & {"no-node", "not-a-node"} and sorted(names) != sorted(name.lower() for name in hostnames):
        strange = [line for index, (name, line) in enumerate(found.nodes)
                   if name not in {each.lower() for each in hostnames} or name in names[:index]]  # fmt: skip
        line = (strange or [found.nodes[0][1]])[0]
        yield in_file("hacf-nodes", machine, HA_CF, line, found=", ".join(names), expected=" ".join(hostnames))
    if not kinds & {"interface", "peer", "no-path"}:
        yield from _paths(role, place, found)


def _paths(role: HeartbeatRole, place: Place, found: HaCf) -> Iterator[Finding]:
    """Yield what is wrong with the ways to the peer: one must go through the interface and reach it."""
    machine, addresses = place.machine.name, set(peers(role, place).values())
    mine = [each for each in found.media if each.interface == role.interface]
    if not mine and found.media:
        first = found.media[0]
        values = {"found": f"{first.kind} {first.interface}", "expected": role.interface}
        yield in_file("hacf-interface", machine, HA_CF, first.line, **values)
    elif not mine and not found.other_media:
        yield in_file("hacf-missing", machine, HA_CF, None, word="bcast", expected=role.interface)
    elif mine and not any(each.kind != "ucast" or each.target in addresses for each in mine):
        expected = ", ".join(sorted(addresses)) or "-"
        yield in_file("hacf-peer", machine, HA_CF, mine[0].line, found=mine[0].target, expected=expected)
    for each in found.media if mine else ():
        if each.interface != role.interface:
            path = f"{each.kind} {each.interface}"
            yield in_file("hacf-more-paths", machine, HA_CF, each.line, "warning", found=path, expected=role.interface)


def _refused(role: HeartbeatRole, place: Place, facts: Facts, found: HaCf, wanted: dict[str, str]) -> Iterator[Finding]:
    """Yield why Heartbeat does not start."""
    machine = place.machine.name
    nodes = " ".join(place.topology.machines[name].hostname for name in role.nodes)
    for each in found.refused:
        line, word = each.line, each.word
        text = f"{word} {each.found}".strip()
        match each.kind:
            case "directive":
                meant = nearest(word, DIRECTIVES)
                code = "hacf-no-directive" if meant is None else "hacf-directive"
                yield in_file(code, machine, HA_CF, line, found=word, expected=meant or "-")
            case "no-path":
                yield in_file("hacf-missing", machine, HA_CF, None, word="bcast", expected=role.interface)
            case "no-node":
                yield in_file("hacf-missing", machine, HA_CF, None, word="node", expected=nodes)
            case "not-a-node":
                names = ", ".join(name for name, _line in found.nodes)
                values = {"found": names, "hostname": facts.hostname, "expected": nodes}
                yield in_file("hacf-node", machine, HA_CF, line, **values)
            case "interface":
                yield in_file("hacf-interface", machine, HA_CF, line, found=text, expected=role.interface)
            case "peer":
                expected = ", ".join(sorted(peers(role, place).values())) or "-"
                yield in_file("hacf-peer", machine, HA_CF, line, found=each.found, expected=expected)
            case "crm":
                yield in_file("hacf-crm", machine, HA_CF, line, found=text)
            case "deadtime" | "initdead" if word in wanted and found.times[word] == milliseconds(wanted[word]):
                pass  # the other of the two times is told
            case "value" | "deadtime" | "initdead" if word in wanted:
                yield in_file("hacf-refused-value", machine, HA_CF, line, found=text, expected=f"{word} {wanted[word]}")
            case _:
                yield in_file("hacf-refused", machine, HA_CF, line, found=text)


def _authkeys(place: Place, facts: Facts) -> Iterator[Finding]:
    machine = place.machine.name
    for rights, text in facts.said.get("authkeys", ()):
        mode, owner = rights_of(rights)
        if mode & READ_BY_OTHERS:
            yield in_file("authkeys-mode", machine, AUTHKEYS, None, found=f"{mode:o}")
        elif mode & WRITTEN_BY_OTHERS:
            yield in_file("authkeys-writable", machine, AUTHKEYS, None, "warning", found=f"{mode:o}")
        elif mode != RIGHT_MODE:
            yield in_file("authkeys-rights", machine, AUTHKEYS, None, "hint", found=f"{mode:o}")
        if owner != "root:root":
            yield in_file("authkeys-owner", machine, AUTHKEYS, None, "warning", found=owner)
        found = read_authkeys(base64.b64decode(text))  # its secrets stayed in the guest
        for each in found.refused:
            yield in_file(f"authkeys-{each.kind}", machine, AUTHKEYS, each.line)
        if found.used is not None and found.used.method == "crc":
            yield in_file("authkeys-crc", machine, AUTHKEYS, found.used.line, "warning")
