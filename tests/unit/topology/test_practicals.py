"""The practicals of tests/guests are good topologies; that their guests do what they say is proved there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guests.practical import FOLDER, PRACTICALS
from vboxlab.guest.role_registry import resources_for
from vboxlab.operations.validate import ValidateRequest, validate
from vboxlab.topology.loader import load_topology


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("name", PRACTICALS)
def test_nothing_is_wrong_or_doubtful_in_a_practical(name: str) -> None:
    path = FOLDER / f"{name}.yaml"
    assert validate(ValidateRequest((str(path),))).lines(path) == ()


@pytest.mark.parametrize("name", PRACTICALS)
def test_a_practical_says_something_of_each_machine(name: str) -> None:
    topology = load_topology(FOLDER / f"{name}.yaml")
    for machine in topology.machines.values():
        assert resources_for(topology, machine, topology.last_stage)


def test_the_class_is_counted_up() -> None:
    topology = load_topology(FOLDER / "class.yaml")
    clients = [(m.hostname, str(m.adapters[0].address)) for name, m in topology.machines.items() if name != "server"]
    assert clients == [(f"client-{n}", f"192.168.70.{n + 10}/24") for n in range(1, 6)]


def test_a_machine_whose_kernel_is_told_to_forward_is_a_router(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    text = """\
lab: routed
base: debian12
networks: {{one: {{subnet: 10.1.1.0/24}}, two: {{subnet: 10.1.2.0/24}}}}
machines:
  gate:
    hostname: gate
    adapters: [{{network: one, address: 10.1.1.1/24}}, {{network: two, address: 10.1.2.1/24}}]
    roles: [{{role: sysctl, settings: {{net.ipv4.ip_forward: {forward}}}}}]
  one: {{hostname: one, adapters: [{{network: one, address: 10.1.1.2/24, gateway: 10.1.1.1}}]}}
  two: {{hostname: two, adapters: [{{network: two, address: 10.1.2.2/24, gateway: 10.1.2.1}}]}}
"""
    for forward, warned in (("1", False), ("0", True)):
        file.write_text(text.format(forward=forward), encoding="utf-8")
        told = validate(ValidateRequest((str(file),))).warnings[file]
        assert any("[asked-in-vain]" in line for line in told) is warned, told


def test_a_machine_with_files_of_its_own_is_no_reason_for_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(
        """\
lab: routed
base: debian12
networks: {one: {subnet: 10.1.1.0/24}}
machines:
  gate:
    hostname: gate
    adapters: [{network: one, address: 10.1.1.1/24}]
    roles: [{role: files, files: [{path: /etc/sysctl.d/router.conf, content: net.ipv4.ip_forward=1}]}]
  one: {hostname: one, adapters: [{network: one, address: 10.1.1.2/24, gateway: 10.1.1.1}]}
""",
        encoding="utf-8",
    )
    assert validate(ValidateRequest((str(file),))).lines(file) == ()
