"""The scheme of each topology on machines that nobody has touched: nothing is passed, and the sum is 0 for certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.guest.guest_root import GuestRoot
from tests.unit.plan_world import topology
from vboxlab.grading.evidence import Evidence, Looked
from vboxlab.grading.judge import Marks, looked_through, settle
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.differences import guest_findings
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Package, Resource, Service
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.telling import told
from vboxlab.topology.grading import Question
from vboxlab.topology.model import Topology
from vboxlab.verification.report import StepKind, StepOutcome, StepReport

# What a machine of the base has, before anybody logs in to it.
OF_BASE = {
    "/etc/hostname": "debian\n",
    "/proc/sys/kernel/hostname": "debian\n",
    "/etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tdebian\n",
    "/etc/network/interfaces": "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n",
    "/etc/resolv.conf": "",
    "/etc/sysctl.conf": "#net.ipv4.ip_forward=1\n",
    "/proc/sys/net/ipv4/ip_forward": "0\n",
}


def untouched(root: Path, lab: Topology, machine: str) -> Looked:
    """Return what is found on a machine that only has what the base has."""
    place = Place(lab, lab.machines[machine], lab.last_stage)
    guest = GuestRoot(root, place, resources_for(lab, place.machine, lab.last_stage))
    for path, text in OF_BASE.items():
        guest.write(path, text)
    for interface in ("lo", "enp0s3", "enp0s8", "enp0s19"):
        guest.path(f"/sys/class/net/{interface}").mkdir(parents=True)
    guest.network("lo UNKNOWN 127.0.0.1/8\nenp0s3 DOWN\nenp0s8 DOWN\nenp0s19 UP 10.0.9.15/24", "")
    for program in ("ipvsadm", "unshare"):
        guest.say(program, "exit 127")
    preview = StageReport(machine, tuple(lacking(guest, each) for each in guest.resources))
    return Looked(tuple(map(told, guest_findings(place, guest.resources, guest.facts(), preview))))


def lacking(guest: GuestRoot, resource: Resource) -> ResourceResult:
    match resource:
        case File(path=path):
            reason = "content differs" if guest.path(path).exists() else "does not exist"
        case Package():
            reason = "not installed"
        case Service():
            reason = "no such service"
        case _:
            reason = "differs"
    return ResourceResult(resource.key, "would-change", reason)


def steps(questions: tuple[Question, ...]) -> dict[tuple[str, int], StepReport]:
    """Return what came of the steps where nothing serves: only what must not be there is as it must be."""
    found = {}
    for question in questions:
        for number, step in enumerate(question.steps):
            outcome: StepOutcome = "passed" if getattr(step, "held", True) is False else "failed"
            kind: StepKind = "measure" if getattr(step, "measure", None) else "check"
            found[question.question, number] = StepReport(number, kind, "s", "t", outcome, "nobody answers")
    return found


def marks_of_nothing(root: Path, lab: Topology) -> Marks:
    assert lab.grading is not None
    assert lab.exercise is not None
    asked = lab.grading.asked(lab.values)
    machines = {
        name: untouched(root / name, lab, name) if name in lab.exercise.machines else Looked() for name in lab.machines
    }
    shown = looked_through(lab.grading, lab.values, Evidence(machines, steps(asked)))
    return settle(shown, lab.grading.total, lab.grading.rounding, {})


@pytest.mark.parametrize(
    ("name", "values", "dependent"),
    [
        ("failover", {}, {"takeover", "failback"}),
        ("loadbalancing", {}, {"survivor"}),
        ("loadbalancing", {"health": "none"}, {"kept"}),
        ("loadbalancing", {"health": "ldirectord"}, {"survivor"}),
    ],
)
def test_whoever_has_done_nothing_gets_nothing_for_certain(
    tmp_path: Path, name: str, values: dict[str, str], dependent: set[str]
) -> None:
    marks = marks_of_nothing(tmp_path, topology(name, **values))
    assert {each.shown.question: each.value for each in marks.judged if each.value != "failed"} == dict.fromkeys(
        dependent, "unclear"
    )
    assert [(each.least, each.most) for each in marks.judged] == [(0, 0)] * len(marks.judged)
    assert (marks.least, marks.most, marks.is_settled) == (0, 0, True)
