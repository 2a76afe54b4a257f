"""Slips in ipvsadm's rules: which table they make at boot, and which one the kernel has now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.findings import Finding, Severity, Where, in_file
from vboxlab.guest.grammars.ipvsadm import UNWEIGHTED, Complaint, Server, Service, Table, read_rules
from vboxlab.guest.script import quoted
from vboxlab.roles.lvs.role import LvsRole

RULES = "/etc/ipvsadm.rules"
AT_BOOT, NOW = "ipvsadm-at-boot", "ipvsadm-now"
# In a network name space of its own nothing of the guest's table changes.
_LOADED_APART = (
    'ip link set lo up; head -c 65536 "$1" | LC_ALL=C.UTF-8 grep -v "^#" | ipvsadm -R >/dev/null; ipvsadm -Sn'
)
QUESTIONS = (
    f'answer {AT_BOOT} unshare -n sh -c {quoted(_LOADED_APART)} sh "$root"{RULES}',
    f"answer {NOW} ipvsadm -Sn",
)
SHOWN = 80
# Words of the program for what would be found as well, or has a sentence of its own.
_TWICE = ("Service already exists", "Destination already exists")
_NO_SERVICE = "Service not defined"
_NO_OPTION = "Try `ipvsadm"


def rules_of(role: LvsRole) -> str:
    """Return the rules as vboxlab writes them."""
    virtual = f"{role.virtual}:{role.port}"
    lines = [f"-A -t {virtual} -s {role.scheduler}"]
    lines += [f"-a -t {virtual} -r {server}:{role.port} -m" for server in role.real_servers]
    return "\n".join(lines) + "\n"


def table_slips(role: LvsRole, machine: str, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the table that the rules make, and with the one that is loaded."""
    wanted = read_rules(rules_of(role).encode())
    is_right = RULES not in facts.files
    if not is_right:
        file = facts.files[RULES]
        said = _said(facts, AT_BOOT)
        meant = read_rules(file.data, to_the_end=True)
        is_right = is_same(read_rules(file.data) if said is None else said, wanted) and not _limited(meant)
        yield from _prefix(machine, file)
        found = list(_findings(role, machine, meant, wanted, is_right=is_right))
        yield from found
        if not is_right and all(each.severity != "error" for each in found):
            table = _shown(read_rules(file.data) if said is None else said)
            yield in_file("rules-table", machine, RULES, None, found=table, expected=_shown(wanted))
    now = _said(facts, NOW)
    if role.health == "none" and is_right and now is not None and not is_same(now, wanted):
        values = {"found": _shown(now), "expected": _shown(wanted)}
        yield Finding("rules-not-loaded", machine, Where("service", "ipvsadm"), values)


def is_same(found: Table, wanted: Table) -> bool:
    """Tell whether two tables do the same."""
    return _plain(found) == _plain(wanted)


def _plain(table: Table) -> Mapping[str, object]:
    return {
        key: (each.scheduler, each.persistence, each.options,
              {name: (server.method, _weight(each, server), server.options) for name, server in each.servers.items()})
        for key, each in table.services.items()
    }  # fmt: skip


def _weight(service: Service, server: Server) -> int:
    return min(server.weight, 1) if service.scheduler in UNWEIGHTED else server.weight


def _limited(table: Table) -> bool:
    # `ipvsadm -S` does not print thresholds.
    servers = (server for each in table.services.values() for server in each.servers.values())
    return any("-x " in server.options or "-y " in server.options for server in servers)


def _said(facts: Facts, word: str) -> Table | None:
    answer = facts.answers.get(word)
    return read_rules(answer.output.encode()) if answer is not None and answer.exit_code == 0 else None


def _shown(table: Table) -> str:
    parts = []
    for key, each in table.services.items():
        servers = (f"{name} {server.method} -w {server.weight}" for name, server in each.servers.items())
        persistence = "" if each.persistence is None else f" -p {each.persistence}"
        parts.append(f"{key} -s {each.scheduler}{persistence} ({', '.join(servers)})")
    text = "; ".join(parts)
    return f"{text[: 3 * SHOWN]}…" if len(text) > 3 * SHOWN else text or "-"


def _prefix(machine: str, file: FileFact) -> Iterator[Finding]:
    for number, line in enumerate(file.content.split("\n"), 1):
        words = line.split()
        if words[:1] == ["ipvsadm"]:
            yield in_file("rules-prefix", machine, RULES, number, "hint", expected=" ".join(words[1:])[:SHOWN])
            return


def _findings(role: LvsRole, machine: str, meant: Table, wanted: Table, *, is_right: bool) -> Iterator[Finding]:
    ((virtual, service),) = wanted.services.items()
    if is_right:
        for each in meant.complaints:
            yield _complaint(machine, each, "hint")
        return
    has_refused_service = False
    for each in meant.complaints:
        if each.reason == _NO_SERVICE:
            continue
        has_refused_service |= str(role.virtual) in each.text
        severity: Severity = "error" if each.is_last or each.reason not in _TWICE else "warning"
        yield _complaint(machine, each, severity)
    yield from _services(machine, meant, virtual, service, has_refused_service=has_refused_service)
    yield from _servers(machine, meant, wanted)


def _complaint(machine: str, complaint: Complaint, severity: Severity) -> Finding:
    reason, text = complaint.reason, complaint.text[:SHOWN]
    code = "rules-refused" if complaint.is_last else "rules-left-out"
    if complaint.is_last and "#" in complaint.text and reason.startswith((_NO_OPTION, "unexpected argument #")):
        code = "rules-comment"
    elif reason.startswith(_NO_OPTION):
        code = "rules-line"
    elif reason in _TWICE:
        code = "rules-twice"
    return in_file(code, machine, RULES, complaint.line, severity, found=text, reason=reason[:SHOWN])


def _services(
    machine: str, meant: Table, virtual: str, wanted: Service, *, has_refused_service: bool
) -> Iterator[Finding]:
    added = {key: each for key, each in meant.services.items() if each.line}
    early = {complaint.line: complaint for complaint in meant.complaints if complaint.reason == _NO_SERVICE}
    if not added and not has_refused_service:
        yield in_file("rules-no-service", machine, RULES, None, expected=f"-A {virtual} -s {wanted.scheduler}")
    for key, each in meant.services.items():
        lines = [each.line] if each.line else [server.line for server in each.servers.values()]
        if key != virtual:
            code = "rules-extra-service" if each.line and virtual in added else "rules-virtual"
            for line in lines:
                yield in_file(code, machine, RULES, line, found=_named(key), expected=_named(virtual))
        for server in each.servers.values():
            if each.line and server.line in early:
                text = early[server.line].text[:SHOWN]
                yield in_file("rules-order", machine, RULES, server.line, found=text, line=str(each.line))
    for each in added.values():
        yield from _service(machine, each, wanted)


def _named(key: str) -> str:
    """Return how a service is told: its address alone where it is one of TCP."""
    return key.removeprefix("-t ")


def _service(machine: str, found: Service, wanted: Service) -> Iterator[Finding]:
    if found.scheduler != wanted.scheduler:
        values = {"found": found.scheduler, "expected": wanted.scheduler}
        yield in_file("rules-scheduler", machine, RULES, found.line, **values)
    if found.persistence is not None:
        yield in_file("rules-persistence", machine, RULES, found.line, found=str(found.persistence))
    if found.options:
        yield in_file("rules-options", machine, RULES, found.line, found=found.options)


def _servers(machine: str, meant: Table, wanted: Table) -> Iterator[Finding]:
    ((virtual, service),) = wanted.services.items()
    every = [(each, name, server) for each in meant.services.values() for name, server in each.servers.items()]
    for owner, name, server in every:
        if name not in service.servers:
            only = ", ".join(service.servers)
            yield in_file("rules-extra-server", machine, RULES, server.line, found=name, expected=only)
        elif server.method != "-m":
            yield in_file("rules-method", machine, RULES, server.line, server=name, found=server.method)
        elif server.options:
            yield in_file("rules-options", machine, RULES, server.line, found=server.options)
        if name in service.servers and server.weight == 0:
            yield in_file("rules-weight-zero", machine, RULES, server.line, server=name)
        elif name in service.servers and _weight(owner, server) != 1:
            values = {"server": name, "found": str(server.weight)}
            yield in_file("rules-weight", machine, RULES, server.line, **values)
    named = {name for _owner, name, _server in every}
    refused = " ".join(each.text for each in meant.complaints if each.reason != _NO_SERVICE)
    for name in service.servers:
        if name not in named and name.partition(":")[0] not in refused:
            line = f"-a {virtual} -r {name} -m"
            yield in_file("rules-no-server", machine, RULES, None, server=name, expected=line)
    in_virtual = meant.services.get(virtual)
    if in_virtual is not None and in_virtual.line:
        for name in sorted(service.servers.keys() & named - in_virtual.servers.keys()):
            line = f"-a {virtual} -r {name} -m"
            yield in_file("rules-no-server", machine, RULES, None, server=name, expected=line)
