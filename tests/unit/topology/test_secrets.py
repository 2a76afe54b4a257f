"""The secrets that a topology names: what they may say, and the holes that they fill."""

from __future__ import annotations

import pytest

from tests.unit.topology.language_world import made, said
from vboxlab.topology.rules_roles import place_of_key
from vboxlab.topology.secret import LabSecret, TextHole, holes_in, nearly_holes

MACHINES = """
lab: small
base: debian12
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  one:
    hostname: one
    adapters: [{network: lan, address: 192.168.7.1/24}]
  two:
    hostname: two
    adapters: [{network: lan, address: 192.168.7.2/24}]
"""


def declared(text: str) -> dict[str, LabSecret]:
    return made(MACHINES + f"secrets:\n  {text}\n").secrets


def wrong(text: str) -> list[str]:
    return said(MACHINES + f"secrets:\n  {text}\n")


def test_a_password_is_the_default_and_for_all_machines() -> None:
    secret = declared("replica: {}")["replica"]
    assert (secret.kind, secret.length, secret.on) == ("password", 24, ())
    assert secret.is_for("one")


def test_a_key_is_for_the_machines_named() -> None:
    secret = declared("site-a: {kind: wireguard, on: one}")["site-a"]
    assert secret.on == ("one",)
    assert (secret.is_for("one"), secret.is_for("two")) == (True, False)


def test_machines_may_be_listed_by_a_loop() -> None:
    text = 'all: {kind: certificate, on: [{value: "{name}", for each: {name: [one, two]}}], names: "*.example.test"}'
    secret = declared(text)["all"]
    assert (secret.on, secret.names) == (("one", "two"), ("*.example.test",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "../a: {}",
            ("13:3: [bad-secret-name] `../a` is no name for a secret; expected letters, digits, `.`, `-` and `_`"),
        ),
        (
            "a: {kind: wireguard}",
            ("13:3: [missing-key] secret `a` lacks the key `on`; expected the machines that may use its private key"),
        ),
        (
            "a: {kind: certificate, on: three}",
            ("13:30: [unknown-machine] there is no machine `three`; expected one of one, two"),
        ),
        (
            "a: {on: [one, twoo]}",
            ("13:17: [unknown-machine] there is no machine `twoo`; expected one of one, two; did you mean `two`?"),
        ),
        (
            "a: {names: [www.example.test]}",
            (
                "13:7: [unknown-key] `names` is for secrets of the kind certificate; "
                "expected none here, as secret `a` is a password"
            ),
        ),
        (
            "a: {kind: certificate, on: one, names: www_}",
            (
                "13:42: [bad-domain] `www_` is no name for a certificate; "
                "expected one such as www.example.test or *.example.test"
            ),
        ),
        (
            "a: {length: 4}",
            ("13:15: [out-of-range] `length` of secret `a` is `4`; expected a whole number from 8 to 128"),
        ),
        (
            "a: {kind: key}",
            ("13:13: [wrong-value] `kind` of secret `a` is `key`; expected one of password, wireguard, certificate"),
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(text: str, problem: str) -> None:
    assert wrong(text) == [problem]


def test_names_that_are_one_file_on_some_hosts() -> None:
    (problem,) = wrong("key: {}\n  Key: {}")
    assert problem == (
        "14:3: [duplicate-name] secret `Key` differs from secret `key` only in upper and lower case; "
        "expected another name"
    )


def test_a_topology_without_secrets_has_the_digest_of_before() -> None:
    without = made(MACHINES)
    assert '"secrets"' not in without.model_dump_json(exclude={"secrets"})
    assert made(MACHINES + "secrets: {}\n").digest == without.digest
    assert made(MACHINES + "secrets: {a: {}}\n").digest != without.digest
    assert made(MACHINES + "secrets: {a: {}}\n").digest != made(MACHINES + "secrets: {a: {length: 30}}\n").digest


def test_holes_are_words_with_a_name() -> None:
    text = (
        "{secret a} {a} {{secret b}} {public-key site-a}{secret a} {ca certificate} {ca b} "
        "{secret  c} {print a} {cert a}"
    )
    assert holes_in(text) == (
        TextHole("{secret a}", "secret", "a"),
        TextHole("{secret b}", "secret", "b"),
        TextHole("{public-key site-a}", "public-key", "site-a"),
        TextHole("{ca certificate}", "ca", "certificate"),
    )
    assert nearly_holes(text, ("b",)) == (TextHole("{ca b}", "ca", "b"),)
    assert [hole.word for hole in nearly_holes(text, ("a",))] == ["ca", "cert"]


def test_parameters_leave_holes_as_they_are_and_may_stand_in_them() -> None:
    text = MACHINES + 'parameters: {site: {default: site-a}}\nsecrets: {site-a: {}}\ntitle: "{secret {site}} {site}"\n'
    assert made(text).title == "{secret site-a} site-a"


SERVER = """
    roles: [{role: ssh_server, secret: %s}]
"""


def test_what_a_role_names_must_be_there_once_there_are_secrets() -> None:
    assert made(MACHINES + SERVER % "mine")
    assert made(MACHINES + SERVER % "mine" + "secrets: {mine: {}}\n")
    assert made(MACHINES + "    roles: [{role: ssh_server}]\nsecrets: {mine: {}}\n")  # a default is not asked for
    assert said(MACHINES + SERVER % "main" + "secrets: {mine: {}}\n") == [
        (
            "13:40: [unknown-secret] there is no secret `main` under `secrets` of the topology; "
            "expected mine; did you mean `mine`?"
        )
    ]


def test_a_secret_within_a_list_of_a_role_has_its_place() -> None:
    assert place_of_key("secret") == ("secret",)
    assert place_of_key("users.0.password") == ("users", 0, "password")
