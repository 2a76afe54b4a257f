"""What "configured" means: a digest that a new version of vboxlab must not change, and those of versions before it."""

from __future__ import annotations

import hashlib
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import get_args

import pytest

from tests.golden_files import check_golden
from tests.unit.plan_world import World, desired, topology
from vboxlab.guest import canonical
from vboxlab.guest.canonical import canonical_lines, digest
from vboxlab.guest.first_digest import FIELDS, earlier_digests, first_digest
from vboxlab.guest.resources import Await, Command, File, Hole, Hostname, Package, Resource, SecretText, Service
from vboxlab.guest.role_registry import resources_for
from vboxlab.lab.desire import digest_of
from vboxlab.planning.machine import is_configured
from vboxlab.planning.observed import MARK_DESIRED, SnapshotState
from vboxlab.planning.planner import plan
from vboxlab.planning.snapshot_states import content_of, description_of

# Digests that commit 5c1bfaf wrote, the last one before they had a version.
FIRST = {
    ("failover", "firewall", None): "8abbddb4a18ff801",
    ("failover", "srv-web", "web"): "cff3d57011d14ac8",
    ("failover", "srv-web-bis", "heartbeat"): "5f155d26e9be6f28",
    ("loadbalancing", "load-balancer", "balancing"): "0eac442582da6b3a",
}
SAMPLE = (
    Hostname("srv"),
    File("/etc/a", SecretText("<secret>", "key"), mode=0o600, notifies=("a", "b")),
    File("/etc/b", "é\n"),
    Package("apache2"),
    Service("apache2", enabled=False, pause=2),
    Command("link", ("ln", "a"), ("test", "-e", "a")),
    Await("up", ("true",), within=5),
)


@pytest.mark.parametrize("name", ["failover", "loadbalancing"])
def test_the_canonical_form_of_the_topologies(name: str) -> None:
    """A difference here makes every lab of that topology unconfigured: let it be one that guests need."""
    found = topology(name)
    lines = []
    for machine in found.owned_machines:
        for stage in (None, *found.stage_order):
            resources = resources_for(found, machine, stage)
            lines.append(f"# {machine.name}, {stage or 'before all stages'}: {digest(resources)}")
            if stage in (None, found.last_stage):
                lines += canonical_lines(resources)
    check_golden(f"digests/{name}.jsonl", lines)


def test_no_default_ever_changes() -> None:
    """What is left out of the canonical form means its default: another default would change what old marks say."""
    lines = [
        f"{kind.__name__}.{each.name} = {'required' if each.default is MISSING else repr(each.default)}"
        for kind in (*get_args(Resource), SecretText, Hole)
        for each in fields(kind)
    ]
    check_golden("digests/defaults.txt", lines)


def test_the_canonical_form_leaves_defaults_out() -> None:
    assert canonical_lines(SAMPLE) == [
        '{"kind": "Hostname", "name": "srv"}',
        (
            '{"content": {"kind": "SecretText", "secret": "key", "template": "<secret>"}, '
            '"kind": "File", "mode": 384, "notifies": ["a", "b"], "path": "/etc/a"}'
        ),
        '{"content": "\\u00e9\\n", "kind": "File", "path": "/etc/b"}',
        '{"kind": "Package", "name": "apache2"}',
        '{"enabled": false, "kind": "Service", "name": "apache2", "pause": 2}',
        '{"kind": "Command", "name": "link", "run": ["ln", "a"], "unless": ["test", "-e", "a"]}',
        '{"kind": "Await", "name": "up", "until": ["true"], "within": 5}',
    ]


@dataclass(frozen=True)
class GrownFile(File):
    """What File would be with one more field."""

    immutable: bool = False
    attributes: dict[str, str] = field(default_factory=dict)


GrownFile.__name__ = "File"


def test_a_new_field_with_a_default_changes_no_digest() -> None:
    old = File("/etc/a", "text", mode=0o600)
    grown = GrownFile("/etc/a", "text", mode=0o600)
    assert repr(grown) != repr(old)
    assert digest([grown]) == digest([old])
    assert first_digest([grown]) == first_digest([old])


def test_a_new_field_with_another_value_is_another_digest_and_was_never_written_before() -> None:
    grown = GrownFile("/etc/a", "text", immutable=True)
    other = GrownFile("/etc/a", "text", attributes={"user.a": "b"})
    assert len({digest([each]) for each in (grown, other, File("/etc/a", "text"))}) == 3
    assert first_digest([grown]) is None
    assert first_digest([other]) is None


@dataclass(frozen=True)
class Mount:
    """A kind of resource that there was not."""

    path: str


def test_a_new_kind_of_resource_was_never_written_before() -> None:
    assert first_digest([Mount("/srv")]) is None  # type: ignore[list-item]


def test_order_and_content_count() -> None:
    assert len({digest(SAMPLE), digest(SAMPLE[::-1]), digest(SAMPLE[1:]), digest((*SAMPLE, Package("b")))}) == 4
    assert digest([File("/a", "x")]) != digest([File("/a", "y")])


def test_the_mark_carries_the_version() -> None:
    version, _, digits = digest(SAMPLE).partition(":")
    assert (int(version), len(digits), int(digits, 16) >= 0) == (canonical.VERSION, 16, True)


@pytest.mark.parametrize(("where", "written"), FIRST.items())
def test_what_vboxlab_wrote_before_is_understood(where: tuple[str, str, str | None], written: str) -> None:
    name, machine, stage = where
    found = topology(name)
    assert earlier_digests(resources_for(found, found.machines[machine], stage)) == (written,)
    assert digest_of(found, found.machines[machine], stage) != written


def test_the_first_digest_is_that_of_the_repr_while_the_classes_are_what_they_were() -> None:
    kinds = {kind.__name__: tuple(each.name for each in fields(kind)) for kind in (*get_args(Resource), SecretText)}
    grown = {kind for kind, found in kinds.items() if found != FIELDS.get(kind)}
    same = [resource for resource in SAMPLE if not any(f"{kind}(" in repr(resource) for kind in grown)]
    assert same
    for resource in same:
        assert first_digest([resource]) == hashlib.sha256(repr((resource,)).encode()).hexdigest()[:16]


def test_a_lab_with_the_marks_of_before_is_configured_and_one_with_others_is_not() -> None:
    wanted = desired(topology(), World().observed)
    world = World()
    world.apply(plan(wanted, world.observed), wanted)
    for name, machine in wanted.machines.items():
        world.mark(name, **{MARK_DESIRED: machine.earlier_digests[machine.last_stage][0]})
        assert is_configured(machine, world.machines[name])
    assert plan(wanted, world.observed).is_empty
    world.mark("dns", **{MARK_DESIRED: "0123456789abcdef"})
    assert {action.reason for action in plan(wanted, world.observed).actions} >= {"what it shall be has changed"}


def test_a_snapshot_tells_a_digest_of_either_form() -> None:
    wanted = desired(topology(), World().observed)
    world = World()
    world.apply(plan(wanted, world.observed), wanted)
    machine = wanted.machines["srv-web"]
    for written in (machine.digests["heartbeat"], *machine.earlier_digests["heartbeat"]):
        world.mark("srv-web", **{MARK_DESIRED: written})
        taken = SnapshotState(
            "kept", None, "2026-01-01T00:00:00", description=description_of(world.machines["srv-web"])
        )
        content = content_of(taken)
        assert content is not None
        assert is_configured(machine, replace(world.machines["srv-web"], marks=content.marks))


def test_marks_of_before_hold_for_their_own_resources_only() -> None:
    found = topology()
    other = Package("nginx")
    assert first_digest(SAMPLE) != first_digest((*SAMPLE[:3], other, *SAMPLE[4:]))
    machine = found.machines["srv-web"]
    stages = [first_digest(resources_for(found, machine, stage)) for stage in (None, *found.stage_order)]
    assert len(set(stages)) == 3
