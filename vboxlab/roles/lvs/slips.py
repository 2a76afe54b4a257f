"""Slips of the load balancer: ipvsadm's rules and defaults (ipvsadm(8); Debian's /etc/init.d/ipvsadm)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.findings import Finding, Where, in_file
from vboxlab.guest.place import Place
from vboxlab.lazily import dataclass
from vboxlab.roles.lvs.role import LvsRole
from vboxlab.topology.problems import nearest

RULES = "/etc/ipvsadm.rules"
DEFAULTS = "/etc/default/ipvsadm"
KEYS = ("AUTO", "DAEMON", "IFACE", "SYNCID")
LONG = {
    "--add-service": "-A",
    "--add-server": "-a",
    "--tcp-service": "-t",
    "--scheduler": "-s",
    "--real-server": "-r",
    "--masquerading": "-m",
    "--gatewaying": "-g",
    "--ipip": "-i",
    "--weight": "-w",
}
FLAGS = ("-A", "-a", "-m", "-g", "-i")
DEFAULT_SCHEDULER, DEFAULT_METHOD = "wlc", "-g"


def slips(role: LvsRole, place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with a load balancer. Missing files are told by their resources."""
    if DEFAULTS in facts.files:
        yield from _defaults(role, place.machine.name, facts, facts.files[DEFAULTS])
    if RULES in facts.files:
        yield from _rules(role, place.machine.name, facts.files[RULES])
    if role.health == "none":
        yield Finding("no-health-check", place.machine.name, Where("service", "ipvsadm"), {}, "hint")


def _defaults(role: LvsRole, machine: str, facts: Facts, file: FileFact) -> Iterator[Finding]:
    expected = {
        "AUTO": "true" if role.health == "none" else "false",
        "DAEMON": "master" if role.health == "none" else "none",
        "IFACE": role.interface,
    }
    found: dict[str, tuple[int, str]] = {}
    for number, line in file.lines:
        key, _, value = line.partition("=")
        found[key.strip()] = (number, value.partition("#")[0].strip().strip("\"'"))
    missing = [key for key in expected if key not in found]
    for key, (number, value) in found.items():
        if key in expected:
            yield from _value(machine, number, key, value, expected[key], facts)
        elif key not in KEYS:
            meant = nearest(key, missing)
            if meant is not None:
                missing.remove(meant)
            right = f'{meant}="{expected[meant]}"' if meant else ", ".join(expected)
            yield in_file("ipvsadm-key", machine, DEFAULTS, number, found=f"{key}=", expected=right)
    for key in missing:
        yield in_file("ipvsadm-missing", machine, DEFAULTS, None, word=key, expected=expected[key])


def _value(machine: str, line: int, key: str, value: str, expected: str, facts: Facts) -> Iterator[Finding]:
    if value == expected:
        return
    code = "ipvsadm-value"
    if key == "IFACE":
        code = "ipvsadm-iface" if value in facts.interfaces else "ipvsadm-no-iface"
    yield in_file(code, machine, DEFAULTS, line, word=key, found=value or "-", expected=expected)


@dataclass(frozen=True)
class Rule:
    """One line of the rules: an added service (`server` is empty) or a real server of it."""

    line: int
    virtual: str
    server: str
    scheduler: str
    method: str


def rules_of(file: FileFact) -> tuple[list[Rule], list[tuple[int, str]], int | None]:
    """Return the rules of a file, the lines that are none, and the first line that begins with `ipvsadm`."""
    rules, strange, prefixed = [], [], None
    for number, text in file.lines:
        words = text.split()
        if words[0].rpartition("/")[2] == "ipvsadm":
            prefixed, words = prefixed or number, words[1:]
        rule = _rule(number, words)
        if rule is not None:
            rules.append(rule)
        elif words[:1] not in (["-C"], ["--clear"]):
            strange.append((number, text))
    return rules, strange, prefixed


def _rule(line: int, words: list[str]) -> Rule | None:
    options: dict[str, str] = {}
    rest = [LONG.get(word, word) for word in words]
    while rest:
        word = rest.pop(0)
        if not re.fullmatch(r"-[A-Za-z]", word):
            return None
        options[word] = "" if word in FLAGS or not rest else rest.pop(0)
    adds_server = "-a" in options
    if ("-A" in options) == adds_server or "-t" not in options or ("-r" in options) != adds_server:
        return None
    method = next((flag for flag in ("-m", "-i", "-g") if flag in options), DEFAULT_METHOD)
    return Rule(line, options["-t"], options.get("-r", ""), options.get("-s", DEFAULT_SCHEDULER), method)


def _rules(role: LvsRole, machine: str, file: FileFact) -> Iterator[Finding]:
    rules, strange, prefixed = rules_of(file)
    virtual = f"{role.virtual}:{role.port}"
    if prefixed is not None:
        first = next((line.partition("ipvsadm")[2].strip() for number, line in file.lines if number == prefixed), "")
        yield in_file("rules-prefix", machine, RULES, prefixed, "hint", expected=first)
    for number, text in strange:
        yield in_file("rules-line", machine, RULES, number, found=text)
    services = [rule for rule in rules if not rule.server]
    if not services:
        line = f"-A -t {virtual} -s {role.scheduler}"
        yield in_file("rules-no-service", machine, RULES, None, expected=line)
    for rule in rules:
        if rule.virtual != virtual:
            yield in_file("rules-virtual", machine, RULES, rule.line, found=rule.virtual, expected=virtual)
    for rule in services:
        if rule.scheduler != role.scheduler:
            yield in_file("rules-scheduler", machine, RULES, rule.line, found=rule.scheduler, expected=role.scheduler)
    yield from _servers(role, machine, virtual, [rule for rule in rules if rule.server])


def _servers(role: LvsRole, machine: str, virtual: str, rules: list[Rule]) -> Iterator[Finding]:
    expected = [f"{server}:{role.port}" for server in role.real_servers]
    for rule in rules:
        # Without a port, ipvsadm takes the one of the virtual service.
        server = rule.server if ":" in rule.server else f"{rule.server}:{role.port}"
        if server not in expected:
            only = ", ".join(expected)
            yield in_file("rules-extra-server", machine, RULES, rule.line, found=rule.server, expected=only)
        elif rule.method != "-m":
            yield in_file("rules-method", machine, RULES, rule.line, server=server, found=rule.method)
    named = {rule.server if ":" in rule.server else f"{rule.server}:{role.port}" for rule in rules}
    for server in expected:
        if server not in named:
            line = f"-a -t {virtual} -r {server} -m"
            yield in_file("rules-no-server", machine, RULES, None, server=server, expected=line)
