from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vboxlab.cli.main import run
from vboxlab.errors import TopologyInvalid
from vboxlab.operations.targets import load_blueprint
from vboxlab.settings import load_settings
from vboxlab.topology.library import Library
from vboxlab.topology.schema import schema_text

REPOSITORY = Path(__file__).parents[3]
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
    assert all("(parameter `student` is `jean luc`)" in problem for problem in problems)
    assert any(problem.endswith("(parameter `student` is `jean luc`) (in part `dns`)") for problem in problems)


def test_validate_takes_a_part_for_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", *(f"topologies/parts/{name}.yaml" for name in ("firewall", "dns", "client"))]) == 0
    capsys.readouterr()
    path = tmp_path / "client.yaml"
    text = (REPOSITORY / "topologies" / "parts" / "client.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("choices:", "choises:"), encoding="utf-8")
    assert run(["validate", str(path)]) == 3
    assert ":7:5: [unknown-key] `choises` is not a key of parameter `environment`; " in capsys.readouterr().out


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


TINY = """lab: ring
base: debian12
networks: {net: {subnet: 10.1.0.0/24}}
machines: {one: {hostname: one, adapters: [{network: net, address: 10.1.0.1/24}], stages: {first: []}}}
stages: [{name: first, snapshot: SET}]
"""
A_SET = "lab: ring\nmachines: [one]\ntopology: MAKER\nstage: first\n"


def ring(folder: Path, starts: dict[str, str]) -> None:
    """Write topologies, each of which makes the set made-by-ITSELF and starts from what another makes ("": nothing)."""
    for kind in ("topologies", "snapshots"):
        (folder / kind).mkdir(exist_ok=True)
    for name, before in starts.items():
        start = f"from: made-by-{before}\n" if before else ""
        text = TINY.replace("SET", f"made-by-{name}") + start
        (folder / "topologies" / f"{name}.yaml").write_text(text, encoding="utf-8")
        made = A_SET.replace("MAKER", name)
        (folder / "snapshots" / f"made-by-{name}.yaml").write_text(made, encoding="utf-8")


def test_topologies_that_start_from_each_other_are_a_problem_where_they_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ring(tmp_path, {"a": "b", "b": "c", "c": "a", "outside": "b"})
    assert run(["validate", "topologies/a.yaml", "topologies/outside.yaml"]) == 3
    a, outside = capsys.readouterr().out.splitlines()
    assert a == (
        "topologies/a.yaml:6:7: [circle] `made-by-b` is what `b` makes, which starts from what `c` makes, which starts "
        "from what `a` makes: a circle; expected one topology of it to have no `from`"
    )
    assert outside.startswith("topologies/outside.yaml:6:7: [circle] `made-by-b` is what `b` makes, ")
    with pytest.raises(TopologyInvalid, match="1 problem") as caught:
        load_blueprint(Library(load_settings()), "a", {})
    assert "[circle]" in caught.value.details[0]


def test_a_chain_that_ends_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # The last one names what it makes itself: there is nothing to make before it.
    ring(tmp_path, {"a": "b", "b": "c", "c": "c"})
    assert run(["validate", "a", "b", "c"]) == 0
    assert capsys.readouterr().out.count("no problem found") == 3


def test_list_and_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["TOPOLOGY", "LAB", "TITLE", "FROM", "FILE"]
    assert [row.split()[:2] for row in rows if row.startswith("failover")] == [["failover", "ha"]]
    assert run(["schema"]) == 0
    assert capsys.readouterr().out == schema_text()


def test_validate_warns_and_takes_the_file_for_valid(capsys: pytest.CaptureFixture[str]) -> None:
    file = "tests/golden/topology/doubtful/no-lease.yaml"
    assert run(["validate", file]) == 0
    assert capsys.readouterr().out.startswith(f"{file}:16:40: warning: [no-lease] `enp0s3` of machine `client` waits ")
    assert run(["validate", file, "--json"]) == 0
    ((line,),) = json.loads(capsys.readouterr().out).values()
    assert line.startswith(f"{file}:16:40: warning: [no-lease]")


def test_validate_warns_of_a_part_where_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(REPOSITORY / "topologies", tmp_path / "topologies")
    shutil.copytree(REPOSITORY / "snapshots", tmp_path / "snapshots")
    part = tmp_path / "topologies" / "parts" / "firewall.yaml"
    text = part.read_text(encoding="utf-8")
    part.write_text(text.replace('routes: [{to: 192.168.201.0/24, via: "{service}"}]', "routes: []"), encoding="utf-8")
    assert run(["validate", "loadbalancing"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "parts/firewall.yaml:29:9: warning: [no-way-back] `srv-web` reaches 192.168.100.10 of `dns`, " in line
    assert "`firewall` sends it out of the lab by network `wan`" in line
    assert line.endswith("expected a route there, such as 192.168.201.0/24 via 192.168.200.5 (in part `firewall`)")


def test_checks_are_listed_with_a_sentence_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--checks", "--json"]) == 0
    words = {word["name"]: word for word in json.loads(capsys.readouterr().out)}
    assert list(words)[:2] == ["ping", "resolves"]
    assert words["clocks"] == {
        "kind": "check", "name": "clocks", "origin": "vboxlab 0.1.0", "text": "The clocks of machines agree.",
        "usable": True,
    }  # fmt: skip
    assert run(["list", "--roles", "--checks", "--json"]) == 0
    kinds = [word["kind"] for word in json.loads(capsys.readouterr().out)]
    assert {"role", "check"} == set(kinds)
    assert kinds.count("check") == len(words)
