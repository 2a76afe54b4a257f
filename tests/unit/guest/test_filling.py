"""Texts with holes for secrets: what they become, and what of them is in digests and on pages."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.topology.language_world import made
from vboxlab.guest.canonical import canonical_lines, digest
from vboxlab.guest.explain_steps import steps_for
from vboxlab.guest.filling import declared, filled
from vboxlab.guest.first_digest import first_digest
from vboxlab.guest.resources import File, Hole, Password, Resource, SecretText
from vboxlab.guest.script import compile_script
from vboxlab.topology.model import Topology

TOPOLOGY = """
lab: small
base: debian12
domain: example.test
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  one:
    hostname: one
    adapters: [{network: lan, address: 192.168.7.1/24}]
secrets:
  replica: {length: 30}
  site-a: {kind: wireguard, on: one}
  web: {kind: certificate, on: one}
  named: {kind: certificate, on: one, names: [www.example.test], addresses: [192.168.1.5]}
"""
TEXT = "user=a\npassword={secret replica}\nagain={secret replica}\npeer={public-key site-a}\n"


def bound(*resources: Resource, topology: Topology | None = None) -> list[Resource]:
    return list(declared(resources, topology or made(TOPOLOGY)))


def test_text_without_holes_stays_text() -> None:
    assert filled("h1 {color: red} {name} {margin 0}") == "h1 {color: red} {name} {margin 0}"


def test_holes_are_filled_wherever_they_stand() -> None:
    text = filled(TEXT)
    assert isinstance(text, SecretText)
    assert text.all_holes == (Hole("{secret replica}", "replica"), Hole("{public-key site-a}", "site-a", "public-key"))
    values = {"replica": "{public-key site-a}", "public-key site-a": "KEY="}
    assert text.filled(lambda hole: values[hole.key]) == (
        "user=a\npassword={public-key site-a}\nagain={public-key site-a}\npeer=KEY=\n"
    )


def test_the_one_hole_of_before_is_filled_as_before() -> None:
    text = SecretText("1 md5 <secret>\n", "heartbeat")
    assert text.filled(lambda hole: f"of {hole.key}") == "1 md5 of heartbeat\n"
    assert text.shown() == "1 md5 <secret>\n"


def test_a_script_holds_the_values() -> None:
    script = compile_script(
        bound(File("/etc/a", filled("x={secret replica}\n"))), changes=True, secrets={"replica": "s3cr3t"}
    )
    assert "eD1zM2NyM3QK" in script  # base64 of "x=s3cr3t\n"


def test_what_the_topology_says_of_secrets_comes_with_them() -> None:
    file, password, other = bound(
        File("/etc/a", filled("{secret replica} {certificate web} {certificate-key named} {secret unknown}")),
        Password("root", "replica"),
        Password("root", "root-password"),
    )
    assert isinstance(file, File)
    assert isinstance(file.content, SecretText)
    assert file.content.holes == (
        Hole("{secret replica}", "replica", length=30),
        Hole("{certificate web}", "web", "certificate", names=("one.example.test", "one"), addresses=("192.168.7.1",)),
        Hole("{certificate-key named}", "named", "certificate-key",
             names=("www.example.test",), addresses=("192.168.1.5",)),
        Hole("{secret unknown}", "unknown"),
    )  # fmt: skip
    assert password == Password("root", "replica", length=30)
    assert other == Password("root", "root-password")


def test_a_role_s_own_secret_may_be_declared_too() -> None:
    plain = File("/etc/ha.d/authkeys", SecretText("1 md5 <secret>\n", "heartbeat"), mode=0o600)
    assert bound(plain) == [plain]
    known = replace(plain, content=SecretText("1 md5 <secret>\n", "replica"))
    (file,) = bound(known)
    assert isinstance(file, File)
    assert isinstance(file.content, SecretText)
    assert file.content.all_holes == (Hole("<secret>", "replica", length=30),)


def test_the_digest_changes_with_the_template_and_with_what_is_wanted_and_holds_no_value() -> None:
    same = [File("/etc/a", filled(TEXT))]
    other = [File("/etc/a", filled(TEXT + "\n"))]
    names = made(TOPOLOGY.replace("www.example.test", "www2.example.test"))
    certificate = File("/etc/a", filled("{certificate named}"))
    assert len({digest(bound(*same)), digest(bound(*other))}) == 2
    assert digest(bound(certificate)) != digest(bound(certificate, topology=names))
    assert digest(bound(*same)) == digest(bound(*same, topology=names))
    assert canonical_lines(bound(File("/etc/a", filled("{secret replica}")))) == [
        (
            '{"content": {"holes": [{"kind": "Hole", "length": 30, "marker": "{secret replica}", '
            '"secret": "replica"}], '
            '"kind": "SecretText", "secret": "", "template": "{secret replica}"}, "kind": "File", "path": "/etc/a"}'
        )
    ]


def test_such_texts_were_never_written_before_digests_had_a_version() -> None:
    assert first_digest(bound(File("/etc/a", filled(TEXT)))) is None
    assert first_digest(bound(Password("root", "replica"))) is None
    assert first_digest([File("/etc/a", SecretText("<secret>", "key"))]) is not None


def test_the_answer_key_shows_names_in_the_place_of_secrets() -> None:
    lines = steps_for(bound(File("/etc/a", filled(TEXT)), Password("root", "replica")), ())
    text = "\n".join(lines)
    assert "password=<secret replica>\nagain=<secret replica>\npeer=<public-key site-a>\n" in text
    assert (
        "The lab makes `<secret replica>`, `<public-key site-a>`: put your own, the same wherever it is named." in lines
    )
    assert "Give `root` the password `<secret replica>` (asked twice):" in lines
