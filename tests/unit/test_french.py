"""Who asks for French is told nothing in English: the help of every verb, a lab's whole life, files that are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from vboxlab.cli.main import run, vboxlab
from vboxlab.errors import EXIT_CHANGES_PENDING, EXIT_CHECK_FAILED, EXIT_INVALID, EXIT_USAGE
from vboxlab.topology.loader import load_topology

MEMBERS: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}
# Words without which few English sentences do, and that are none in French.
ENGLISH = re.compile(
    r"\b(?:the|this|these|is|are|was|were|be|has|have|had|do|does|did|of|not|no|none|to|for|by|with|without|into|and|or|"
    r"if|so|that|which|what|who|there|its|it|they|you|your|an|at|all|any|each|every|other|another|more|when|where|while|"
    r"than|then|only|already|cannot|must|may|will|expected|unknown|missing|found|failed|done|given|allowed|install)\b",
    re.IGNORECASE,
)
# What is told word for word: code, quotations, options, codes of problems, paths.
QUOTED = re.compile(r"\[[\w-]+\]|`[^`]*`|\"[^\"\n]*\"|«[^»\n]*»|'[^'\n ]+[^'\n]*'|--[\w-]+|[\w.~-]*/[\w./~-]+")

MISSHAPEN = """\
lab: broken
base: debian12
colour: blue
networks:
  lan: {subnet: 192.168.7.0/24}
machines:
  one:
    adapters: [{network: lan, address: 192.168.7.1/24}]
    memory: much
  two:
    hostname: two
    adapters: [{network: lan, address: 192.168.7.300/24}]
    roles: [{role: webb}]
"""
CONTRADICTING = """\
lab: broken
base: debian12
networks:
  lan: {subnet: 192.168.7.0/24}
machines:
  one:
    hostname: one
    adapters: [{network: lann, address: 192.168.7.1/24}]
  two:
    hostname: one
    adapters: [{network: lan, address: 192.168.8.1/24, gateway: 192.168.9.1}]
  three:
    hostname: three
    adapters: [{network: lan, address: 192.168.7.4/24}, {network: lan, address: 192.168.7.4/24}]
    stages: {late: [{role: web}]}
stages: [{name: web, snapshot: none}]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a vboxlab on the memory driver."""
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(ROOT)
    return tmp_path


def english_in(text: str) -> list[str]:
    """Return the lines that have an English word outside of what is quoted."""
    return [line for line in text.splitlines() if ENGLISH.search(QUOTED.sub("…", line))]


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command line in French, which must have no English in what it prints, and return that."""
    capsys.readouterr()
    assert run(["--lang", "fr", *words]) == code
    told = "".join(capsys.readouterr())
    assert told, words
    assert english_in(told) == [], words
    return told


def verbs(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the command lines of a command and of all below it."""
    found = [words]
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                member = command.get_command(context, name)
                assert member is not None
                found += verbs(member, (*words, name))
    return found


def test_english_would_be_seen() -> None:
    assert english_in("there is no lab on this computer yet") != []
    assert english_in("Power the machines of LAB off") != []
    assert english_in("il n’y a pas de clé `the`, « is of » ni --no-start dans /of/the/file.yaml") == []


@pytest.mark.parametrize("words", verbs(vboxlab), ids=" ".join)
def test_help_is_french(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "Utilisation\N{NO-BREAK SPACE}:" in said(capsys, *words, "--help")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (MISSHAPEN, {3: "`colour`", 7: "`hostname`", 9: "`memory`", 12: "`192.168.7.300/24`", 13: "`webb`"}),
        (CONTRADICTING, {8: "`lann`", 11: "192.168.8.1", 14: "192.168.7.4", 15: "`late`"}),
    ],
)
def test_problems_of_a_topology_are_told_in_french(
    home: Path, text: str, wrong: dict[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    told = said(capsys, "up", str(path), code=EXIT_INVALID)
    for line, word in wrong.items():
        assert re.search(rf"broken\.yaml:{line}:.*{re.escape(word)}", told), (line, word, told)
    said(capsys, "validate", str(path), code=EXIT_INVALID)


@pytest.mark.parametrize(
    "text", ["lab: a: b\n", "lab: [\n", "- lab\n", "", "lab: x\nlab: y\n", "networks: 3\n", "lab: *x\n", "\x00"]
)
def test_what_is_no_topology_is_told_in_french(home: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    said(capsys, "up", str(path), code=EXIT_INVALID)


@pytest.mark.parametrize(
    "line",
    ["up nowhere", "up failover --until never", "up failover --set colour", "up failover --set colour=blue",
     "up failover --at-most-running 2", "up failover --copies 3-1", "up failover --copy A_B", "down", "destroy",
     "status", "status nowhere", "plan failover --copy a --all", "ssh srv-web", "check nowhere",
     "explain failover --stage never", "snapshot take monday", "snapshot restore", "snapshot list --all",
     "base remove nothing", "base add mine --user me", "validate nowhere.yaml", "verify nowhere", "reset",
     "graph --format png", "nothing"],
)  # fmt: skip
def test_what_cannot_be_asked_is_told_in_french(home: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lang", "fr", *line.split()]) not in (0, 70)
    assert english_in("".join(capsys.readouterr())) == []


def test_a_lab_lives_in_french(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_layers(put_base(home), load_topology(ROOT / "topologies" / "failover.yaml"), MEMBERS)
    monday = ("snapshot", "take", "monday")
    assert "TITRE" in english_less_titles(capsys, "list")
    said(capsys, "base", "list")
    said(capsys, "plan", "failover", code=EXIT_CHANGES_PENDING)
    assert "maquette ha en place" in said(capsys, "up", "failover", "--until", "created")
    assert "aucun changement" in said(capsys, "up", "failover", "--until", "created")
    assert "éteinte" in said(capsys, "status")
    said(capsys, "status", "--all")
    assert "pas d’instantané" in said(capsys, "snapshot", "list")
    said(capsys, *monday)
    said(capsys, *monday, code=4)
    assert "à froid" in said(capsys, "snapshot", "list")
    said(capsys, "snapshot", "tree")
    said(capsys, "snapshot", "diff", "monday")
    said(capsys, "snapshot", "restore", "monday")
    said(capsys, "reset", "--to", "monday")
    said(capsys, "snapshot", "delete", "monday", code=EXIT_USAGE)
    said(capsys, "ssh", "srv-web", code=4)
    said(capsys, "check", "failover", code=EXIT_CHECK_FAILED)
    said(capsys, "verify", "failover", code=7)
    said(capsys, "plan", "loadbalancing", code=EXIT_CHANGES_PENDING)
    said(capsys, "down")
    said(capsys, "destroy", "ha", code=EXIT_USAGE)
    assert "5 machines supprimées" in said(capsys, "destroy", "ha", "--yes")
    said(capsys, "gc", "--yes")


def test_a_computer_is_looked_at_in_french(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lang", "fr", "doctor", "--offline"]) in (0, EXIT_CHECK_FAILED)
    assert english_in("".join(capsys.readouterr())) == []


def english_less_titles(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Do as `said` does; titles of topologies are their authors' own."""
    capsys.readouterr()
    assert run(["--lang", "fr", *words]) == 0
    told = "".join(capsys.readouterr())
    for path in (ROOT / "topologies").glob("*.yaml"):
        told = told.replace(yaml.safe_load(path.read_text(encoding="utf-8"))["title"], "…")
    assert english_in(told) == []
    return told


def test_several_copies_are_told_of_in_french(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_layers(put_base(home), load_topology(ROOT / "topologies" / "failover.yaml"), MEMBERS)
    assert "copies faites\N{NO-BREAK SPACE}: 2 sur 2" in said(
        capsys, "up", "failover", "--copies", "1-2", "--until", "created"
    )
    said(capsys, "snapshot", "take", "monday", "--all")
    said(capsys, "reset", "--all", "--to", "monday", "--no-up")
    said(capsys, "status", "--all")
    said(capsys, "destroy", "--all", code=EXIT_USAGE)
    said(capsys, "down", "--all")
    said(capsys, "destroy", "--all", "--yes")
