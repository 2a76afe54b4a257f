"""Three copies of failover, done by students and graded with the right marks.

One student types what `explain` says, one writes the same in other words, one makes three slips. The copies have the
practical's own two servers, exercise and scheme; of what surrounds them only the client, which is the gateway as well:
that is what two processors can boot in the time that tests have. Heartbeat's and Apache's packages are in the image.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.guests.command import ROOT, CommandLine
from tests.guests.typing_key import Edited, script, steps_of
from vboxlab.topology.mutants import FileEdit
from vboxlab.waiting import in_threads

# `long` until its time on two processors of its own is known.
pytestmark = [pytest.mark.guests, pytest.mark.apart, pytest.mark.long, pytest.mark.timeout(3600)]

TOPOLOGIES = ROOT / "topologies"
SERVERS = ("srv-web", "srv-web-bis")
COPIES = ("alice", "bob", "carol")
CLASS = ("--copies", ",".join(COPIES))
PARTS = """\
parts:
  - {part: firewall, service: 192.168.200.5}
  - {part: dns, www: 192.168.200.5}
  - client
"""
CLIENT = """\
  client:
    hostname: client
    adapters: [{network: wan, address: dhcp}, {network: sw-dmz, address: 192.168.200.254/24}]
    roles: [{role: router, wan: wan}, {role: client}]
"""
NETWORKS = """\
networks:
  wan: {kind: nat}
  sw-dmz: {kind: internal, subnet: 192.168.200.0/24}
"""
# Of the same name: a lab in another topology is not looked at.
UNTOUCHED = Path("untouched") / "failover.yaml"
AS_GIVEN = f"""\
lab: ha
base: debian12
parameters: {{student: {{default: theodore}}}}
{NETWORKS}
machines:
{CLIENT}
  srv-web: &server
    hostname: debian-1
    adapters: [{{network: sw-dmz}}]
    roles: [{{role: packages, names: [apache2, heartbeat, net-tools]}}]
  srv-web-bis:
    <<: *server
    hostname: debian-2
"""
SLIPS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("srv-web-bis", "/etc/hosts"): {"replace": {r"^192\.168\.200\.51\b": "192.168.200.15"}},
    ("srv-web-bis", "/etc/network/interfaces"): {"replace": {r"^(\s+gateway) .*$": r"\1 192.168.200.253"}},
    ("srv-web-bis", "/var/www/html/index.html"): {"replace": {"Srv-Web-bis": "Srv-Web"}},
}
FULL = {"names": 2, "network": 3, "web": 2, "heartbeat": 6, "master": 2, "takeover": 3, "failback": 2}


def other_words() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """Return the edits of the mutants that change no meaning, by machine and file."""
    text = (TOPOLOGIES / "mutants" / "failover.yaml").read_text(encoding="utf-8")
    mutants = yaml.load(text, yaml.BaseLoader)["mutants"]  # for YAML 1.1 `on` is no word
    return {
        (machine, edit["edit"]): {key: value for key, value in edit.items() if key in ("replace", "append")}
        for mutant in mutants
        if mutant["mutant"].startswith("other-words")
        for edit in mutant["edits"]
        for machine in mutant["on"]
    }


WRITES = {"alice": {}, "bob": other_words(), "carol": SLIPS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the topologies: failover with less around it, and its servers untouched."""
    made = tmp_path_factory.mktemp("topologies")
    text = (TOPOLOGIES / "failover.yaml").read_text(encoding="utf-8")
    assert text.count(PARTS) == text.count("\nmachines:\n") == 1
    text = text.replace(PARTS, NETWORKS).replace("\nmachines:\n", f"\nmachines:\n{CLIENT}")
    (made / "failover.yaml").write_text(text, encoding="utf-8")
    (made / UNTOUCHED.parent).mkdir()
    (made / UNTOUCHED).write_text(AS_GIVEN, encoding="utf-8")
    return made


def as_written(copy: str, machine: str, edited: Edited) -> Edited:
    """Return what a student writes where the key has a text."""
    edit = WRITES[copy].get((machine, edited.path))
    if edit is None:
        return edited
    text, _missed = FileEdit.model_validate({"edit": edited.path, **edit}).applied(edited.text, {"student": copy})
    return Edited(edited.path, text)


def work_off(vboxlab: CommandLine, topology: str, copy: str, machines: Sequence[str] = SERVERS) -> None:
    """Do as a student what the key says of both servers, over SSH."""
    for machine in machines:
        key = vboxlab("explain", topology, "--machine", machine, "--set", f"student={copy}")
        steps = steps_of(key, f"secret-of-{copy}")
        typed = script(steps, lambda edited, machine=machine: as_written(copy, machine, edited))  # type: ignore[misc]
        vboxlab("ssh", machine, "--lab", "ha", "--copy", copy, "--", f"sudo sh -c {shlex.quote(typed)}")


def graded(vboxlab: CommandLine, topology: str, into: Path) -> dict[str, dict[str, float]]:
    """Grade the class, and return what each copy got for each question."""
    vboxlab("grade", topology, *CLASS, "--into", str(into), "--jobs", str(len(COPIES)))
    found = {}
    for copy in COPIES:
        kept = json.loads((into / f"{copy}.json").read_text(encoding="utf-8"))
        unsure = [each for each in kept["questions"] if each["least"] != each["most"]]
        assert not unsure, unsure
        found[copy] = {each["question"]: each["least"] for each in kept["questions"]}
    return found


def test_three_students_get_the_marks_that_they_have_earned(vboxlab: CommandLine, folder: Path, tmp_path: Path) -> None:
    topology = str(folder / "failover.yaml")
    vboxlab("up", str(folder / UNTOUCHED), *CLASS, "--yes", "--force")
    in_threads(lambda copy: work_off(vboxlab, topology, copy), COPIES, width=2)
    marks = graded(vboxlab, topology, tmp_path / "marks")
    assert marks["alice"] == FULL
    assert marks["bob"] == FULL
    assert marks["carol"] == {**FULL, "names": 0, "network": 0, "web": 1}
    sums = [line.split(",")[-1] for line in (tmp_path / "marks" / "class.csv").read_text("utf-8-sig").splitlines()]
    assert sums == ["AT MOST", "20", "20", "14"]
    vboxlab("destroy", "ha", "--all", "--yes")
