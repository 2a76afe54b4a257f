"""`vboxlab init` writes a topology that holds, whatever was answered, and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab_world import LabWorld
from tests.unit.operations.doors import RecordingDoor
from vboxlab.cli.main import run
from vboxlab.errors import UsageError
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.language import speak
from vboxlab.operations.init import InitRequest, init
from vboxlab.planning.actions import Create
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def made(door: RecordingDoor | None = None, name: str | None = None, *, yes: bool = False) -> Topology:
    return load_topology(init(InitRequest(name, yes), door or RecordingDoor()).path)


def test_all_defaults_make_two_machines_that_are_validated_and_planned(tmp_path: Path) -> None:
    topology = made(yes=True)
    assert (topology.name, topology.lab, list(topology.machines)) == ("my-lab", "my-lab", ["server", "client"])
    assert str(topology.machines["server"].adapters[0].address) == "192.168.10.10/24"
    assert [role.role for role in topology.machines["server"].roles] == ["web"]
    assert [step.describe() for step in topology.verify.steps] == [
        "client reach server", "from client, http://192.168.10.10/ shows server",
    ]  # fmt: skip
    world = LabWorld(tmp_path / "world")
    plan = make_plan(world.context, Blueprint(topology, [], lambda _name: None), LabName("my-lab"))[0]  # type: ignore[arg-type,return-value]
    assert plan.blockers == ()
    assert [action.step.machine for action in plan.actions if isinstance(action.step, Create)] == ["server", "client"]


def test_it_stands_where_vboxlab_list_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "first", "--yes"]) == 0
    assert (tmp_path / "project" / "topologies" / "first.yaml").is_file()
    assert run(["validate", "first"]) == 0
    assert run(["list"]) == 0
    assert "first" in capsys.readouterr().out


def test_answers_become_the_topology() -> None:
    door = RecordingDoor(answers={
        "topology": "tp-3", "title": 'TP 3 : {routage} "statique"', "how many": "3", "names": "web db poste",
        "name of their network": "salle", "addresses": "10.1.2.0/28", "Internet": "yes", "web server": "no",
    })  # fmt: skip
    topology = made(door)
    assert (topology.lab, topology.title) == ("tp-3", 'TP 3 : {routage} "statique"')
    assert [str(machine.adapters[0].address) for machine in topology.machines.values()] == [
        "10.1.2.10/28", "10.1.2.11/28", "10.1.2.12/28",
    ]  # fmt: skip
    assert {name: network.kind for name, network in topology.networks.items()} == {
        "salle": "internal", "internet": "nat",
    }  # fmt: skip
    assert topology.machines["db"].adapters[1].address == "dhcp"
    assert all(machine.roles == () for machine in topology.machines.values())


def test_a_machine_alone_holds_too() -> None:
    topology = made(RecordingDoor(answers={"how many": "1", "addresses": "10.1.2.0/30"}))
    assert [str(machine.adapters[0].address) for machine in topology.machines.values()] == ["10.1.2.1/30"]
    assert len(topology.verify.steps) == 1


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("topology", "a--b", "cannot name a topology"),
        ("topology", "failover", "there is a topology `failover` already"),
        ("how many", "0", "expected a number from 1 to 20"),
        ("how many", "²", "expected a number from 1 to 20"),
        ("names", "one", "expected 2 names, not 1"),
        ("names", "one Ñandú", "Ñandú is no name for a machine"),
        ("names", "one ONE", "all different"),
        ("name of their network", "internet", "other than internet"),
        ("addresses", "192.168.1.0", "no room for 2 machines"),
        ("addresses", "192.168.1.1/24", "expected a network such as 192.168.10.0/24"),
        ("addresses", "10.0.9.0/24", "is needed otherwise"),
        ("base", "debian21", "did you mean `debian12`?"),
        ("Internet", "perhaps", "expected yes or no"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_at_once(question: str, answer: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        init(InitRequest(), RecordingDoor(answers={question: answer}))
    assert not (tmp_path / "project" / "topologies").exists()


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    made(name="mine", yes=True)
    path = tmp_path / "project" / "topologies" / "mine.yaml"
    path.write_text("mine alone")
    with pytest.raises(UsageError, match="there is a topology `mine` already"):
        init(InitRequest("mine", yes=True), RecordingDoor())
    assert path.read_text() == "mine alone"
    other = path.with_suffix(".yml")
    path.rename(other)
    with pytest.raises(UsageError, match="already"):
        init(InitRequest("mine", yes=True), RecordingDoor())


def test_a_second_one_without_a_name_has_another() -> None:
    assert [made(yes=True).name, made(yes=True).name] == ["my-lab", "my-lab-2"]


def test_without_a_terminal_it_says_what_to_add(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init"]) == 64
    assert "add --yes" in capsys.readouterr().err


def test_its_comments_are_in_the_language_spoken() -> None:
    speak("fr")
    try:
        path = init(InitRequest("un", yes=True), RecordingDoor()).path
    finally:
        speak("en")
    load_topology(path)
