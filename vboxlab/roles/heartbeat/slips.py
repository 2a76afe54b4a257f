"""Slips in Heartbeat's three files (ha.cf(5), and what Debian 12's Heartbeat 3.0.6 was seen to refuse)."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.guest.facts import Facts, FileFact, rights_of
from vboxlab.guest.findings import Finding, Severity, Where, in_file
from vboxlab.guest.place import Place
from vboxlab.roles.heartbeat.role import DEADTIMES, HeartbeatRole
from vboxlab.topology.problems import nearest

FOLDER = "/etc/ha.d/"
HA_CF, HARESOURCES, AUTHKEYS = f"{FOLDER}ha.cf", f"{FOLDER}haresources", f"{FOLDER}authkeys"
FILES = (HA_CF, HARESOURCES, AUTHKEYS)
ADDRESS_SCRIPTS = ("IPaddr", "IPaddr2", "FloatingAddress")
NEEDED = ("deadtime", "keepalive")  # the practical names these; the others have sensible defaults
TIMES = {
    "practical": ("keepalive 1", "warntime 3", f"deadtime {DEADTIMES['practical']}", "initdead 30"),
    "fast": ("keepalive 200ms", "warntime 1", f"deadtime {DEADTIMES['fast']}", "initdead 30"),
}
PATHS = ("bcast", "ucast", "mcast")


def slips(role: HeartbeatRole, place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with one node of a cluster. Missing files are told by their resources."""
    if HA_CF in facts.files:
        yield from _ha_cf(role, place, facts, facts.files[HA_CF])
    if HARESOURCES in facts.files:
        yield from _haresources(role, place, facts.files[HARESOURCES])
    yield from _authkeys(place, facts)
    for service in role.services_owned():
        if service in facts.enabled:
            where = Where("service", service)
            key = (f"service:{service}",)
            yield Finding("service-at-boot", place.machine.name, where, {"service": service}, explains=key)


def _ha_cf(role: HeartbeatRole, place: Place, facts: Facts, file: FileFact) -> Iterator[Finding]:
    machine = place.machine.name
    said: dict[str, list[tuple[int, list[str]]]] = {}
    for number, line in file.lines:
        word, *arguments = line.partition("#")[0].split()
        said.setdefault(word, []).append((number, arguments))
    expected = [place.topology.machines[name].hostname for name in role.nodes]
    yield from _nodes(machine, expected, facts.hostname, said.get("node", []))
    path = next((word for word in PATHS if word in said), None)
    if path is None:
        yield in_file("hacf-missing", machine, HA_CF, None, word="bcast", expected=role.interface)
    elif all(role.interface not in arguments for _, arguments in said[path]):
        line_number, arguments = said[path][0]
        values = {"found": " ".join((path, *arguments)), "expected": role.interface}
        yield in_file("hacf-interface", machine, HA_CF, line_number, **values)
    for pair in (*TIMES[role.tuning], "auto_failback on"):
        word, value = pair.split()
        if word in said:
            line_number, arguments = said[word][-1]
            if _time(" ".join(arguments)) != _time(value):
                severity: Severity = "error" if word in (*NEEDED, "auto_failback") else "warning"
                found = " ".join(arguments) or "-"
                yield in_file("hacf-value", machine, HA_CF, line_number, severity,
                              word=word, found=found, expected=value)  # fmt: skip
        elif word in NEEDED:
            yield in_file("hacf-missing", machine, HA_CF, None, word=word, expected=value)


def _time(text: str) -> float | str:
    """Return a duration of ha.cf in milliseconds (seconds without a unit), or the text when it is none."""
    number = text.removesuffix("ms").removesuffix("s")
    try:
        return float(number) * (1 if text.endswith("ms") else 1000)
    except ValueError:
        return text


def _nodes(machine: str, expected: list[str], hostname: str, lines: list[tuple[int, list[str]]]) -> Iterator[Finding]:
    wanted = " ".join(expected)
    if not lines:
        yield in_file("hacf-missing", machine, HA_CF, None, word="node", expected=wanted)
        return
    nodes = [name for _, names in lines for name in names]
    strange = [(number, name) for number, names in lines for name in names if name not in expected]
    line = strange[0][0] if strange else lines[0][0]
    found = ", ".join(nodes) or "-"
    if hostname not in nodes:
        yield in_file("hacf-node", machine, HA_CF, line, found=found, hostname=hostname, expected=wanted)
    elif set(nodes) != set(expected):
        yield in_file("hacf-nodes", machine, HA_CF, line, found=found, expected=wanted)


def _haresources(role: HeartbeatRole, place: Place, file: FileFact) -> Iterator[Finding]:
    machine = place.machine.name
    master = place.topology.machines[role.nodes[0]].hostname
    script = "IPaddr" if role.tuning == "practical" else "FloatingAddress"
    services = list(role.services_owned())
    address = f"{script}::{role.address}/{role.interface}"
    lines = file.lines
    if not lines:
        whole = " ".join((master, address, *services))
        yield in_file("haresources-empty", machine, HARESOURCES, None, expected=whole)
        return
    number, line = lines[0]
    node, *resources = line.split()
    if node != master:
        yield in_file("haresources-node", machine, HARESOURCES, number, found=node, expected=master)
    addresses = [word for word in resources if _is_address(word)]
    if not addresses:
        yield in_file("haresources-no-address", machine, HARESOURCES, number, expected=address)
    for word in addresses:
        yield from _floating(machine, number, word, role, address)
    followers = [word for word in resources if word not in addresses]
    yield from _services(machine, number, followers, services)


def _is_address(word: str) -> bool:
    kind, _, rest = word.partition("::")
    return (bool(rest) and kind in ADDRESS_SCRIPTS) or word[:1].isdigit()


def _floating(machine: str, line: int, word: str, role: HeartbeatRole, expected: str) -> Iterator[Finding]:
    found = word.rpartition("::")[2]
    if found == f"{role.address}/{role.interface}":
        return
    code = "haresources-address-incomplete" if found in (str(role.address.ip), str(role.address)) else (
        "haresources-address"
    )  # fmt: skip
    yield in_file(code, machine, HARESOURCES, line, found=word, expected=expected)


def _services(machine: str, line: int, found: list[str], expected: list[str]) -> Iterator[Finding]:
    missing = [service for service in expected if service not in found]
    for word in found:
        if word in expected:
            continue
        meant = nearest(word, missing)
        if meant is not None:
            missing.remove(meant)
            yield in_file("haresources-service", machine, HARESOURCES, line, found=word, expected=meant)
        else:
            only = ", ".join(expected) or "-"
            yield in_file("haresources-extra-service", machine, HARESOURCES, line, "warning",
                          found=word, expected=only)  # fmt: skip
    for service in missing:
        yield in_file("haresources-no-service", machine, HARESOURCES, line, service=service)


def _authkeys(place: Place, facts: Facts) -> Iterator[Finding]:
    machine = place.machine.name
    for said in facts.said.get("authkeys", ()):
        rights, form, line = said  # form is "fine", or what is wrong with it (in line `line`, 0: as a whole)
        mode, owner = rights_of(rights)
        if mode != 0o600:
            yield in_file("authkeys-mode", machine, AUTHKEYS, None, found=f"{mode:o}")
        if owner != "root:root":
            yield in_file("authkeys-owner", machine, AUTHKEYS, None, found=owner)
        if form != "fine":
            yield in_file(f"authkeys-{form}", machine, AUTHKEYS, int(line) or None)
