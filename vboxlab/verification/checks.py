"""Carrying out the checks of a scenario: each reads guests' states through executors and says what it found."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeVar

from vboxlab.errors import GuestError, InfrastructureTrouble, WaitTimeout
from vboxlab.guest.executor import Completed
from vboxlab.topology import checks as wanted
from vboxlab.verification.clocks import measure_offset
from vboxlab.verification.probes import ProbeSpec, probe
from vboxlab.verification.readings import (
    ADDRESSES_SCRIPT,
    IPVS_SCRIPT,
    file_script,
    parse_addresses,
    parse_file,
    parse_ipvs,
    parse_pings,
    parse_unit,
    ping_script,
    unit_script,
)
from vboxlab.verification.report import EVIDENCE_LINES, Evidence
from vboxlab.verification.samples import Sample, distribution, failed, uneven
from vboxlab.verification.subject import LabUnderTest, address_of, page_owners
from vboxlab.waiting import Deadline, in_threads

T = TypeVar("T")
RETRY_PAUSE = 1.0
RESOLVER_PATIENCE = "RES_OPTIONS='timeout:3 attempts:2'"  # a dead name server is a finding, not a hanging command
PAGE_PACE = 0.1  # seconds between the requests of page and distribution checks
SHORTEST_TIMEOUT = 45.0  # a command gets at least this long, whatever is left of the budget


@dataclass(frozen=True)
class Finding:
    """What one attempt at a check found: the problems (none: it holds), a line to show, and the evidence."""

    problems: tuple[str, ...]
    message: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def holds(self) -> bool:
        """Tell whether the statement was found true."""
        return not self.problems


@dataclass(frozen=True)
class Site:
    """Where a check is carried out: the lab, how far times are stretched, and until when it may try."""

    lab: LabUnderTest
    time_scale: float
    deadline: Deadline

    def run(self, machine: str, script: str, *, root: bool = False) -> Completed:
        """Run a script in a machine within what is left of the budget. Raises GuestError, WaitTimeout."""
        patience = max(SHORTEST_TIMEOUT * self.time_scale, self.deadline.remaining)
        return self.lab.executor(machine).run(script, root=root, timeout=patience)

    def on_each(self, machines: Iterable[str], work: Callable[[str], T]) -> dict[str, T]:
        """Do some work on several machines at once; the first error passes through."""
        machines = tuple(machines)
        return dict(zip(machines, in_threads(work, machines, width=len(machines)), strict=True))


def carry_out(check: wanted.Check, lab: LabUnderTest, time_scale: float) -> tuple[Finding, int]:
    """Try a check until it holds or its budget is used up; return the last finding and the number of attempts.

    Raises the last GuestError, WaitTimeout or InfrastructureTrouble when no attempt at all could be made to the end.
    """
    site = Site(lab, time_scale, Deadline.after(check.within * time_scale))
    attempts, last = 0, None
    while True:
        attempts += 1
        try:
            last = examine(check, site)
            if last.holds:
                return last, attempts
        except (GuestError, WaitTimeout, InfrastructureTrouble):
            if site.deadline.expired and last is None:
                raise
        if site.deadline.expired:
            return last if last is not None else Finding(("nothing could be found out in time",)), attempts
        time.sleep(site.deadline.capped(RETRY_PAUSE))


def evidence(machine: str, command: str, completed: Completed) -> Evidence:
    """Return a command's output as evidence, cut to a readable length."""
    lines = [*completed.stdout.splitlines(), *completed.stderr.splitlines()]
    if len(lines) > EVIDENCE_LINES:
        lines = [f"({len(lines) - EVIDENCE_LINES} lines left out)", *lines[-EVIDENCE_LINES:]]
    return Evidence(machine, command, "\n".join(lines), completed.exit_code)


@singledispatch
def examine(check: object, site: Site) -> Finding:
    """Make one attempt at a check and return what was found. Raises GuestError, WaitTimeout, InfrastructureTrouble."""
    raise NotImplementedError(f"no way to carry out {check!r} on {site.lab.name}")


@examine.register
def _ping(check: wanted.PingCheck, site: Site) -> Finding:
    addresses = tuple(address_of(site.lab.topology, target) for target in check.to)
    names = [t if t == a else f"{t} ({a})" for t, a in zip(check.to, addresses, strict=True)]
    done = site.on_each(check.source, lambda machine: site.run(machine, ping_script(addresses)))
    problems = [
        f"{machine} does not reach {name}: {why}"
        for machine, completed in done.items()
        for name, why in zip(names, parse_pings(completed.stdout, addresses).values(), strict=True)
        if why
    ]
    command = f"ping -c 1 -W 2 {' | '.join(addresses)}"
    seen = tuple(evidence(machine, command, completed) for machine, completed in done.items())
    return Finding(tuple(problems), f"{len(done) * len(addresses)} of {len(done) * len(addresses)} answered", seen)


@examine.register
def _resolves(check: wanted.ResolvesCheck, site: Site) -> Finding:
    # Asked past /etc/hosts, which has the machine's own name and its peers', getent(1).
    command = f"{RESOLVER_PATIENCE} {shlex.join(['getent', '-s', 'dns', 'ahostsv4', check.name])}"
    done = site.on_each(check.source, lambda machine: site.run(machine, command))
    problems = []
    found: set[str] = set()
    for machine, completed in done.items():
        addresses = {line.split()[0] for line in completed.stdout.splitlines() if line.strip()}
        found |= addresses
        if not addresses:
            problems.append(f"{machine} gets no answer for {check.name}")
        elif check.address and str(check.address) not in addresses:
            problems.append(f"{machine} gets {', '.join(sorted(addresses))}, expected {check.address}")
    seen = tuple(evidence(machine, command, completed) for machine, completed in done.items())
    return Finding(tuple(problems), f"{check.name} is {', '.join(sorted(found))}", seen)


@examine.register
def _clocks(check: wanted.ClocksCheck, site: Site) -> Finding:
    offsets = site.on_each(check.on, lambda machine: measure_offset(site.lab.executor(machine)))
    base = max(interval.high for interval in offsets.values())
    ahead = {machine: base - interval.high for machine, interval in offsets.items()}
    first, last = min(ahead, key=lambda m: ahead[m]), max(ahead, key=lambda m: ahead[m])
    doubt = offsets[first].width + offsets[last].width
    apart = ahead[last] - ahead[first]
    message = f"at most {apart:.2f} s apart" + (f" (known to {doubt:.2f} s)" if doubt > 0.1 else "")
    seen = tuple(
        Evidence(machine, "date +%s.%N, against the host", f"{value:.3f} s ahead of the slowest clock")
        for machine, value in ahead.items()
    )
    wrong = apart - doubt > check.tolerance
    return Finding((f"{last} is {apart:.1f} s ahead of {first}",) if wrong else (), message, seen)


@examine.register
def _internet(check: wanted.InternetCheck, site: Site) -> Finding:
    name, connect = shlex.quote(check.name), 'exit !IO::Socket::INET->new(PeerAddr=>"$ARGV[0]:$ARGV[1]",Timeout=>5)'
    script = (
        f'{RESOLVER_PATIENCE} getent ahostsv4 {name} >/dev/null || {{ echo "the name does not resolve"; exit 1; }}\n'
        f"ping -c 1 -W 2 {name} >/dev/null 2>&1 && {{ echo answered by ping; exit 0; }}\n"
        f"perl -MIO::Socket::INET -e {shlex.quote(connect)} {name} {check.port} 2>/dev/null && "
        f"{{ echo answered on port {check.port}; exit 0; }}\n"
        f"echo no answer by ping or on port {check.port}; exit 1"
    )
    done = site.on_each(check.source, lambda machine: site.run(machine, script))
    problems = [f"{machine}: {d.stdout.strip()} ({check.name})" for machine, d in done.items() if d.exit_code]
    seen = tuple(
        evidence(machine, f"ping {check.name}, or connect to port {check.port}", d) for machine, d in done.items()
    )
    return Finding(tuple(problems), "; ".join(f"{m}: {d.stdout.strip()}" for m, d in done.items()), seen)


@examine.register
def _apt(check: wanted.AptCheck, site: Site) -> Finding:
    # --error-on=any: without it apt-get ends well though nothing could be fetched (apt-get(8))
    command = "LC_ALL=C apt-get -q --error-on=any -o DPkg::Lock::Timeout=60 update"
    done = site.on_each(check.source, lambda machine: site.run(machine, command, root=True))
    problems = []
    for machine, completed in done.items():
        if completed.exit_code:
            lines = (completed.stderr.strip() or completed.stdout.strip() or "no reason given").splitlines()
            problems.append(f"{machine}: apt update failed: {lines[0]}")
    seen = tuple(evidence(machine, command, completed) for machine, completed in done.items())
    return Finding(tuple(problems), "package lists are up to date", seen)


@examine.register
def _address(check: wanted.AddressCheck, site: Site) -> Finding:
    completed = site.run(check.on, ADDRESSES_SCRIPT)
    seen = (evidence(check.on, ADDRESSES_SCRIPT, completed),)
    held = [h for h in parse_addresses(completed.stdout) if h.address.ip == check.address]
    where = ", ".join(f"{h.address} on {h.interface} as {h.label}" for h in held)
    if not check.held:
        problem = f"{check.on} holds {where}, expected not to"
        return Finding((problem,) if held else (), f"{check.on} does not hold {check.address}", seen)
    if not held:
        others = ", ".join(
            f"{h.address} on {h.interface}" for h in parse_addresses(completed.stdout) if h.interface != "lo"
        )
        return Finding((f"{check.on} does not hold {check.address}; it holds {others or 'no address'}",), "", seen)
    fitting = [h for h in held if check.interface in (None, h.interface) and check.label in (None, h.label)]
    expected = " as ".join(part for part in (check.interface, check.label) if part)
    return Finding(() if fitting else (f"{check.on} holds {where}, expected on {expected}",), where, seen)


@examine.register
def _page(check: wanted.PageCheck, site: Site) -> Finding:
    spec = ProbeSpec(check.url, PAGE_PACE, check.timeout * site.time_scale, check.times)
    samples = probe(site.lab.executor(check.source), spec)
    right = [s for s in samples if s.outcome == "ok" and s.status == check.status and check.contains in s.page]
    problems = []
    if len(right) < check.times:
        others = [s for s in samples if s not in right]
        problems.append(f"{len(right)} of {check.times} requests showed it; the first other: {_seen(others[0])}")
    seen = (Evidence(check.source, str(spec), "\n".join(_tally(samples))),)
    return Finding(tuple(problems), f"{len(right)} of {check.times}", seen)


def _seen(sample: Sample) -> str:
    if sample.outcome != "ok":
        return sample.outcome
    return f"status {sample.status}, {' '.join(sample.page.split())[:80] or 'an empty page'}"


def _tally(samples: list[Sample]) -> list[str]:
    lines: dict[str, int] = {}
    for sample in samples:
        lines[_seen(sample)] = lines.get(_seen(sample), 0) + 1
    return [f"{count} x {what}" for what, count in lines.items()]


@examine.register
def _service(check: wanted.ServiceCheck, site: Site) -> Finding:
    command = unit_script(check.service)
    completed = site.run(check.on, command)
    state = parse_unit(completed.stdout)
    problems = []
    if not state.loaded:
        problems.append(f"{check.service} is not installed on {check.on}")
    else:
        if check.running is not None and state.running != check.running:
            problems.append(
                f"{check.service} is {state.active_state}, expected {_yes(check.running, 'active', 'inactive')}"
            )
        if check.enabled is not None and state.enabled != check.enabled:
            expected = _yes(check.enabled, "enabled", "disabled")
            problems.append(f"{check.service} is {state.file_state or 'not enabled'}, expected {expected}")
    seen = (evidence(check.on, command, completed),)
    return Finding(tuple(problems), f"{state.active_state}, {state.file_state}", seen)


def _yes(value: bool, yes: str, no: str) -> str:
    return yes if value else no


@examine.register
def _file(check: wanted.FileCheck, site: Site) -> Finding:
    command = file_script(check.path)
    completed = site.run(check.on, command, root=True)
    if completed.exit_code:
        problem = f"{check.path} cannot be read on {check.on}: {completed.stderr.strip()}"
        return Finding((problem,), "", (evidence(check.on, command, completed),))
    state = parse_file(completed.stdout)
    problems = [f"{check.path} does not contain {text!r}" for text in check.contains if text not in state.content]
    if check.equals is not None and state.content.rstrip() != check.equals.rstrip():
        problems.append(f"{check.path} has another content than expected")
    if check.mode is not None and int(state.mode, 8) != int(check.mode, 8):
        problems.append(f"{check.path} has mode {state.mode}, expected {check.mode}")
    if check.owner is not None and state.owner != check.owner:
        problems.append(f"{check.path} belongs to {state.owner}, expected {check.owner}")
    # the content stays out of the report: it may hold a secret
    seen = (Evidence(check.on, command, f"mode {state.mode}, owner {state.owner}, {len(state.content)} characters"),)
    return Finding(tuple(problems), f"mode {state.mode}, owner {state.owner}", seen)


@examine.register
def _ipvs(check: wanted.IpvsCheck, site: Site) -> Finding:
    completed = site.run(check.on, IPVS_SCRIPT, root=True)
    seen = (evidence(check.on, IPVS_SCRIPT, completed),)
    if completed.exit_code:
        return Finding((f"{check.on}: ipvsadm failed: {completed.stderr.strip()}",), "", seen)
    where = f"{check.virtual}:{check.port}"
    services = parse_ipvs(completed.stdout)
    service = next((s for s in services if (s.address, s.port) == (check.virtual, check.port)), None)
    if service is None:
        others = ", ".join(f"{s.address}:{s.port}" for s in services)
        return Finding((f"{check.on} has no virtual service {where}; it has {others or 'none'}",), "", seen)
    used = {(s.address, s.port) for s in service.servers if s.weight > 0}
    expected = {(address, check.port) for address in check.real_servers}
    problems = [f"{a}:{p} is missing behind {where}" for a, p in sorted(expected - used)]
    problems += [f"{a}:{p} should not be behind {where}" for a, p in sorted(used - expected)]
    if check.scheduler and service.scheduler != check.scheduler:
        problems.append(f"the scheduler of {where} is {service.scheduler}, expected {check.scheduler}")
    servers = ", ".join(f"{a}:{p}" for a, p in sorted(used)) or "nothing"
    return Finding(tuple(problems), f"{where} ({service.scheduler}) -> {servers}", seen)


@examine.register
def _distribution(check: wanted.DistributionCheck, site: Site) -> Finding:
    spec = ProbeSpec(check.url, PAGE_PACE, check.timeout * site.time_scale, check.requests)
    samples = probe(site.lab.executor(check.source), spec)
    counts = distribution(samples, page_owners(site.lab.topology))
    message = ", ".join(f"{machine} {count}" for machine, count in counts.items()) or "nobody answered"
    if lost := failed(samples):
        message += f", {lost} lost"
    seen = (Evidence(check.source, str(spec), "\n".join(_tally(samples))),)
    return Finding(tuple(uneven(counts, check.over, check.requests, check.tolerance)), message, seen)


@examine.register
def _command(check: wanted.CommandCheck, site: Site) -> Finding:
    command = shlex.join(check.argv)
    completed = site.run(check.on, command, root=check.root)
    problems = []
    if completed.exit_code != check.exit_code:
        problems.append(f"{command} ended with {completed.exit_code} on {check.on}, expected {check.exit_code}")
    if check.equals is not None and completed.stdout.strip() != check.equals.strip():
        problems.append(f"{command} says {completed.stdout.strip()!r}, expected {check.equals.strip()!r}")
    problems += [f"{command} does not say {text!r}" for text in check.contains if text not in completed.stdout]
    message = completed.stdout.strip().splitlines()[:1]
    return Finding(tuple(problems), message[0] if message else "", (evidence(check.on, command, completed),))
