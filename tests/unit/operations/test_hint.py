"""Hints: one at a time, after asking, counted with the lab until it is destroyed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base
from tests.unit.operations.doors import RecordingDoor
from vboxlab.cli.main import run
from vboxlab.errors import LabError, UsageError
from vboxlab.grading.evidence import Hinted
from vboxlab.lab.hints_given import GivenHint, note_hint, read_hints
from vboxlab.language import speaking
from vboxlab.operations.grade import hinted
from vboxlab.operations.hint import HintRequest, hint, hints

TOPOLOGY = """\
lab: small
base: debian12
networks: {lan: {kind: internal, subnet: 10.1.0.0/24}}
machines: {one: {hostname: host, adapters: [{network: lan, address: 10.1.0.1/24}]}}
grading:
  total: 3
  questions:
    - question: names
      title: Names
      points: 2
      findings: [{on: one, none_of: [hostname*]}]
      hints:
        - {text: {en: Look at hostname., fr: Regardez hostname.}}
        - {text: {en: "`man hostname`", fr: "`man hostname`"}, cost: 0.5}
    - {question: pages, title: Pages, points: 1, findings: [{on: one, none_of: [page-*]}]}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(tmp_path)
    put_base(tmp_path / "home")
    (tmp_path / "small.yaml").write_text(TOPOLOGY, encoding="utf-8")
    return str(tmp_path / "small.yaml")


def test_hints_come_one_at_a_time_and_those_that_cost_are_asked_for(file: str, tmp_path: Path) -> None:
    assert run(["up", file, "--until", "created"]) == 0
    door, request = RecordingDoor(), HintRequest(topology=file, question="names")
    first = hint(request, door)
    assert (first.text, first.place, first.cost) == ("Look at hostname.", 1, 0)
    assert door.asked == []
    with speaking("fr"):
        second = hint(request, door)
    assert (second.text, second.place, second.cost) == ("`man hostname`", 2, 0.5)
    assert len(door.asked) == 1
    assert "0,5" in door.asked[0]
    with pytest.raises(UsageError, match="no hint left; all 2 were given"):
        hint(request, door)
    (listed,) = hints(HintRequest(topology=file), door)
    assert (listed.given, listed.count, listed.next_cost) == (("Look at hostname.", "`man hostname`"), 2, None)
    given = read_hints(tmp_path / "home/labs/small/hints.json")
    assert hinted(given, "small") == {"names": Hinted(count=2, cost=0.5)}
    assert hinted(given, "another") == {}
    assert run(["destroy", "small", "--yes"]) == 0
    assert not (tmp_path / "home/labs/small/hints.json").exists()


def test_a_hint_that_is_declined_is_neither_given_nor_counted(file: str) -> None:
    assert run(["up", file, "--until", "created"]) == 0
    request = HintRequest(topology=file, question="names")
    hint(request, RecordingDoor())
    with pytest.raises(UsageError, match="declined"):
        hint(request, RecordingDoor(declines=True))
    (listed,) = hints(HintRequest(topology=file), RecordingDoor())
    assert (len(listed.given), listed.next_cost) == (1, 0.5)


@pytest.mark.parametrize(
    ("question", "brief"),
    [("nmaes", "there is no question 'nmaes'"), ("pages", "there are no hints for question 'pages'")],
)
def test_a_question_without_hints_is_told_with_those_that_have_some(file: str, question: str, brief: str) -> None:
    with pytest.raises(UsageError, match=brief) as raised:
        hint(HintRequest(topology=file, question=question), RecordingDoor())
    assert raised.value.details == ("questions with hints: names",)


def test_without_a_lab_no_hint_is_given(file: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lab small does not exist"):
        hint(HintRequest(topology=file, question="names"), RecordingDoor())
    assert not (tmp_path / "home/labs/small").exists()


def test_grading_takes_what_hints_cost_again_and_again(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", file, "--until", "created"]) == 0
    assert run(["hint", file, "names", "--yes"]) == 0
    assert run(["hint", file, "names", "--yes"]) == 0
    for _time in range(2):
        capsys.readouterr()
        assert run(["grade", file, "--json"]) == 0
        names, pages = json.loads(capsys.readouterr().out)["questions"]
        assert (names["hints"], names["most"]) == ({"count": 2, "cost": 0.5}, 1.5)
        assert (pages["hints"], pages["most"]) == ({"count": 0, "cost": 0}, 1)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 1, "hints": [{"topology": "t", "question": "q", "cost": -1, "at": ""}]}']
)
def test_a_damaged_record_is_an_error_and_not_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hints.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=r"hints\.json: the hints that were given cannot be read"):
        read_hints(path)


def test_what_was_written_down_is_read_again(tmp_path: Path) -> None:
    given = (GivenHint("t", "q", 0.25, "now"), GivenHint("t", "é", 0, "later"))
    note_hint(tmp_path / "hints.json", given)
    assert read_hints(tmp_path / "hints.json") == given
