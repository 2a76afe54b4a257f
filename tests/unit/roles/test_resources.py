"""What the roles of the packaged topologies come to, kept in golden files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from vboxlab.guest.resources import (
    AbsentFile,
    Await,
    Command,
    File,
    Hostname,
    Interface,
    Package,
    Password,
    Resource,
    Restart,
    SecretText,
    Service,
    Sysctl,
    packages,
)
from vboxlab.guest.role_registry import guest_roles, resources_for
from vboxlab.guest.script import compile_script
from vboxlab.guest.secrets import secret_names
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology
from vboxlab.topology.roles import Role

ROOT = Path(__file__).parents[3]
TOPOLOGIES = ROOT / "topologies"


def topology(name: str = "failover", **values: str) -> Topology:
    return load_topology(TOPOLOGIES / f"{name}.yaml", values)


def described(resource: Resource) -> Iterable[str]:
    match resource:
        case File():
            yield from _described_file(resource)
        case AbsentFile(path):
            yield f"no file {path}"
        case Package(name):
            yield f"package {name}"
        case Service(name, enabled, running):
            yield f"service {name} enabled={enabled} running={running}"
        case Restart(name):
            yield f"restart of {name}"
        case Sysctl(name, value, file):
            yield f"sysctl {name}={value} in {file}"
        case Hostname(name):
            yield f"host name {name}"
        case Interface(name, address, gateway):
            yield f"interface {name} {address} gateway {gateway}"
        case Password(user, secret):
            yield f"password of {user} from the secret {secret}"
        case Command(name, run, unless):
            yield f"command {name}: {' '.join(run)}"
            yield f"    unless {' '.join(unless)}"
        case Await(name, until, within, unit=unit):
            yield f"await {name} of {unit} within {within:g} s: {' '.join(until)!r}"


def _described_file(file: File) -> Iterable[str]:
    text = file.content.template if isinstance(file.content, SecretText) else file.content
    restarts = f", restarts {' '.join(file.notifies)}" if file.notifies else ""
    yield f"file {file.path} {file.mode:04o} {file.owner}:{file.group}{restarts}"
    yield from (f"    | {line}" for line in text.splitlines())
    if file.check:
        where = " in its place" if file.check_in_place else ""
        yield f"    checked{where} by {' '.join(file.check)}"


def lines(found: Topology, machine: str, stage: str | None) -> list[str]:
    return [line for resource in resources_for(found, found.machines[machine], stage) for line in described(resource)]


@pytest.mark.parametrize(
    ("name", "machine", "stage", "values"),
    [
        ("failover", "firewall", None, {}),
        ("failover", "dns", None, {}),
        ("failover", "client", None, {}),
        ("failover", "srv-web", "web", {}),
        ("failover", "srv-web", "heartbeat", {}),
        ("failover", "srv-web-bis", "heartbeat", {}),
        ("failover", "srv-web", "heartbeat", {"tuning": "fast"}),
        ("loadbalancing", "load-balancer", "balancing", {}),
        ("loadbalancing", "load-balancer", "balancing", {"health": "none"}),
        ("loadbalancing", "load-balancer", "balancing", {"health": "ldirectord"}),
        ("loadbalancing", "srv-web", "balancing", {}),
    ],
)
def test_resources_are_as_kept(name: str, machine: str, stage: str | None, values: dict[str, str]) -> None:
    found = topology(name, **values)
    chosen = "".join(f"-{value}" for value in values.values())
    check_golden(f"roles/{name}-{machine}-{stage or 'always'}{chosen}.txt", lines(found, machine, stage))


@pytest.mark.parametrize("name", ["failover", "loadbalancing"])
def test_every_machine_and_stage_compiles_and_notifies_only_services_it_has(name: str) -> None:
    found = topology(name)
    for machine in found.machines.values():
        for stage in (None, *found.stage_order):
            resources = resources_for(found, machine, stage)
            secrets = dict.fromkeys(secret_names(resources), "x")
            assert compile_script(resources, changes=True, secrets=secrets)
            services = {resource.name for resource in resources if isinstance(resource, Service)}
            notified = {name for resource in resources if isinstance(resource, File) for name in resource.notifies}
            assert notified <= services, (machine.name, stage)
            assert len({resource.key for resource in resources}) == len(resources)


def test_every_role_of_the_model_has_a_function() -> None:
    roles = {role.role for role in (*_roles(topology()), *_roles(topology("loadbalancing")))}
    assert roles <= guest_roles().keys()
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["project"]["entry-points"]["vboxlab.roles"]
    assert sorted(guest_roles()) == sorted(declared)


def _roles(found: Topology) -> Iterable[Role]:
    for machine in found.machines.values():
        yield from machine.roles_until(found.last_stage, found.stage_order)


def by_key(found: Topology, machine: str, stage: str | None) -> dict[str, Resource]:
    return {resource.key: resource for resource in resources_for(found, found.machines[machine], stage)}


def test_a_later_stage_has_the_last_word_on_apache() -> None:
    found = topology()
    assert by_key(found, "srv-web", "web")["service:apache2"] == Service("apache2", enabled=True, running=True)
    assert by_key(found, "srv-web", "heartbeat")["service:apache2"] == Service("apache2", enabled=False, running=None)
    fast = topology(tuning="fast")
    assert by_key(fast, "srv-web", "heartbeat")["service:apache2"] == Service("apache2", enabled=True, running=True)


def test_packages_of_a_stage_are_known_without_a_guest() -> None:
    found = topology()
    machine = found.machines["srv-web"]
    before = packages(resources_for(found, machine, "web"))
    after = packages(resources_for(found, machine, "heartbeat"))
    assert before == ("apache2", "openssh-server", "tzdata")
    assert sorted(set(after) - set(before)) == ["heartbeat", "net-tools"]
