"""The answer key: golden texts, and that nothing of what is deployed is left out of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.plan_world import topology
from vboxlab.cli.main import run
from vboxlab.guest.explain import Surroundings, explain
from vboxlab.guest.explain_steps import steps_for, typed
from vboxlab.guest.resources import AbsentFile, Command, File, Package, Password, Service, Sysctl
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.steps import content_of
from vboxlab.guest.wording import block, code
from vboxlab.language import Language, speaking

MEMBERS = Surroundings({"apache-base": ("srv-web", "srv-web-bis")})
VARIANTS = [
    ("failover", {}),
    ("failover", {"tuning": "fast"}),
    ("failover", {"environment": "school"}),
    *(("loadbalancing", {"health": health}) for health in ("none", "keepalived", "ldirectord")),
]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "virtualbox")  # not needed, so it does no harm that it is not here


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_key_of_the_master(lang: Language) -> None:
    with speaking(lang):
        text = explain(topology(), machine="srv-web", surroundings=MEMBERS)
    check_golden(f"explain/failover-srv-web-{lang}.md", text.splitlines())


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_key_of_the_secondary_copies_from_the_master(lang: Language) -> None:
    with speaking(lang):
        text = explain(topology(), machine="srv-web-bis", surroundings=MEMBERS)
    copy = "scp -p /etc/ha.d/ha.cf /etc/ha.d/haresources /etc/ha.d/authkeys root@192.168.200.52:/etc/ha.d/"
    assert text.count(copy) == 1
    assert "nano /etc/ha.d" not in text
    assert "1 md5 <secret>" in text


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_key_of_the_load_balancer(lang: Language) -> None:
    with speaking(lang):
        text = explain(topology("loadbalancing", health="none"), machine="load-balancer")
    check_golden(f"explain/loadbalancing-load-balancer-{lang}.md", text.splitlines())


@pytest.mark.parametrize(("name", "values"), VARIANTS)
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_nothing_that_is_deployed_is_left_out(name: str, values: dict[str, str], lang: Language) -> None:
    source = topology(name, **values)
    for machine in source.machines.values():
        with speaking(lang):
            text = explain(source, machine=machine.name, surroundings=MEMBERS)
        if source.is_adopted(machine):
            assert "nano" not in text
            continue
        shown = set(itertools.chain.from_iterable(line.split() for line in text.splitlines()))
        for resource in resources_for(source, machine, source.last_stage):
            match resource:
                case File(path=path):
                    assert path in text
                    assert content_of(resource).removesuffix("\n") in text
                case Service(name=package, enabled=False, running=False):
                    assert package not in shown, resource
                case Package(name=package) | Service(name=package):
                    assert package in shown, resource
                case Sysctl(name=setting, value=value):
                    assert f"{setting}={value}" in text


def test_a_stage_stops_the_key() -> None:
    text = explain(topology(), machine="srv-web", stage="web", surroundings=MEMBERS)
    assert "up to stage `web`" in text
    assert "take its snapshot `apache-base`" in text
    assert "heartbeat" not in text
    with pytest.raises(ValueError, match="not in tuple"):
        explain(topology(), stage="wbe")


def test_the_command_line_starts_from_the_snapshot(capsys: pytest.CaptureFixture[str]) -> None:
    """A web server restored from apache-base has Apache already: only what changes is typed."""
    assert run(["explain", "loadbalancing", "--machine", "srv-web", "--lang", "fr", "--set", "student=zoé"]) == 3
    assert run(["explain", "loadbalancing", "--machine", "srv-web", "--lang", "fr", "--set", "student=zoe"]) == 0
    text = capsys.readouterr().out
    assert "restaurer son instantané `apache-base`" in text
    assert "--nic1 intnet --intnet1 cluster" in text
    assert "address 192.168.201.11/24" in text
    assert "apt install" not in text
    assert "zoe" in text


def test_the_command_line_names_what_exists(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "failover", "--machine", "srv"]) == 64
    assert "--machine srv: expected firewall, dns, client, srv-web, srv-web-bis" in capsys.readouterr().err
    assert run(["explain", "failover", "--stage", "x"]) == 64
    assert "--stage x: expected web, heartbeat" in capsys.readouterr().err


def test_commands_as_they_are_typed() -> None:
    zone = Command("z", ("ln", "-sfn", "/usr/share/zoneinfo/Europe/Paris", "/etc/localtime"), ("false",))
    assert typed(zone) == "timedatectl set-timezone Europe/Paris"
    assert typed(Command("s", ("sh", "-c", "a; b"), ("false",))) == "a; b"
    assert typed(Command("q", ("rm", "a file"), ("false",))) == "rm 'a file'"


def test_resources_that_no_role_has_yet() -> None:
    steps = steps_for(
        [
            AbsentFile("/etc/x", notifies=("x",)),
            Service("x"),
            Package("y"),
            Service("y", enabled=False, running=False),
            Service("z", enabled=False, running=False),
            File("/etc/k", "k\n", mode=0o640, owner="www-data"),
            Password("root", "root-password"),
        ],
        [Service("x"), Package("y")],
    )
    assert [line for line in steps if not line.startswith(("`", "k")) and line] == [
        "Edit **`/etc/k`** (`nano /etc/k`). It holds:",
        "Its owner and mode:",
        "chown www-data:root /etc/k",
        "chmod 640 /etc/k",
        "Remove `/etc/x`:",
        "rm -f /etc/x",
        "Commands:",
        "systemctl restart x",
        "systemctl disable --now y",
        "Give `root` the password `<secret>` (asked twice):",
        "passwd root",
    ]


def test_code_holds_any_backticks() -> None:
    assert code("a") == "`a`"
    assert code("`a``b`") == "``` `a``b` ```"
    assert block("```\nx\n", "text") == ["````text", "```", "x", "````"]
