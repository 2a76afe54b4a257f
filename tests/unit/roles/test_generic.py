"""The roles for anything, as docs/roles.md has them: loaded, planned, explained, compared."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.base_on_disk import put_base
from tests.unit.roles.test_resources import described
from tests.unit.roles.toy import vboxlab
from vboxlab.errors import TopologyInvalid
from vboxlab.files import make_private_folder
from vboxlab.guest.canonical import digest
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.differences import guest_findings
from vboxlab.guest.explain import explain
from vboxlab.guest.explain_steps import steps_for
from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, File, Package, Resource, packages, prepared_packages
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.script import compile_script
from vboxlab.guest.telling import told
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology
from vboxlab.topology.role_registry import installed_roles
from vboxlab.topology.roles import Port

PAGE = Path(__file__).parents[3] / "docs" / "roles.md"
HEAD = """\
lab: anything
base: debian12
parameters: {student: {default: theodore}}
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  host:
    hostname: host
    adapters: [{network: lan, address: 192.168.7.1/24}]
    roles:
"""
TEMPLATES = {
    "site.conf": "server {\n    listen 80;\n    server_name {student}.example;\n    root ${{document_root}};\n}\n",
    "docker.asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
}
EXAMPLES = dict(re.findall(r"^## (\w+)\n\n((?:(?:    .*)?\n)+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def loaded(folder: Path, *roles: str) -> Topology:
    """Return a topology of one machine with these roles, given as in a file."""
    (folder / "templates").mkdir(exist_ok=True)
    for name, text in TEMPLATES.items():
        (folder / "templates" / name).write_text(text, encoding="utf-8")
    file = folder / "anything.yaml"
    file.write_text(HEAD + "".join(textwrap.indent(textwrap.dedent(role), " " * 6) for role in roles), encoding="utf-8")
    return load_topology(file)


def resources_of(found: Topology) -> tuple[Resource, ...]:
    """Return what the roles want, without what every machine has."""
    base = found.model_copy(update={"machines": {"host": found.machines["host"].model_copy(update={"roles": ()})}})
    common = set(resources_for(base, base.machines["host"], None))
    return tuple(each for each in resources_for(found, found.machines["host"], None) if each not in common)


def test_the_page_has_an_example_of_every_generic_role() -> None:
    ours = {name for name, role in installed_roles().items() if role.kind.may_repeat}
    assert set(EXAMPLES) >= {"packages", "files", "services", "users", "commands", "script", "sysctl", "modules"}
    assert ours >= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_page_is_what_is_kept(name: str, tmp_path: Path) -> None:
    found = loaded(tmp_path, EXAMPLES[name])
    resources = resources_of(found)
    assert compile_script(resources, changes=True, secrets={})
    lines = [line for resource in resources for line in described(resource)]
    check_golden(f"roles/generic-{name}.txt", [*lines, "", "# explained", "", *steps_for(resources, ())])
    assert set(steps_for(resources, ())) <= set(explain(found).splitlines())


def test_roles_may_be_repeated_and_keep_their_order(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "- {role: users, users: [{name: alice}]}\n",
        "- {role: files, files: [{path: /srv/first, content: a, owner: alice}]}\n",
        "- {role: commands, commands: [{run: cp /srv/first /srv/second, unless: test -e /srv/second}]}\n",
        "- {role: files, files: [{path: /srv/third, content: b}]}\n",
        "- {role: packages, names: [rsync]}\n",
    )
    keys = [resource.key for resource in resources_of(found)]
    assert keys == [
        "command:user alice",
        "file:/srv/first",
        "command:cp /srv/first /srv/second",
        "file:/srv/third",
        "package:rsync",
    ]


def test_a_service_says_what_it_listens_on(tmp_path: Path) -> None:
    found = loaded(tmp_path, EXAMPLES["services"])
    assert found.machines["host"].roles[0].ports_listened() == frozenset({Port("tcp", 80)})


def test_packages_are_not_prepared_where_a_machine_has_a_source_of_its_own(tmp_path: Path) -> None:
    found = loaded(tmp_path, EXAMPLES["repository"], EXAMPLES["packages"])
    resources = resources_of(found)
    assert packages(resources) == ("curl", "nginx")
    assert prepared_packages(resources) == ()
    assert prepared_packages([Package("curl")]) == ("curl",)


def test_what_a_machine_has_otherwise_is_told(tmp_path: Path) -> None:
    found = loaded(tmp_path, EXAMPLES["files"], EXAMPLES["commands"], EXAMPLES["services"])
    place = Place(found, found.machines["host"])
    resources = resources_of(found)
    path = "/etc/nginx/sites-available/default"
    facts = Facts("host", {path: FileFact(path, 0o644, "root:root", b"server {\n    listen 8080;\n}\n")})
    preview = StageReport(
        "host",
        (
            ResourceResult(f"file:{path}", "would-change", "content differs"),
            ResourceResult("file:/etc/sudoers.d/operators", "would-change", "mode is 0644 instead of 0440"),
            ResourceResult("restart:nginx", "would-change", "its configuration changed"),
            ResourceResult("command:data folder filled", "would-change", "not done"),
            ResourceResult("service:nginx", "would-change", "masked, not running (inactive)"),
        ),
    )
    said = [told(finding) for finding in guest_findings(place, resources, facts, preview)]
    assert [(each.place, each.found) for each in said if each.finding.code != "hostname"] == [
        (f"{path}:2", "the line is `    listen 8080;`"),
        (f"{path}:3", "a line is lacking before this one"),
        (f"{path}:3", "a line is lacking before this one"),
        ("/etc/sudoers.d/operators", "its mode is 0644"),
        ("the guest", "not done: data folder filled"),
        ("service nginx", "it is masked: nothing can start it"),
        ("service nginx", "it does not run (inactive)"),
    ]


def test_what_a_command_is_called_and_needs_is_a_comment_of_the_shell() -> None:
    command = Command(
        "two\nlines", ("sh", "-ec", "make\n"), ("sh", "-c", "test -e /a ||\ntest -e /b\n"), as_written=True
    )
    assert steps_for([replace(command, explained=True)], ())[3:-2] == [
        "# two lines",
        "# needed while this fails: test -e /a ||",
        "# test -e /b",
        "make",
    ]
    assert steps_for([command], ())[3:-2] == ["make"]
    assert digest([command]) == digest([replace(command, explained=True)])


def test_an_owner_may_be_called_as_debian_calls_programs_users() -> None:
    assert "chrony" in compile_script([File("/etc/a", "", owner="_chrony", group="_chrony")], changes=True, secrets={})


def test_a_template_changes_the_digest_of_a_topology(tmp_path: Path) -> None:
    first = loaded(tmp_path, EXAMPLES["files"])
    (tmp_path / "templates" / "site.conf").write_text("server {}\n")
    assert load_topology(tmp_path / "anything.yaml").digest != first.digest


@pytest.mark.parametrize(
    ("role", "problem"),
    [
        (
            "- {role: commands, commands: [{run: make}]}\n",
            (
                "10:37: [missing-key] item 1 of `commands` of role `commands` of machine `host` lacks the key `unless`"
                "; expected text or a list (`- …` lines, or `[…]`)"
            ),
        ),
        (
            "- {role: files, files: [{path: /etc/motd}]}\n",
            "10:31: [missing-key] file `/etc/motd` has no content; expected `content: …` or `template: …`",
        ),
        (
            "- {role: users}\n",
            "10:9: [missing-key] this makes no user and no group; expected `users: …` or `groups: …`",
        ),
        (
            "- {role: script, name: it, check: 'true'}\n",
            "10:9: [missing-key] script `it` has no text; expected `run: …` or `template: …`",
        ),
        (
            "- {role: repository, name: a, uri: 'https://deb.example.org', suite: x}\n",
            "10:9: [missing-key] source `a` has no key; expected `key: …` or `template: …`",
        ),
    ],
)
def test_what_is_missing_is_said(role: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(TopologyInvalid) as caught:
        loaded(tmp_path, role)
    assert [detail.partition("anything.yaml:")[2] for detail in caught.value.details] == [problem]


def test_every_verb_that_looks_at_a_topology_knows_them(tmp_path: Path) -> None:
    loaded(tmp_path, *EXAMPLES.values())
    make_private_folder(tmp_path / "home")
    put_base(tmp_path / "home")
    file = str(tmp_path / "anything.yaml")
    assert vboxlab(tmp_path, "validate", file).stderr == ""
    planned = vboxlab(tmp_path, "plan", file, "--json")
    assert (planned.returncode, planned.stderr) == (2, "")
    assert [each["action"] for each in json.loads(planned.stdout)["actions"]] == [
        "Create",
        "Start",
        "Contact",
        "Configure",
    ]
    drawn = vboxlab(tmp_path, "graph", file)
    assert (drawn.returncode, "host" in drawn.stdout) == (0, True)
    definitions = json.loads(vboxlab(tmp_path, "schema").stdout)["$defs"]
    assert set(definitions["CommandEntry"]["required"]) == {"run", "unless"}
