"""Files with holes for secrets, of a role that is not vboxlab's: checked, explained, planned, and nothing told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base
from tests.unit.roles.toy import vboxlab, write_role
from vboxlab.files import make_private_folder
from vboxlab.guest.resources import Hole
from vboxlab.guest.secrets import SecretStore

ROLE = """\
from typing import Literal

from vboxlab.topology.roles import Parameters, Role


class Note(Parameters):
    path: str
    content: str


class NotesRole(Role):
    role: Literal["notes"]
    files: tuple[Note, ...]
"""
GUEST = """\
from vboxlab.guest.filling import filled
from vboxlab.guest.resources import File
from vboxlab.guest.roles import GuestRole


class NotesInGuest(GuestRole):
    def resources(self, role, place):
        return [File(note.path, filled(note.content), mode=0o600) for note in role.files]


IN_GUEST = NotesInGuest()
"""
TOPOLOGY = """\
lab: notes
base: debian12
parameters: {name: {default: replica}}
networks: {lan: {subnet: 192.168.7.0/24}}
secrets:
  replica: {}
  site-1: {kind: wireguard, on: host1}
  site-2: {kind: wireguard, on: host2}
  web: {kind: certificate, on: [host1], names: [www.example.test]}
machines:
  host{n}:
    for each: {n: 1..2}
    hostname: host{n}
    adapters: [{network: lan, address: "192.168.7.{n}/24"}]
    roles:
      - role: notes
        files:
          - path: /etc/wg
            content: |
              PrivateKey = {private-key site-{n}}
              PublicKey = {public-key site-1}
          - {path: /etc/db, content: "password={secret {name}}"}
          - {path: /etc/ca, content: "{ca certificate}{certificate web}"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_role(
        tmp_path, name="notes", distribution="toy-notes", value="toy_notes.role:NotesRole",
        role=ROLE, rules=None, guest=GUEST,
    )  # fmt: skip
    (tmp_path / "notes.yaml").write_text(TOPOLOGY, encoding="utf-8")
    return tmp_path


def said(folder: Path, text: str) -> list[str]:
    file = folder / "notes.yaml"
    file.write_text(text, encoding="utf-8")
    done = vboxlab(folder, "validate", str(file))
    assert done.returncode == 3
    lines = (done.stdout + done.stderr).splitlines()
    return [line.strip().replace(f"{file}:", "") for line in lines if "[" in line]


def test_holes_may_be_made_of_parameters_and_turns(folder: Path) -> None:
    done = vboxlab(folder, "validate", str(folder / "notes.yaml"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_secret_that_is_not_there_is_said_where_the_text_begins(folder: Path) -> None:
    problem = "22:38: [unknown-secret] there is no secret `replca` under `secrets` of the topology; "
    (line,) = said(folder, TOPOLOGY.replace("secret {name}", "secret replca"))
    assert line.startswith(problem + "expected replica; did you mean `replica`?")
    assert "n=1" in line


def test_a_private_key_is_for_its_machines_only_and_a_public_one_for_all(folder: Path) -> None:
    (line,) = said(folder, TOPOLOGY.replace("private-key site-{n}", "private-key site-1"))
    assert line.startswith(
        "19:22: [secret-not-here] secret `site-1` is not for machine `host2`; "
        "expected one of those in its `on` (host1) (turn n=2"
    )
    (line,) = said(folder, TOPOLOGY.replace("{certificate web}", "{certificate-key web}"))
    assert "[secret-not-here] secret `web` is not for machine `host2`" in line


def test_a_word_that_takes_nothing_is_said(folder: Path) -> None:
    (line,) = said(folder, TOPOLOGY.replace("{certificate web}", "{cert web}"))
    assert "[unknown-hole] `{cert web}` takes nothing of a secret; " in line
    assert "did you mean `{certificate web}`?" in line


def test_no_verb_tells_a_value(folder: Path) -> None:
    make_private_folder(folder / "home")
    put_base(folder / "home")
    store = SecretStore(folder / "home" / "labs" / "notes" / "secrets", {})
    holes = (Hole("", "replica", length=24), Hole("", "site-1", "private-key"), Hole("", "site-2", "private-key"))
    values = [store.value(hole) for hole in holes]
    values += store.value(Hole("", "web", "certificate-key", names=("www.example.test",))).splitlines()[1:3]
    told = ""
    file = str(folder / "notes.yaml")
    verbs = (
        ("plan", file), ("plan", file, "--json"), ("explain", file), ("graph", file), ("validate", file),
        ("check", file), ("status",),
    )  # fmt: skip
    for words in verbs:
        done = vboxlab(folder, *words)
        assert "Traceback" not in done.stderr
        told += done.stdout + done.stderr
    assert [value for value in values if value in told] == []
    for shown in ("<secret replica>", "<private-key site-2>", "<public-key site-1>", "<certificate web>"):
        assert shown in told
    assert json.loads(vboxlab(folder, "plan", str(folder / "notes.yaml"), "--json").stdout)["blockers"] == []
