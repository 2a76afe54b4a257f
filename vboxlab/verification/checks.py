"""Carrying out the checks of a scenario: each reads guests' states through executors and says what it found.

A check says what is wrong (problems), and what could not be told (doubts): a program that could not be run, or printed
what is no answer, has proved nothing. One that holds has neither.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import singledispatch

from vboxlab.language import C_, _, n_
from vboxlab.topology import asking
from vboxlab.topology import checks as wanted
from vboxlab.topology.check_interface import OutsideCheck
from vboxlab.verification.answers import page_shown, probe_answered, requests_shared
from vboxlab.verification.attempts import COULD_NOT_RUN, Finding, Site, evidence, unanswered
from vboxlab.verification.clocks import read_clock
from vboxlab.verification.history import Shown
from vboxlab.verification.offsets import clock_offset
from vboxlab.verification.outside_checks import observed
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
from vboxlab.verification.subject import address_of

RESOLVER_PATIENCE = "RES_OPTIONS='timeout:3 attempts:2'"  # a dead name server is a finding, not a hanging command
GETENT_UNKNOWN = 2
"""What getent ends with when a key could not be found (getent(1), exit status)."""


@singledispatch
def examine(check: object, site: Site) -> Finding:
    """Make one attempt at a check and return what was found. Raises GuestError, WaitTimeout, InfrastructureTrouble."""
    raise NotImplementedError(f"no way to carry out {check!r} on {site.lab.name}")


examine.register(asking.PageCheck, page_shown)
examine.register(asking.ProbeCheck, probe_answered)
examine.register(asking.DistributionCheck, requests_shared)
examine.register(OutsideCheck, observed)


@examine.register
def _ping(check: wanted.PingCheck, site: Site) -> Finding:
    topology = site.lab.topology
    asked_by = {machine: tuple(address_of(topology, machine, each) for each in check.to) for machine in check.source}
    done = site.on_each(check.source, lambda machine: site.run(machine, ping_script(asked_by[machine])))
    problems, doubts = [], []
    for machine, completed in done.items():
        addresses = asked_by[machine]
        names = [t if t == a else f"{t} ({a})" for t, a in zip(check.to, addresses, strict=True)]
        for name, answer in zip(names, parse_pings(completed.stdout, len(addresses)), strict=True):
            if answer is None or answer.exit_code in COULD_NOT_RUN:
                doubts.append(unanswered(machine, "ping", completed))
            elif answer.exit_code:
                text = _("{machine} does not reach {target}: {why}")
                problems.append(text.format(machine=machine, target=name, why=answer.why or _("no answer")))
    seen = tuple(
        evidence(machine, f"ping -c 1 -W 2 {' | '.join(asked_by[machine])}", completed)
        for machine, completed in done.items()
    )
    asked = len(done) * len(check.to)
    message = _("{answered} of {asked} answered").format(answered=asked, asked=asked)
    return Finding(tuple(problems), message, seen, tuple(dict.fromkeys(doubts)))


@examine.register
def _resolves(check: wanted.ResolvesCheck, site: Site) -> Finding:
    # Asked past /etc/hosts, which has the machine's own name and its peers', getent(1).
    command = f"{RESOLVER_PATIENCE} {shlex.join(['getent', '-s', 'dns', 'ahostsv4', check.name])}"
    done = site.on_each(check.source, lambda machine: site.run(machine, command))
    problems, doubts = [], []
    found: set[str] = set()
    for machine, completed in done.items():
        if completed.exit_code not in (0, GETENT_UNKNOWN):
            doubts.append(unanswered(machine, "getent", completed))
            continue
        addresses = {line.split()[0] for line in completed.stdout.splitlines() if line.strip()}
        found |= addresses
        if not addresses:
            problems.append(_("{machine} gets no answer for {name}").format(machine=machine, name=check.name))
        elif check.address and str(check.address) not in addresses:
            got = ", ".join(sorted(addresses))
            problem = _("{machine} gets {addresses}, expected {expected}")
            problems.append(problem.format(machine=machine, addresses=got, expected=check.address))
    seen = tuple(evidence(machine, command, completed) for machine, completed in done.items())
    message = _("{name} is {addresses}").format(name=check.name, addresses=", ".join(sorted(found)))
    return Finding(tuple(problems), message, seen, tuple(doubts))


@examine.register
def _clocks(check: wanted.ClocksCheck, site: Site) -> Finding:
    since = site.recorder.now()
    site.on_each(check.on, lambda machine: read_clock(site.lab.executor(machine), site.recorder, site.step))
    history = site.recorder.history()
    offsets = {m: offset for m in check.on if (offset := clock_offset(history, site.step, m, since)) is not None}
    base = max(interval.high for interval in offsets.values())
    ahead = {machine: base - interval.high for machine, interval in offsets.items()}
    first, last = min(ahead, key=lambda m: ahead[m]), max(ahead, key=lambda m: ahead[m])
    apart = ahead[last] - ahead[first]
    # Any two may be this much further apart than they look, or less far.
    doubt = sum(sorted((offset.width for offset in offsets.values()), reverse=True)[:2])
    known = _("at most {apart:.2f} s apart (known to {doubt:.2f} s)")
    message = (known if doubt > 0.1 else _("at most {apart:.2f} s apart")).format(apart=apart, doubt=doubt)
    command, output = _("date +%s.%N, against the host"), _("{seconds:.3f} s ahead of the slowest clock")
    seen = tuple(
        Shown(machine=machine, command=command, output=output.format(seconds=value)) for machine, value in ahead.items()
    )
    if apart - doubt > check.tolerance:
        problem = _("{fast} is {seconds:.1f} s ahead of {slow}").format(fast=last, seconds=apart, slow=first)
        return Finding((problem,), message, seen)
    if apart + doubt > check.tolerance:
        text = _("the clocks may be {seconds:.1f} s apart, {tolerance:g} s are allowed")
        return Finding((), message, seen, (text.format(seconds=apart + doubt, tolerance=check.tolerance),))
    return Finding((), message, seen)


@examine.register
def _internet(check: wanted.InternetCheck, site: Site) -> Finding:
    name, connect = shlex.quote(check.name), 'exit !IO::Socket::INET->new(PeerAddr=>"$ARGV[0]:$ARGV[1]",Timeout=>5)'
    script = (
        f"{RESOLVER_PATIENCE} getent ahostsv4 {name} >/dev/null || {{ echo getent $?; exit; }}\n"
        f"ping -c 1 -W 2 {name} >/dev/null 2>&1 && {{ echo ping 0; exit; }}\n"
        f"perl -MIO::Socket::INET -e {shlex.quote(connect)} {name} {check.port} 2>/dev/null\n"
        "echo perl $?"
    )
    done = site.on_each(check.source, lambda machine: site.run(machine, script))
    problems, doubts, answered = [], [], []
    told = _("{subject}: {text}")
    for machine, completed in done.items():
        match completed.stdout.split():
            case ["ping", "0"]:
                answered.append(told.format(subject=machine, text=_("answered by ping")))
            case ["perl", "0"]:
                text = _("answered on port {port}").format(port=check.port)
                answered.append(told.format(subject=machine, text=text))
            case ["getent", "2"]:
                text = _("the name {name} does not resolve").format(name=check.name)
                problems.append(told.format(subject=machine, text=text))
            case ["perl", "1"]:
                text = _("no answer of {name} by ping or on port {port}").format(name=check.name, port=check.port)
                problems.append(told.format(subject=machine, text=text))
            case [program, code] if code.isdigit():
                doubts.append(unanswered(machine, program, replace(completed, exit_code=int(code), stdout="")))
            case _:
                doubts.append(unanswered(machine, "ping", completed))
    command = _("ping {name}, or connect to port {port}").format(name=check.name, port=check.port)
    seen = tuple(evidence(machine, command, d) for machine, d in done.items())
    return Finding(tuple(problems), "; ".join(answered), seen, tuple(doubts))


@examine.register
def _apt(check: wanted.AptCheck, site: Site) -> Finding:
    # --error-on=any: without it apt-get ends well though nothing could be fetched (apt-get(8))
    command = "LC_ALL=C apt-get -q --error-on=any -o DPkg::Lock::Timeout=60 update"
    done = site.on_each(check.source, lambda machine: site.run(machine, command, root=True))
    problems, doubts = [], []
    for machine, completed in done.items():
        if completed.exit_code in COULD_NOT_RUN:
            doubts.append(unanswered(machine, "apt-get", completed))
        elif completed.exit_code:
            lines = (completed.stderr.strip() or completed.stdout.strip() or _("no reason given")).splitlines()
            problems.append(_("{machine}: apt update failed: {reason}").format(machine=machine, reason=lines[0]))
    seen = tuple(evidence(machine, command, completed) for machine, completed in done.items())
    return Finding(tuple(problems), _("package lists are up to date"), seen, tuple(doubts))


@examine.register
def _address(check: wanted.AddressCheck, site: Site) -> Finding:
    completed = site.run(check.on, ADDRESSES_SCRIPT)
    seen = (evidence(check.on, ADDRESSES_SCRIPT, completed),)
    if completed.exit_code or not parse_addresses(completed.stdout):  # every machine holds 127.0.0.1
        return Finding((), "", seen, (unanswered(check.on, "ip", completed),))
    held = [h for h in parse_addresses(completed.stdout) if h.address.ip == check.address]
    labelled = _("{address} on {interface} as {label}")
    where = ", ".join(labelled.format(address=h.address, interface=h.interface, label=h.label) for h in held)
    if not check.held:
        problem = _("{machine} holds {addresses}, expected not to").format(machine=check.on, addresses=where)
        message = _("{machine} does not hold {address}").format(machine=check.on, address=check.address)
        return Finding((problem,) if held else (), message, seen)
    if not held:
        plain = _("{address} on {interface}")
        others = ", ".join(
            plain.format(address=h.address, interface=h.interface)
            for h in parse_addresses(completed.stdout)
            if h.interface != "lo"
        )
        problem = _("{machine} does not hold {address}; it holds {addresses}").format(
            machine=check.on, address=check.address, addresses=others or _("no address")
        )
        return Finding((problem,), "", seen)
    fitting = [h for h in held if check.interface in (None, h.interface) and check.label in (None, h.label)]
    expected = check.interface or check.label
    if check.interface and check.label:
        expected = _("{interface} as {label}").format(interface=check.interface, label=check.label)
    problem = _("{machine} holds {addresses}, expected on {expected}").format(
        machine=check.on, addresses=where, expected=expected
    )
    return Finding(() if fitting else (problem,), where, seen)


@examine.register
def _service(check: wanted.ServiceCheck, site: Site) -> Finding:
    command = unit_script(check.service)
    completed = site.run(check.on, command)
    state = parse_unit(completed.stdout)
    if completed.exit_code or state is None:
        seen = (evidence(check.on, command, completed),)
        return Finding((), "", seen, (unanswered(check.on, "systemctl", completed),))
    problems = []
    if not state.loaded:
        problems.append(_("{service} is not installed on {machine}").format(service=check.service, machine=check.on))
    else:
        other = _("{service} is {state}, expected {expected}")
        if check.running is not None and state.running != check.running:
            expected = _yes(check.running, "active", "inactive")
            problems.append(other.format(service=check.service, state=state.active_state, expected=expected))
        if check.enabled is not None and state.enabled != check.enabled:
            expected = _yes(check.enabled, "enabled", "disabled")
            found = state.file_state or _("not enabled")
            problems.append(other.format(service=check.service, state=found, expected=expected))
    seen = (evidence(check.on, command, completed),)
    return Finding(tuple(problems), f"{state.active_state}, {state.file_state}", seen)


def _yes(value: bool, yes: str, no: str) -> str:
    return yes if value else no


@examine.register
def _file(check: wanted.FileCheck, site: Site) -> Finding:
    command = file_script(check.path)
    completed = site.run(check.on, command, root=True)
    seen = (evidence(check.on, command, completed),)
    if completed.exit_code in COULD_NOT_RUN:
        return Finding((), "", seen, (unanswered(check.on, "stat", completed),))
    if completed.exit_code:
        problem = _("{path} cannot be read on {machine}: {reason}").format(
            path=check.path, machine=check.on, reason=completed.stderr.strip()
        )
        return Finding((problem,), "", seen)
    try:
        state = parse_file(completed.stdout)
    except ValueError:
        return Finding((), "", (), (unanswered(check.on, "stat", replace(completed, stdout="")),))
    lacks = _("{path} does not contain {text!r}")
    problems = [lacks.format(path=check.path, text=text) for text in check.contains if text not in state.content]
    if check.equals is not None and state.content.rstrip() != check.equals.rstrip():
        problems.append(_("{path} has another content than expected").format(path=check.path))
    if check.mode is not None and int(state.mode, 8) != int(check.mode, 8):
        text = _("{path} has mode {mode}, expected {expected}")
        problems.append(text.format(path=check.path, mode=state.mode, expected=check.mode))
    if check.owner is not None and state.owner != check.owner:
        text = _("{path} belongs to {owner}, expected {expected}")
        problems.append(text.format(path=check.path, owner=state.owner, expected=check.owner))
    # the content stays out of the report: it may hold a secret
    length = len(state.content)
    output = n_(
        "mode {mode}, owner {owner}, {count} character", "mode {mode}, owner {owner}, {count} characters", length
    ).format(mode=state.mode, owner=state.owner, count=length)
    message = _("mode {mode}, owner {owner}").format(mode=state.mode, owner=state.owner)
    return Finding(tuple(problems), message, (Shown(machine=check.on, command=command, output=output),))


@examine.register
def _ipvs(check: wanted.IpvsCheck, site: Site) -> Finding:
    completed = site.run(check.on, IPVS_SCRIPT, root=True)
    seen = (evidence(check.on, IPVS_SCRIPT, completed),)
    if completed.exit_code or not completed.stdout.startswith("IP Virtual Server"):
        return Finding((), "", seen, (unanswered(check.on, "ipvsadm", completed),))
    where = f"{check.virtual}:{check.port}"
    services = parse_ipvs(completed.stdout)
    service = next((s for s in services if (s.address, s.port) == (check.virtual, check.port)), None)
    if service is None:
        others = ", ".join(f"{s.address}:{s.port}" for s in services)
        problem = _("{machine} has no virtual service {service}; it has {others}").format(
            machine=check.on, service=where, others=others or C_("service", "none")
        )
        return Finding((problem,), "", seen)
    used = {(s.address, s.port) for s in service.servers if s.weight > 0}
    expected = {(address, check.port) for address in check.real_servers}
    lacks, odd = _("{server} is missing behind {service}"), _("{server} should not be behind {service}")
    problems = [lacks.format(server=f"{a}:{p}", service=where) for a, p in sorted(expected - used)]
    problems += [odd.format(server=f"{a}:{p}", service=where) for a, p in sorted(used - expected)]
    if check.scheduler and service.scheduler != check.scheduler:
        text = _("the scheduler of {service} is {scheduler}, expected {expected}")
        problems.append(text.format(service=where, scheduler=service.scheduler, expected=check.scheduler))
    servers = ", ".join(f"{a}:{p}" for a, p in sorted(used)) or _("nothing")
    return Finding(tuple(problems), f"{where} ({service.scheduler}) -> {servers}", seen)


@examine.register
def _command(check: wanted.CommandCheck, site: Site) -> Finding:
    command = shlex.join(check.argv)
    completed = site.run(check.on, command, root=check.root)
    problems = []
    if completed.exit_code != check.exit_code:
        text = _("{command} ended with {code} on {machine}, expected {expected}")
        code, expected = completed.exit_code, check.exit_code
        problems.append(text.format(command=command, code=code, machine=check.on, expected=expected))
    if check.equals is not None and completed.stdout.strip() != check.equals.strip():
        text = _("{command} says {output!r}, expected {expected!r}")
        output, wanted_output = completed.stdout.strip(), check.equals.strip()
        problems.append(text.format(command=command, output=output, expected=wanted_output))
    lacks = _("{command} does not say {text!r}")
    problems += [lacks.format(command=command, text=text) for text in check.contains if text not in completed.stdout]
    message = completed.stdout.strip().splitlines()[:1]
    seen = (evidence(check.on, command, completed),)
    if completed.exit_code in COULD_NOT_RUN and check.exit_code not in COULD_NOT_RUN:
        return Finding((), "", seen, (unanswered(check.on, check.argv[0], completed),))
    return Finding(tuple(problems), message[0] if message else "", seen)
