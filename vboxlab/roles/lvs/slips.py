"""Slips of the load balancer: what Debian's /etc/init.d/ipvsadm makes of its defaults, and the table in the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.findings import Finding, Where, in_file
from vboxlab.guest.grammars.shell_assignments import ShellFile, read_shell_file
from vboxlab.guest.place import Place
from vboxlab.lazily import dataclass
from vboxlab.roles.lvs.role import LvsRole
from vboxlab.roles.lvs.table_slips import table_slips
from vboxlab.topology.problems import nearest

DEFAULTS = "/etc/default/ipvsadm"
# What the init script has set when it reads the file.
SCRIPTS_OWN: Mapping[str, str] = {
    "IPVSADM": "/sbin/ipvsadm", "IPVSADM_RULES": "/etc/ipvsadm.rules", "IPVSADM_CONFIG": DEFAULTS, "SYNCID": "0",
    "AUTO": "false", "DAEMON": "none", "IFACE": "eth0", "FAILURE": "0",
}  # fmt: skip
DAEMONS = ("master", "backup", "both")


def slips(role: LvsRole, place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with a load balancer. Missing files are told by their resources."""
    if DEFAULTS in facts.files:
        yield from _defaults(role, place.machine.name, facts, facts.files[DEFAULTS])
    yield from table_slips(role, place.machine.name, facts)
    if role.health == "none":
        yield Finding("no-health-check", place.machine.name, Where("service", "ipvsadm"), {}, "hint")


@dataclass(frozen=True)
class Start:
    """What the init script does at boot: load the rules or not, and which daemon it starts on which interface."""

    loads: bool
    daemon: str
    interface: tuple[str, ...]
    others: tuple[tuple[str, str | None], ...] = ()


def start_of(values: Mapping[str, str | None]) -> Start:
    """Return what the init script does with values of its variables."""
    word = values["DAEMON"] or ""
    daemon = word if word in DAEMONS else "none"
    # `$IFACE` stands there without quotes: the shell splits it.
    parts = tuple(part for part in re.split(r"[ \t\n]+", values["IFACE"] or "") if part)
    others = tuple((name, values[name]) for name in ("IPVSADM", "IPVSADM_RULES"))
    return Start(values["AUTO"] == "true", daemon, parts if daemon != "none" else (), others)


def starts_the_same(found: bytes, wanted: bytes) -> bool:
    """Tell whether the init script does for certain the same with two files."""
    starts = []
    for data in (found, wanted):
        read = read_shell_file(data, SCRIPTS_OWN)
        if read.refused is not None or read.unclear is not None:
            return False
        values = {**SCRIPTS_OWN, **{name: each.value for name, each in read.variables.items()}}
        if None in values.values():
            return False
        starts.append(start_of(values))
    return starts[0] == starts[1]


def _defaults(role: LvsRole, machine: str, facts: Facts, file: FileFact) -> Iterator[Finding]:
    expected = {
        "AUTO": "true" if role.health == "none" else "false",
        "DAEMON": "master" if role.health == "none" else "none",
        "IFACE": role.interface,
    }
    read = read_shell_file(file.data, SCRIPTS_OWN)
    if read.refused is not None:
        text = _line(file, read.refused)
        yield in_file("ipvsadm-refused", machine, DEFAULTS, read.refused, found=text)
        return
    values = {**SCRIPTS_OWN, **{name: each.value for name, each in read.variables.items()}}
    unclear = [read.variables[name].line for name in expected if name in read.variables and values[name] is None]
    if read.unclear is not None:
        unclear.append(read.unclear)
    for line in sorted(unclear):
        yield in_file("ipvsadm-unclear", machine, DEFAULTS, line, "warning", found=_line(file, line))
    wanted, found = start_of({**SCRIPTS_OWN, **expected}), start_of(values)
    if unclear or wanted == found:
        return
    told = list(_values(machine, read, values, expected, facts))
    yield from told
    if not told:
        yield in_file("ipvsadm-start", machine, DEFAULTS, None)


def _values(
    machine: str, read: ShellFile, values: Mapping[str, str | None], expected: Mapping[str, str], facts: Facts
) -> Iterator[Finding]:
    """Yield each value that makes the script do something else."""
    strange = [name for name in read.variables if name not in SCRIPTS_OWN]
    for key, right in expected.items():
        with_right = start_of({**values, key: right})
        if with_right == start_of(values) or (key == "IFACE" and expected["DAEMON"] == "none"):
            continue
        value = values[key] or ""
        if key in read.variables:
            line = read.variables[key].line
            code = "ipvsadm-value"
            if value.strip() == right:
                code = "ipvsadm-blank"
            elif key == "IFACE":
                code = "ipvsadm-iface" if value in facts.interfaces else "ipvsadm-no-iface"
            yield in_file(code, machine, DEFAULTS, line, word=key, found=value.strip() or "-", expected=right)
            continue
        command = next((each for each in read.commands if key in each.text or key in each.prefix), None)
        meant = next((name for name in strange if nearest(name, [key])), None)
        if command is not None:
            words = {"found": command.text, "expected": f'{key}="{right}"'}
            yield in_file("ipvsadm-command", machine, DEFAULTS, command.line, **words)
        elif meant is not None:
            line = read.variables[meant].line
            yield in_file("ipvsadm-key", machine, DEFAULTS, line, found=f"{meant}=", expected=f'{key}="{right}"')
        else:
            yield in_file("ipvsadm-missing", machine, DEFAULTS, None, word=key, expected=right)


def _line(file: FileFact, number: int) -> str:
    lines = file.content.split("\n")
    return lines[number - 1].strip()[:80] if number <= len(lines) else ""
