"""Rules for what a topology refers to: bases, stages, snapshots, parameters, machines of the scenario."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address

from vboxlab.language import _
from vboxlab.topology.asking import DistributionCheck
from vboxlab.topology.checks import PingCheck
from vboxlab.topology.conditions import When, wanted
from vboxlab.topology.model import Machine
from vboxlab.topology.parameters import condition_problem, scope_of, unfit_values
from vboxlab.topology.places import describe, show
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.rules_names import name_fault
from vboxlab.topology.scenario import Measure, ScenarioStep
from vboxlab.topology.subject import Subject

_LIKE_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+)+")


def something_to_do(subject: Subject) -> Iterator[Problem]:
    """no-machines."""
    if subject.named_in_file("machines") == ():
        message = _("the topology has no machines; expected at least one under `machines`")
        yield subject.problem_of_key("no-machines", ("machines",), message)


def bases(subject: Subject) -> Iterator[Problem]:
    """unknown-base: checked when the bases of this host are known."""
    known = subject.known.bases
    if known is None:
        return
    named: list[tuple[str, Place]] = [(subject.topology.base, ("base",))]
    named += [(m.base, ("machines", m.name, "base")) for m in subject.topology.owned_machines if m.base is not None]
    for base, place in named:
        if base not in known and subject.value(place) is not None:
            message = _("there is no base `{base}` on this host; {expected}").format(
                base=base, expected=one_of(sorted(known)) + did_you_mean(base, known)
            )
            yield subject.problem("unknown-base", place, message)


def stages(subject: Subject) -> Iterator[Problem]:
    """unknown-stage: the order of stages is given once, under `stages` of the topology."""
    listed = subject.source.get(("stages",))
    names = [str(stage.get("name")) for stage in listed if isinstance(stage, dict)] if isinstance(listed, list) else []
    names += [name for name in subject.topology.stage_order if name not in names]
    for machine in subject.topology.machines.values():
        for stage in machine.stages:
            if stage not in names:
                message = _("there is no stage `{stage}` under `stages` of the topology; {expected}").format(
                    stage=stage, expected=one_of(names) + did_you_mean(stage, names)
                )
                place = ("machines", machine.name, "stages", stage)
                yield subject.problem_of_key("unknown-stage", place, message)


def snapshots(subject: Subject) -> Iterator[Problem]:
    """unknown-snapshot: snapshot sets are declared in files of their own."""
    known = subject.known.snapshots
    if known is None:
        return
    named: list[tuple[str | None, Place]] = [
        (subject.topology.start_from, ("from",)),
        (subject.topology.reset, ("reset",)),
    ]
    named += [(stage.snapshot, ("stages", index, "snapshot")) for index, stage in enumerate(subject.topology.stages)]
    for snapshot, place in named:
        if snapshot is not None and name_fault(snapshot) is None and snapshot not in known:
            message = _(
                "there is no snapshot set `{snapshot}`; {expected} (snapshots/{snapshot}.yaml would declare it)"
            ).format(snapshot=snapshot, expected=one_of(sorted(known)) + did_you_mean(snapshot, known))
            yield subject.problem("unknown-snapshot", place, message)


def circles(subject: Subject) -> Iterator[Problem]:
    """circle: topologies that start from each other's snapshot sets can never be brought up."""
    start = subject.topology.start_from
    if start is None or subject.known.made_first is None:
        return
    names = (subject.topology.name, *subject.known.made_first(start))
    if names[-1] in names[:-1]:
        way = _("`{topology}` makes").format(topology=names[1])
        for name in names[2:]:
            way = _("{way}, which starts from what `{topology}` makes").format(way=way, topology=name)
        text = _("`{snapshot}` is what {way}: a circle; expected one topology of it to have no `from`")
        message = text.format(snapshot=start, way=way)
        yield subject.problem("circle", ("from",), message)


def defaults(subject: Subject) -> Iterator[Problem]:
    """default-not-a-choice, unfit-value: of what parameters are declared to be."""
    yield from unfit_values(subject.source)


def _conditions(subject: Subject) -> Iterator[tuple[When, Place]]:
    for machine in subject.topology.machines.values():
        if machine.adopt is not None:
            yield machine.adopt.when, ("machines", machine.name, "adopt", "when")
    for index, step in enumerate(subject.topology.verify.steps):
        yield step.when, ("verify", "steps", index, "when")


def conditions(subject: Subject) -> Iterator[Problem]:
    """unknown-condition: `when` compares parameters with values that they can have."""
    scope = scope_of(subject.source, subject.topology.values)
    for when, place in _conditions(subject):
        for key, values in when.items():
            at = subject.place((*place, key))
            if not wanted(values):
                text = _("{place} is {value}, so that it is never met; expected one value or several")
                message = text.format(place=describe(at, subject.source.data), value=show([]))
                yield subject.problem("wrong-type", (*place, key), message)
                continue
            problem = condition_problem(key, wanted(values), scope, subject.source, at, at)
            if problem is not None:
                yield problem


def scenario_machines(subject: Subject) -> Iterator[Problem]:
    """unknown-machine: of the checks, faults and measurements."""
    names = subject.named_in_file("machines")
    if names is None:
        return
    hosts = {machine.hostname for machine in subject.topology.machines.values()}
    for index, step in enumerate(subject.topology.verify.steps):
        place: Place = ("verify", "steps", index)
        wanted = [*step.machines, *(step.told_by if isinstance(step, Measure) else getattr(step, "persist", ()))]
        if isinstance(step, PingCheck):
            wanted += [name for name in step.to if name not in hosts and "." not in name]
            yield from _not_addresses(subject, step.to, (*place, "to"))
        for name in dict.fromkeys(wanted):
            if name not in names and not subject.is_spared(step, "machines", name):
                where = where_named(subject, place, name)
                yield subject.problem("unknown-machine", where, subject.no_machine(name, where))


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def _not_addresses(subject: Subject, names: tuple[str, ...], place: Place) -> Iterator[Problem]:
    """Yield what looks like an IPv4 address and is none, such as one that was counted past its end."""
    for name in names:
        if _LIKE_ADDRESS.fullmatch(name) and name not in subject.topology.machines and not _is_address(name):
            where = where_named(subject, place, name)
            text = _("{value} is no IPv4 address; expected one such as 192.168.200.51, or the name of a machine")
            yield subject.problem("bad-address", where, text.format(value=show(name)))


def where_named(subject: Subject, place: Place, name: str) -> Place:
    """Return where inside a step a machine is named."""
    step = subject.value(place)
    if step == name:
        return place
    children = step.items() if isinstance(step, dict) else enumerate(step) if isinstance(step, list) else ()
    for key, value in children:
        if key not in ("title", "note") and (value == name or isinstance(value, dict | list)):
            found = where_named(subject, (*place, key), name)
            if subject.value(found) == name:
                return found
    return place


def _can_be_told(machine: Machine) -> bool:
    roles = (*machine.roles, *(role for stage in machine.stages.values() for role in stage))
    return any(role.told_by() is not None for role in roles)


def _serving(step: ScenarioStep) -> tuple[str, tuple[str, ...]] | None:
    if isinstance(step, Measure):
        told_otherwise = step.told_by or not step.is_page
        return None if told_otherwise else ("served_by", step.served_by)
    return ("over", step.over) if isinstance(step, DistributionCheck) else None


def scenario_servers(subject: Subject) -> Iterator[Problem]:
    """not-a-web-server: the machines that serve are told apart by their pages, so each must have one."""
    if not subject.fit.complete:
        return
    for index, step in enumerate(subject.topology.verify.steps):
        serving = _serving(step)
        if serving is None:
            continue
        for name in serving[1]:
            machine = subject.topology.machines.get(name)
            if machine is not None and not _can_be_told(machine):
                message = _(
                    "machine `{machine}` has no role web, so its page cannot be recognised; expected a web server"
                ).format(machine=name)
                place = where_named(subject, ("verify", "steps", index, serving[0]), name)
                yield subject.problem("not-a-web-server", place, message)


def dns_servers(subject: Subject) -> Iterator[Problem]:
    """dns-unusable: a resolver at an address that no server can have."""
    for machine in subject.topology.machines.values():
        for index, server in enumerate(machine.dns):
            if server == IPv4Address("0.0.0.0") or server.is_multicast:  # noqa: S104  # compared, not bound to
                message = _("{address} cannot be a DNS server; expected its address, such as 192.168.100.10").format(
                    address=server
                )
                yield subject.problem("dns-unusable", ("machines", machine.name, "dns", index), message)
