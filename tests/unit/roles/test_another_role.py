"""Somebody else's role: one folder and its metadata, and every verb knows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base
from tests.unit.roles.toy import TOPOLOGY, python, vboxlab, write_role
from vboxlab.files import make_private_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_role(tmp_path)
    (tmp_path / "greeting.yaml").write_text(TOPOLOGY, encoding="utf-8")
    return tmp_path


def test_its_topology_is_valid(folder: Path) -> None:
    done = vboxlab(folder, "validate", str(folder / "greeting.yaml"))
    assert (done.returncode, done.stderr) == (0, "")


def test_its_parameters_and_its_rule_are_checked(folder: Path) -> None:
    file = folder / "greeting.yaml"
    file.write_text(TOPOLOGY.replace('"Bonjour"', '" "'), encoding="utf-8")
    done = vboxlab(folder, "validate", str(file))
    assert done.returncode == 3
    said = done.stdout + done.stderr
    assert "greeting.yaml:9:28: [motd-empty] machine `host` greets with nothing; expected a text" in said
    done = vboxlab(folder, "validate", str(file), "--lang", "fr")
    assert "[motd-empty] la machine `host` accueille sans rien dire" in done.stdout + done.stderr
    file.write_text(TOPOLOGY.replace("text:", "txt:"), encoding="utf-8")
    done = vboxlab(folder, "validate", str(file))
    assert done.returncode == 3
    assert "did you mean `text`?" in done.stdout + done.stderr


def test_it_is_in_the_schema(folder: Path) -> None:
    definitions = json.loads(vboxlab(folder, "schema").stdout)["$defs"]
    assert definitions["MotdRole"]["properties"]["text"]["description"] == "what /etc/motd says"
    assert definitions["Machine"]["properties"]["roles"]["items"]["oneOf"][-1] == {"$ref": "#/$defs/MotdRole"}


def test_it_is_planned_with(folder: Path) -> None:
    make_private_folder(folder / "home")
    put_base(folder / "home")
    done = vboxlab(folder, "plan", str(folder / "greeting.yaml"), "--json")
    assert (done.returncode, done.stderr) == (2, "")
    plan = json.loads(done.stdout)
    assert plan["blockers"] == []
    assert [action["action"] for action in plan["actions"]] == ["Create", "Start", "Contact", "Configure"]


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "Check: a login shows the greeting:"), ("fr", "une connexion affiche le message :")]
)
def test_it_is_explained(folder: Path, lang: str, words: str) -> None:
    done = vboxlab(folder, "explain", str(folder / "greeting.yaml"), "--lang", lang)
    assert done.returncode == 0
    for text in ("nano /etc/motd", "Bonjour", "libpam-modules", words, "cat /etc/motd"):
        assert text in done.stdout


SLIP = """
from pathlib import Path
from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.place import Place
from vboxlab.guest.slips import slips, understood
from vboxlab.guest.telling import told
from vboxlab.language import speaking
from vboxlab.topology.loader import load_topology

topology = load_topology(Path({file!r}))
place = Place(topology, topology.machines["host"])
facts = Facts("host", {{
    "/etc/hostname": FileFact("/etc/hostname", 0o644, "root:root", b"host"),
    "/etc/motd": FileFact("/etc/motd", 0o644, "root:root", b"Go away"),
}})
for finding in slips(place, (), facts):
    for language in ("en", "fr"):
        with speaking(language):
            each = told(finding)
        print(each.place, finding.code, each.found, each.expected, sep=" | ")
print("/etc/motd" in understood())
"""


def test_its_slip_is_told_in_both_languages(folder: Path) -> None:
    done = python(folder, "-c", SLIP.format(file=str(folder / "greeting.yaml")))
    assert done.stdout.splitlines() == [
        "/etc/motd:1 | motd-rude | it greets with Go away | Bonjour",
        "/etc/motd:1 | motd-rude | elle accueille par Go away | Bonjour",
        "True",
    ], done.stderr
