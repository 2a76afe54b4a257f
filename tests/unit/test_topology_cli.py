from __future__ import annotations

import json
from pathlib import Path

import pytest

from vboxlab.cli.main import run
from vboxlab.topology.schema import schema_text

REPOSITORY = Path(__file__).parents[2]
BAD = "tests/golden/topology/bad"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.chdir(REPOSITORY)


def test_validate_says_that_files_are_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "topologies/failover.yaml", "snapshots/apache-base.yaml"]) == 0
    assert capsys.readouterr().out == (
        "topologies/failover.yaml: no problem found\nsnapshots/apache-base.yaml: no problem found\n"
    )


def test_validate_reports_all_problems_of_all_files(capsys: pytest.CaptureFixture[str]) -> None:
    files = [f"{BAD}/duplicate-address.yaml", "failover", f"{BAD}/bad-hostname.yaml"]
    assert run(["validate", *files]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("] ")[0] for line in lines] == [
        f"{BAD}/duplicate-address.yaml:11:40: [duplicate-address",
        f"{REPOSITORY}/topologies/failover.yaml: no problem found",
        f"{BAD}/bad-hostname.yaml:10:15: [bad-hostname",
        f"{BAD}/bad-hostname.yaml:13:15: [bad-hostname",
    ]


def test_validate_with_a_value_that_makes_a_bad_host_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "failover", "--set", "student=jean luc", "--json"]) == 3
    (problems,) = json.loads(capsys.readouterr().out).values()
    assert len(problems) >= 2
    assert {problem.rpartition(" (")[2] for problem in problems} == {"parameter `student` is `jean luc`)"}


def test_validate_knows_the_bases_that_can_be_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.yaml"
    text = (REPOSITORY / "topologies" / "failover.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace('base: "{base}"', "base: debian21"), encoding="utf-8")
    assert run(["validate", str(path)]) == 3
    assert "[unknown-base] there is no base `debian21` on this host; expected debian12; did you mean `debian12`?" in (
        capsys.readouterr().out
    )


def test_validate_refuses_what_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "failovre"]) == 64
    assert "did you mean `failover`?" in capsys.readouterr().err
    assert run(["validate", "failover", "--set", "studnet=x"]) == 64
    assert "none of the files declares a parameter `studnet`" in capsys.readouterr().err


def test_validate_compares_a_snapshot_set_with_its_topology(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "apache-base.yaml"
    text = (REPOSITORY / "snapshots" / "apache-base.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("srv-web-bis", "srv-web-bsi"), encoding="utf-8")
    assert run(["validate", str(path)]) == 3
    assert "[unknown-machine] topology `failover` has no machine `srv-web-bsi`" in capsys.readouterr().out
    path.write_text(text.replace("topology: failover", "topology: failovre"), encoding="utf-8")
    assert run(["validate", str(path)]) == 3
    assert "[unknown-topology] there is no topology `failovre`" in capsys.readouterr().out


def test_list_and_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["TOPOLOGY", "LAB", "TITLE", "FROM", "FILE"]
    assert [row.split()[:2] for row in rows if row.startswith("failover")] == [["failover", "ha"]]
    assert run(["schema"]) == 0
    assert capsys.readouterr().out == schema_text()
