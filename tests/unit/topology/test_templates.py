"""Templates: files beside a topology whose text its roles use."""

from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.errors import TopologyInvalid
from vboxlab.roles.files.role import FilesRole
from vboxlab.roles.script.role import ScriptRole
from vboxlab.settings import Settings
from vboxlab.topology.code_folder import read_code
from vboxlab.topology.library import Library
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology
from vboxlab.topology.trust import trust

HEAD = """\
lab: t
base: debian12
parameters: {student: {default: theodore}, first: {type: number, default: "10"}}
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  host:
    hostname: host
    adapters: [{network: lan, address: 192.168.7.1/24}]
"""
FILES = "    roles: [{role: files, files: [{path: /etc/app.conf, template: TEMPLATE}]}]\n"


def put(folder: Path, template: str | bytes, name: str = "app.conf", roles: str = FILES) -> Path:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(template if isinstance(template, bytes) else template.encode())
    file = folder / "t.yaml"
    file.write_text(HEAD + roles.replace("TEMPLATE", name), encoding="utf-8")
    return file


def content(found: Topology) -> str | None:
    role = found.machines["host"].roles[0]
    assert isinstance(role, FilesRole)
    return role.files[0].content


def said(file: Path) -> list[str]:
    with pytest.raises(TopologyInvalid) as caught:
        load_topology(file)
    return [detail.replace(f"{file.parent}/", "") for detail in caught.value.details]


def test_its_text_is_filled_in_as_that_of_the_topology(tmp_path: Path) -> None:
    file = put(tmp_path, "# {student} {{literal}}\r\nserver {\r\n  listen 80;\r\n}\r\n", "a/b/app.conf")
    expected = "# theodore {literal}\nserver {\n  listen 80;\n}\n"
    assert content(load_topology(file)) == expected
    assert content(load_topology(file, {"student": "zoe"})) == expected.replace("theodore", "zoe")


def test_a_verb_reads_it_as_well(tmp_path: Path) -> None:
    library = Library(Settings(home=tmp_path / "home"))
    assert content(library.topology(put(tmp_path, "x\n"))) == "x\n"


def test_what_is_wrong_in_it_is_told_with_its_own_line_and_column(tmp_path: Path) -> None:
    file = put(tmp_path, "# ok\nname = {studnet}\n")
    assert said(file) == [
        (
            "app.conf:2:8: [unknown-parameter] `{studnet}` is no parameter of this topology; expected one of student, "
            "first (a literal brace is written `{{`); did you mean `student`?"
        )
    ]
    assert said(put(tmp_path, b"# ok\nabc \xff\n")) == [
        "app.conf:2:5: [bad-template] byte 0xFF is not UTF-8; expected a text file saved as UTF-8"
    ]
    assert said(put(tmp_path, "# ok\nabc\x07\n")) == [
        "app.conf:2:4: [bad-template] the text has the character U+0007; expected printable text"
    ]


@pytest.mark.parametrize("name", ["../app.conf", "/etc/passwd", "a/../../app.conf", "a\\b", "C:/a"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    file = put(folder, "x\n")
    (tmp_path / "app.conf").write_text("x\n")
    file.write_text(HEAD + FILES.replace("TEMPLATE", f"'{name}'"), encoding="utf-8")
    told = "is no template; expected a path below the topology's folder, without `..`"
    assert said(file) == [f"t.yaml:9:67: [bad-template] `{name}` {told}"]


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    file = put(folder, "x\n")
    (tmp_path / "secret").write_text("x\n")
    (folder / "app.conf").unlink()
    (folder / "app.conf").symlink_to(tmp_path / "secret")
    assert said(file) == [
        f"t.yaml:9:67: [bad-template] the template `app.conf` leads out of {folder}; expected a file in it"
    ]
    (folder / "app.conf").unlink()
    (folder / "app.conf").symlink_to(folder)
    assert "there is no template `app.conf`" in said(file)[0]


def test_a_template_that_is_too_large_is_refused(tmp_path: Path) -> None:
    file = put(tmp_path, "x" * (256 * 1024 + 1))
    assert said(file) == [
        (
            "t.yaml:9:67: [bad-template] the template app.conf is larger than 256 KiB; expected a file that configures "
            "something"
        )
    ]


def test_each_turn_of_a_loop_fills_it_in_anew(tmp_path: Path) -> None:
    loop = "    roles: [{role: files, files: [{for each: {n: 1..2}, path: '/etc/app{n}', template: TEMPLATE}]}]\n"
    found = load_topology(put(tmp_path, "port {n} of {student}, {first+1}\n", roles=loop))
    role = found.machines["host"].roles[0]
    assert isinstance(role, FilesRole)
    assert [each.content for each in role.files] == ["port 1 of theodore, 11\n", "port 2 of theodore, 11\n"]
    assert said(put(tmp_path, "{m}\n", roles=loop)) == [
        (
            "app.conf:1:1: [unknown-parameter] `{m}` is no parameter of this topology; expected one of student, first, "
            "n (a literal brace is written `{{`) (turn n=1, and 1 more)"
        )
    ]


def test_a_part_has_templates_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "parts" / "templates").mkdir(parents=True)
    (tmp_path / "parts" / "templates" / "app.conf").write_text("for {who}\n")
    machine = HEAD.partition("machines:")[2] + FILES.replace("TEMPLATE", "templates/app.conf")
    (tmp_path / "parts" / "server.yaml").write_text(f"part: a server\nparameters: {{who: {{}}}}\nmachines:{machine}")
    file = tmp_path / "t.yaml"
    head = HEAD.partition("machines:")[0]
    file.write_text(f"{head}parts: [{{part: server, who: '{{student}}'}}]\n")
    assert content(load_topology(file)) == "for theodore\n"
    (tmp_path / "parts" / "templates" / "app.conf").write_text("for {whom}\n")
    assert said(file)[0].startswith(
        "parts/templates/app.conf:1:5: [unknown-parameter] `{whom}` is no parameter of this part"
    )


def test_a_script_may_be_one(tmp_path: Path) -> None:
    roles = "    roles: [{role: script, name: it, template: TEMPLATE, check: 'true'}]\n"
    found = load_topology(put(tmp_path, "echo {student}\n", roles=roles))
    role = found.machines["host"].roles[0]
    assert isinstance(role, ScriptRole)
    assert role.run == "echo theodore\n"


GREET = """\
from typing import ClassVar, Literal
from vboxlab.topology.roles import Role


class GreetRole(Role):
    '''A machine that greets.'''

    role: Literal["greet"]
    text: str
    template: str | None = None

    template_fills: ClassVar[str] = "text"
"""
GREET_GUEST = """\
from vboxlab.guest.roles import GuestRole
from .role import GreetRole


class GreetInGuest(GuestRole[GreetRole]):
    '''Nothing is in the guest.'''

    def resources(self, role, place):
        return ()


IN_GUEST = GreetInGuest()
"""


def test_a_role_of_a_folder_takes_one_as_well(tmp_path: Path) -> None:
    file = put(tmp_path, "hello {student}", roles="    roles: [{role: greet, template: TEMPLATE}]\n")
    (tmp_path / "roles" / "greet").mkdir(parents=True)
    (tmp_path / "roles" / "greet" / "role.py").write_text(GREET, encoding="utf-8")
    (tmp_path / "roles" / "greet" / "guest.py").write_text(GREET_GUEST, encoding="utf-8")
    code = read_code(tmp_path)
    assert code is not None
    trust(tmp_path / "home", code)
    topology = Library(Settings(home=tmp_path / "home")).topology(file)
    (role,) = topology.machines["host"].roles
    assert role.model_dump()["text"] == "hello theodore"
