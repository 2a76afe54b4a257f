"""The verbs over a topology that is written with `when`, `for each` and `parts`: they see it written out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base, put_layers
from vboxlab.cli.main import run
from vboxlab.topology.loader import load_topology

TEXT = """\
lab: counted
title: Machines that are counted
base: debian12
parameters:
  clients: {type: number, default: "2", min: 0, max: 9}
  cache: {type: choice, default: none, choices: [none, squid]}
parts:
  - {part: site, number: 7}
machines:
  client-{n}:
    for each: {n: "1..{clients}"}
    hostname: client-{n}
    adapters: [{network: lan, address: "192.168.7.{n+10}/24"}]
  cache:
    when: {cache: squid}
    hostname: cache
    adapters: [{network: lan, address: 192.168.7.2/24}]
verify:
  - {for each: {n: 1..2}, check: ping, title: "client {n}", from: "client-{n}", to: 192.168.7.1}
  - {check: ping, title: cache, from: gate, to: cache, when: {cache: squid}}
"""
PART = """\
part: a site
parameters:
  number: {type: number, min: 1, max: 254}
networks:
  lan: {subnet: "192.168.{number}.0/24"}
machines:
  gate:
    hostname: gate
    adapters: [{network: lan, address: "192.168.{number}.1/24"}, {network: lan}]
verify:
  - {check: ping, title: the gate, from: gate, to: "192.168.{number}.1"}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    (tmp_path / "topologies" / "parts").mkdir(parents=True)
    (tmp_path / "topologies" / "counted.yaml").write_text(TEXT)
    (tmp_path / "topologies" / "parts" / "site.yaml").write_text(PART)
    base = put_base(tmp_path / "home")
    for values in ({}, {"cache": "squid"}, {"clients": "4"}):
        put_layers(base, load_topology(tmp_path / "topologies" / "counted.yaml", values), {})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def out(capsys: pytest.CaptureFixture[str], words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(words.split()) == code, capsys.readouterr()
    return capsys.readouterr().out


def test_every_verb_sees_what_comes_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no problem found" in out(capsys, "validate counted")
    assert "no problem found" in out(capsys, "validate counted --set cache=squid --set clients=3")
    entries = out(capsys, "list")
    assert "counted" in entries
    assert "site" not in entries, "a part is no topology"
    names = ("gate", "client-1", "client-2")
    for verb, code in (("plan counted", 2), ("explain counted", 0), ("graph counted", 0)):
        told = out(capsys, verb, code)
        assert all(name in told for name in names), verb
        assert "cache" not in told.replace("cache=none", ""), verb
    assert "cache" in out(capsys, "plan counted --set cache=squid", 2)
    assert "192.168.7.12" in out(capsys, "explain counted")


def test_a_lab_of_it_comes_up_changes_and_is_seen(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out(capsys, "up counted --until created")
    status = json.loads(out(capsys, "status --json"))
    assert all(name in json.dumps(status) for name in ("gate", "client-1", "client-2"))
    more = out(capsys, "plan counted --set clients=4", 2)
    assert "client-3" in more
    assert "client-4" in more
    assert run(["plan", "counted", "--set", "clients=10"]) == 64
    assert "expected a whole number from 0 to 9" in capsys.readouterr().err


def test_problems_of_a_part_are_found_by_validate(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "topologies" / "parts" / "site.yaml").write_text(PART.replace("{number}.1/24", "{number}.300/24"))
    told = out(capsys, "validate counted", 3)
    assert "parts/site.yaml:9:40: [bad-address] `address` of adapter 1 of machine `gate` is `192.168.7.300/24`" in told
    assert told.count("[bad-address]") == 1
    assert "(in part `site`)" in told


def test_a_plan_says_that_there_are_warnings(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "counted"]) == 2
    assert "warning" not in capsys.readouterr().err
    file = project / "topologies" / "counted.yaml"
    file.write_text(TEXT.replace('{n+10}/24"}', '{n+10}/24", gateway: 192.168.7.1}'))
    assert run(["plan", "counted"]) == 2
    assert "note: 1 warning: `vboxlab validate counted`\n" in capsys.readouterr().err
