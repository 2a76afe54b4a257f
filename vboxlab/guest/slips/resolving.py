"""Slips in who is asked for names: resolv.conf(5), and the `hosts` line of nsswitch.conf(5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vboxlab.guest.facts import NSSWITCH, Facts, FileFact
from vboxlab.guest.findings import Finding, Severity, Where, in_file
from vboxlab.guest.grammars import nsswitch, resolv_conf
from vboxlab.guest.grammars.interfaces import INTERFACES
from vboxlab.guest.grammars.resolv_conf import Resolver
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Resource
from vboxlab.guest.wording import clipped

RESOLVER = "/etc/resolv.conf"
_BY_INTERFACES = ("dns-nameservers", "dns-nameserver")
ORDER = "files dns"


def slips(place: Place, resources: Sequence[Resource], facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with whom a machine asks for names."""
    machine = place.machine.name
    wanted = next((r for r in resources if isinstance(r, File) and r.path == RESOLVER), None)
    asks_dns = wanted is not None and isinstance(wanted.content, str)
    if NSSWITCH in facts.files:
        yield from _order(machine, facts.files[NSSWITCH], asks_dns=asks_dns)
    if wanted is None or not isinstance(wanted.content, str):
        return
    expected = resolv_conf.read(wanted.content.encode())
    if RESOLVER in facts.files:
        is_declared = bool(place.machine.search or place.machine.resolver_domain)
        found = resolv_conf.read(facts.files[RESOLVER].data)
        yield from _resolver(machine, expected, found, facts.hostname, is_declared=is_declared)
        is_given = expected.asked[0] in found.asked
    else:
        is_given = False
    if not is_given and INTERFACES in facts.files:
        yield from _by_interfaces(machine, expected, facts.files[INTERFACES])


def same(wanted: bytes, found: bytes, hostname: str) -> bool:
    """Tell whether two files let the resolver of a computer do the same."""
    one, other = resolv_conf.read(wanted), resolv_conf.read(found)
    options = [{name: value for name, (_line, value) in each.options.items()} for each in (one, other)]
    return _servers_as(one, other) and _search(one, hostname) == _search(other, hostname) and options[0] == options[1]


def _servers_as(expected: Resolver, found: Resolver) -> bool:
    return expected.asked == found.asked


def _search(resolver: Resolver, hostname: str) -> tuple[str, ...]:
    """Return the names that are searched: where none are given, the domain of the host name (resolv.conf(5))."""
    domain = hostname.partition(".")[2].lower()
    return resolver.search or ((domain,) if domain else ())


def _resolver(
    machine: str, expected: Resolver, found: Resolver, hostname: str, *, is_declared: bool
) -> Iterator[Finding]:
    servers_right = _servers_as(expected, found)
    search_right = _search(expected, hostname) == _search(found, hostname)
    if not servers_right:
        wrong = next((line for line, address in found.servers if address not in expected.asked), None)
        values = {"found": ", ".join(a for _, a in found.servers) or "-", "expected": ", ".join(expected.asked)}
        yield in_file("resolver", machine, RESOLVER, wrong, **values)
        for line, address in found.unused:
            if address in expected.asked:
                yield in_file("resolver-unused", machine, RESOLVER, line, found=address)
    for line, text in () if servers_right and search_right else found.ignored:
        yield in_file("resolver-ignored", machine, RESOLVER, line, found=clipped(text))
    searched = clipped(" ".join(_search(found, hostname)))
    if not search_right and not expected.search:
        yield in_file("resolver-option", machine, RESOLVER, found.search_line, "warning", word="search", found=searched)
    elif not search_right:
        values = {"word": "search", "found": searched, "expected": " ".join(expected.search)}
        severity: Severity = "error" if is_declared else "warning"
        yield in_file("resolver-search", machine, RESOLVER, found.search_line, severity, **values)
    for word, (line, value) in found.options.items():
        if word == "attempts" and value < 1:
            yield in_file("resolver-never-asks", machine, RESOLVER, line, found=str(value))
        elif expected.options.get(word, (0, None))[1] != value:
            yield in_file("resolver-option", machine, RESOLVER, line, "warning", word=word, found=str(value))


def _by_interfaces(machine: str, expected: Resolver, file: FileFact) -> Iterator[Finding]:
    """Yield where the right servers are given to resolvconf(8), which would make resolv.conf of them if it were there.

    With it they would be in resolv.conf, and nothing would be wrong.
    """
    for number, line in file.lines:
        word, *addresses = line.split()
        if word in _BY_INTERFACES and set(addresses) & set(expected.asked):
            values = {"expected": expected.asked[0], "path": RESOLVER}
            # It explains no difference of that file.
            yield Finding("resolver-elsewhere", machine, Where("file", INTERFACES, number), values, "hint")
            return


def _order(machine: str, file: FileFact, *, asks_dns: bool) -> Iterator[Finding]:
    """Yield that names are not looked up in /etc/hosts first, and by DNS then."""
    order = nsswitch.read(file.data)
    right = order.found(("files",)) == "files" and order.found(("files", "dns")) == "files"
    if asks_dns:
        right = right and order.found(("dns",)) == "dns"
    if not right:
        services = " ".join(service.name for service in order.services)
        yield in_file("names-looked-up", machine, NSSWITCH, order.line, found=clipped(services), expected=ORDER)
