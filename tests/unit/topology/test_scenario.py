"""What a topology file may say under `verify:`, and what is said when it is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from vboxlab.topology.asking import PageCheck
from vboxlab.topology.checks import CommandCheck, PingCheck
from vboxlab.topology.faults import CableFault
from vboxlab.topology.scenario import Measure, Scenario, ScenarioStep

MEASURE: dict[str, Any] = {
    "measure": "interruption",
    "from": "client",
    "url": "http://192.168.200.5",
    "cause": {"fault": "power-off", "machine": "srv-web"},
    "served_by": "srv-web-bis",
}
PROBE = {"check": "probe", "from": "a", "url": "tcp://a:1"}


def one(**step: Any) -> ScenarioStep:
    return Scenario(steps=({key.rstrip("_"): value for key, value in step.items()},)).steps[0]


def problems(step: object) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        Scenario(steps=(step,))
    return [(error["loc"][2:], error["msg"]) for error in caught.value.errors()]


def test_the_key_tells_the_family() -> None:
    assert isinstance(one(check="ping", from_="a", to=["b", "c"]), PingCheck)
    assert isinstance(one(fault="unplug", machine="a", slot=1), CableFault)
    measure = one(**MEASURE)
    assert isinstance(measure, Measure)
    assert measure.cause_words == "srv-web is powered off brutally"


def test_one_name_is_a_list_of_one() -> None:
    ping = one(check="ping", from_="a", to="b")
    assert isinstance(ping, PingCheck)
    assert (ping.source, ping.to) == (("a",), ("b",))


@pytest.mark.parametrize(
    ("step", "where", "said"),
    [
        ({"chek": "ping"}, (), "expected a step with one of the keys check, fault, measure"),
        (3, (), "expected a step with one of the keys check, fault, measure"),
        ({"check": "pong"}, ("<check>",), "does not match any of the expected tags: 'ping', 'resolves'"),
        ({"fault": "boom", "machine": "a"}, ("<fault>",), "expected tags: 'power-off', 'start'"),
        ({"fault": "unplug", "machine": "a", "slot": 8}, ("<fault>", "unplug", "slot"), "less than or equal to 7"),
        ({"fault": "start", "machine": "a", "slott": 1}, ("<fault>", "start", "slott"), "Extra inputs"),
        ({**PROBE, "every": -1}, ("<check>", "probe", "every"), "greater than or equal to 0"),
        ({**PROBE, "rate": 0}, ("<check>", "probe", "rate"), "greater than 0"),
        ({**PROBE, "expect": "untrusted"}, ("<check>", "probe"), "tcp://a:1 cannot become untrusted"),
        ({"check": "probe", "from": "a", "run": ["x"], "expect": "refused"}, ("<check>", "probe"), "x cannot become"),
        ({**MEASURE, "every": 0.001}, ("<measure>", "interruption", "every"), "greater than or equal to 0.01"),
        ({"check": "page", "from": "a", "url": "https://x"}, ("<check>", "page", "url"), "should match pattern"),
        ({"check": "page", "from": "a", "url": "http://a b"}, ("<check>", "page", "url"), "should match pattern"),
        ({"check": "clocks", "on": ["a"]}, ("<check>", "clocks", "on"), "at least 2 items"),
        ({"check": "service", "on": "a", "service": "x;reboot"}, ("<check>", "service", "service"), "match pattern"),
        ({"check": "command", "on": "a", "run": "echo 'x"}, ("<check>", "command", "run"), "not a command line"),
        ({"check": "command", "on": "a", "run": " "}, ("<check>", "command", "run"), "expected a command"),
        (
            {**MEASURE, "limits": {"failed": -1}},
            ("<measure>", "interruption", "limits", "failed"),
            "greater than or equal to 0",
        ),
        (
            {**MEASURE, "limits": {"detection": 5}},
            ("<measure>", "interruption"),
            "need `detection: {on: MACHINE, node: MACHINE}`",
        ),
    ],
)
def test_says_what_is_wrong_and_where(step: object, where: tuple[str, ...], said: str) -> None:
    found = problems(step)
    assert [loc for loc, _message in found] == [where]
    assert said in found[0][1]


def test_steps_apply_by_parameter() -> None:
    step = one(check="page", from_="client", url="http://x", when={"tuning": "fast"})
    assert step.applies({"tuning": "fast", "student": "theodore"})
    assert not step.applies({"tuning": "practical"})
    assert not step.applies({})


def test_a_scenario_knows_the_machines_it_needs() -> None:
    scenario = Scenario(steps=({**MEASURE, "detection": {"on": "bis", "node": "srv-web"}},))
    assert scenario.machines == {"client", "srv-web", "srv-web-bis", "bis"}


def test_every_step_describes_itself() -> None:
    page = one(check="page", from_="client", url="http://192.168.200.5", contains="Srv-Web", times=10)
    assert isinstance(page, PageCheck)
    assert page.describe() == "from client, http://192.168.200.5 shows Srv-Web, 10 times"
    assert one(check="address", on="a", address="10.0.0.1", held=False).describe() == "a does not hold 10.0.0.1"
    assert one(fault="plug", machine="a", slot=2).describe() == "the cable of adapter 2 of a is plugged"
    assert one(check="service", on="a", service="apache2", enabled=False).describe() == (
        "apache2 runs and is not started at boot on a"
    )
    assert one(check="apt", from_="a", title="apt works").describe() == "apt works"


def test_a_command_is_split_into_words() -> None:
    command = one(check="command", on="a", run="sh -c 'echo $HOME'")
    assert isinstance(command, CommandCheck)
    assert command.argv == ("sh", "-c", "echo $HOME")


ASKED = {
    "measure": "interruption",
    "from": "client",
    "cause": {"fault": "power-off", "machine": "srv-web"},
}


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"url": "tcp://10.0.0.1:22", "served_by": "a"}, ""),
        ({"url": "dns://10.0.0.1/www.lab", "served_by": "a"}, ""),
        ({"url": "ping://10.0.0.1", "served_by": ["a", "b"], "told_by": {"a": "x", "b": "y"}}, ""),
        ({"url": "tcp://10.0.0.1", "served_by": "a"}, "String should match pattern"),
        ({"url": "https://10.0.0.1/", "served_by": "a", "ca": "/ca.pem", "certificate": "www.lab"}, ""),
        ({"url": "udp://10.0.0.1:123", "served_by": "a", "send": "hex:1b00"}, ""),
        ({"run": ["pg_isready"], "served_by": "a"}, ""),
        ({"url": "ftp://10.0.0.1/", "served_by": "a"}, "String should match pattern"),
        ({"url": "https://10.0.0.1/", "served_by": "a"}, "needs `ca`, the file of the authorities"),
        ({"url": "https://10.0.0.1/", "served_by": "a", "ca": "ca.pem"}, "String should match pattern"),
        ({"url": "http://10.0.0.1/", "served_by": "a", "ca": "/ca.pem"}, "`ca` and `certificate` are of https alone"),
        ({"url": "udp://10.0.0.1:123", "served_by": "a"}, "needs `send`, what is sent"),
        ({"url": "udp://10.0.0.1:123", "served_by": "a", "send": "hex:1"}, "two hexadecimal digits a byte"),
        ({"url": "tcp://10.0.0.1:123", "served_by": "a", "send": "x"}, "`send` is of udp alone"),
        ({"served_by": "a"}, "expected one of `url` and `run`"),
        ({"url": "tcp://10.0.0.1:1", "run": ["x"], "served_by": "a"}, "expected one of `url` and `run`"),
        ({"run": [""], "served_by": "a"}, "expected a command"),
        ({"run": ["a", "b\0c"], "served_by": "a"}, "String should match pattern"),
        ({"run": "echo", "served_by": "a"}, "should be a valid tuple"),
        ({"url": "tcp://10.0.0.1:22", "root": True, "served_by": "a"}, "`root` is of `run` alone"),
        ({"run": ["x"], "served_by": ["a", "b"]}, "several servers of x are told apart by `told_by`"),
        ({"url": "tcp://10.0.0.1:22", "served_by": ["a", "b"]}, "are told apart by `told_by`"),
        ({"url": "http://10.0.0.1", "served_by": ["a", "b"], "told_by": {"a": "x"}}, "`told_by` lacks b"),
    ],
)
def test_what_a_measure_may_ask(more: dict[str, Any], wrong: str) -> None:
    if not wrong:
        measure = Measure.model_validate({**ASKED, **more})
        assert measure.asked == more.get("url", "pg_isready")
        assert measure.every == (1.0 if measure.run else 0.1)
        again = Measure.model_validate(measure.model_dump(mode="json", by_alias=True))
        assert again == measure
        return
    with pytest.raises(ValidationError, match=wrong):
        Measure.model_validate({**ASKED, **more})
