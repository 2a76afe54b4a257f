"""Slips in /etc/network/interfaces and what it includes, judged by what the machine has when it has booted with it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, Severity, Where
from vboxlab.guest.grammars.ifup import answers, mapped
from vboxlab.guest.grammars.interfaces import INTERFACES, At, Reading, Refusal
from vboxlab.guest.grammars.interfaces_text import plain
from vboxlab.guest.place import Place
from vboxlab.guest.slips.adapters import AdapterJudge, Expected, Judged, expected_of, found_at, judged
from vboxlab.topology.addressing import MANAGEMENT_ADDRESS, MANAGEMENT_FILE, MANAGEMENT_INTERFACE

FOLDER = "/etc/network/interfaces.d"
SEEN = (FOLDER, "/etc/network")  # folders whose files are all among the facts
REFUSED_BY_PROGRAM = "couldn't read interfaces file"


def questions() -> Iterator[str]:
    """Yield what is asked of every guest: the files, and what ifquery makes of them."""
    yield f"folder {FOLDER} '*'"
    yield "folder /etc/network '*'"
    yield f'answer ifquery ifquery -i "$root{INTERFACES}" --list'


def about_interface(name: str) -> str:
    """Return the question what ifquery makes of an interface."""
    return f'answer ifquery-{name} ifquery -i "$root{INTERFACES}" {name}'


def slips(place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the interfaces of a machine and its routes."""
    expected = expected_of(place)
    machine = place.machine.name
    names = tuple(dict.fromkeys((*facts.interfaces, *(each.name for each in expected))))
    result = judged({p: f.data for p, f in facts.files.items()}, names, tuple(each.name for each in expected))
    about_file = list(_about_files(machine, result.reading, facts))
    yield from about_file
    refused = any(finding.severity == "error" for finding in about_file)
    for each in expected:
        judge = AdapterJudge(machine, each, expected, result)
        told = list(judge.findings())
        if not judge.is_right and not refused and not any(map(_is_error, told)):
            told.append(found_at("interfaces-otherwise", machine, None, interface=each.name))
        told += [] if any(_is_error(finding) for finding in told) else _asked(machine, each, result, facts)
        yield from told
        if not refused and not any(map(_is_error, told)):
            yield from _live(machine, each, facts)
    yield from _commands(machine, result, {each.name for each in expected})
    yield from _management(machine, result, facts)


def _is_error(finding: Finding) -> bool:
    return finding.severity == "error"


def _about_files(machine: str, reading: Reading, facts: Facts) -> Iterator[Finding]:
    """Yield what makes ifupdown stop reading, and what could not be read here."""
    if reading.refused is not None:
        for refusal in (reading.refused, *reading.passed_over):
            yield _refused(machine, refusal, "error")
    elif (answer := facts.answers.get("ifquery")) is not None and REFUSED_BY_PROGRAM in answer.complaint:
        said = answer.complaint.strip().splitlines()[0]
        yield found_at("interfaces-unreadable", machine, None, found=said)
    for refusal in reading.broken:
        yield _refused(machine, refusal, "warning")
    for named in reading.unread:
        if plain(named.name).rpartition("/")[0] not in SEEN:
            yield found_at("interfaces-not-seen", machine, named.at, "warning", found=named.name)
    for named in reading.renamed:
        yield found_at("interfaces-rename", machine, named.at, found=named.name)
    too_long = [path for path in map(plain, reading.files) if facts.files[path].is_cut]
    if too_long or reading.is_cut:
        yield found_at("interfaces-too-long", machine, At((*too_long, INTERFACES)[0], 1))


def _refused(machine: str, refusal: Refusal, severity: Severity) -> Finding:
    if severity != "error":
        return found_at("interfaces-broken", machine, refusal.at, severity, found=refusal.word or "-")
    code = "no-method" if refusal.fault == "method" else refusal.fault
    return found_at(f"interfaces-{code}", machine, refusal.at, severity, found=refusal.word or "-")


def _asked(machine: str, expected: Expected, result: Judged, facts: Facts) -> list[Finding]:
    """Return what ifquery says otherwise of an interface that the files, as they were read here, configure rightly."""
    answer = facts.answers.get(f"ifquery-{expected.name}")
    said = answers(result.reading, expected.name)
    if answer is None or answer.exit_code != 0 or said is None or mapped(result.reading, expected.name):
        return []
    lines = [line for line in answer.output.splitlines() if line]
    different = [line for line in lines if line not in said] or [line for line in said if line and line not in lines]
    if not different or any(line.startswith("hwaddress:") for line in different):
        return []
    return [found_at("interfaces-asked", machine, None, interface=expected.name, found=different[0])]


def _live(machine: str, expected: Expected, facts: Facts) -> Iterator[Finding]:
    """Yield what of a file that is right has not been taken into use."""
    where, explains = Where("interface", expected.name), (f"interface:{expected.name}",)
    now = facts.addresses.get(expected.name, ())
    if isinstance(expected.address, IPv4Interface) and str(expected.address) not in now:
        values = {"interface": expected.name, "found": ", ".join(now) or "-", "expected": str(expected.address)}
        yield Finding("address-live", machine, where, values, explains=explains)
    elif expected.gateway is not None and (expected.gateway, expected.name) not in facts.gateways:
        yield Finding("gateway-live", machine, where, {"gateway": expected.gateway}, explains=explains)


def _commands(machine: str, result: Judged, names: set[str]) -> Iterator[Finding]:
    """Yield the commands of the files that only a shell could follow."""
    used = {s.at for name, stanzas in result.forced.used.items() for s in stanzas if name in names}
    own = {option.at for s in result.reading.stanzas if s.at in used for option in s.options}
    for text, at in dict.fromkeys(result.forced.unsure):
        if at in own:
            yield found_at("interfaces-command", machine, at, "warning", found=text)


def _management(machine: str, result: Judged, facts: Facts) -> Iterator[Finding]:
    """Yield a word about vboxlab's own way in, when it will be closed at the next boot: no mistake in the practical."""
    if MANAGEMENT_FILE not in facts.files or MANAGEMENT_INTERFACE not in facts.interfaces or result.reading.refused:
        return
    link = result.after.kernel.links.get(MANAGEMENT_INTERFACE)
    if link is None or MANAGEMENT_ADDRESS not in [str(address) for address, _more in link.addresses]:
        yield found_at("interfaces-management", machine, None, "warning", interface=MANAGEMENT_INTERFACE)
