"""Invariants, judged from histories of which the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from tests.unit.verification.histories import run_begun
from vboxlab.verification.history import AnyRecord, Beat, FaultInForce, FaultUndone, History, Request, RunEnded
from vboxlab.verification.judgements import judge
from vboxlab.verification.report import Mark, StepReport
from vboxlab.verification.sightings import Claimed, PowerSeen, SamplerBegun, SamplerEnded, Sighted

NODES = ("srv-web", "srv-web-bis")
CARDS = {"srv-web": "08:00:27:00:00:01", "srv-web-bis": "08:00:27:00:00:02"}
ONE_HOLDER = {"invariant": "one-holder", "address": "192.168.200.5", "on": list(NODES)}
FROM_CLIENT = {**ONE_HOLDER, "from": "client"}
ANSWERS = {"invariant": "answers", "from": "client", "url": "http://192.168.200.5", "failing_for": 2}
Truth = Callable[[float], bool | None]


def until(moment: float) -> Truth:
    return lambda t: t < moment


def since(moment: float, end: float = 1e9) -> Truth:
    return lambda t: moment <= t < end


def words(machine: str, truth: Truth, begin: float = 0.0, end: float = 60.0, ahead: float = 300.0) -> list[AnyRecord]:
    """Return what a sampler says of a truth, whose machine's clock is so much behind the run's."""
    cards = (CARDS[machine],) if machine in CARDS else ()
    said: list[AnyRecord] = [SamplerBegun(at=begin, step=1, machine=machine, cards=cards)]
    for tick in range(int((end - begin) / 0.1)):
        moment = begin + tick * 0.1
        if tick % 3 == 0 or truth(moment) != truth(moment - 0.1):
            at, holds = moment + 0.004, truth(moment)
            said.append(Sighted(at=at, step=1, machine=machine, monotonic=moment - ahead, holds=holds))
    return said


def claims(answering: Callable[[float], Iterable[str]], end: float = 60.0) -> list[AnyRecord]:
    """Return what a client says that asks by ARP."""
    said: list[AnyRecord] = [SamplerBegun(at=0.0, step=1, machine="client")]
    for tick in range(int(end / 0.5)):
        moment = tick * 0.5
        cards = tuple(CARDS.get(name, name) for name in answering(moment))
        asked = moment - 20.0
        said.append(Claimed(at=moment + 0.5, step=1, machine="client", monotonic=asked, told=asked + 0.49, cards=cards))
    return said


def power(machine: str, at: float, state: str) -> AnyRecord:
    return PowerSeen(at=at, step=1, machine=machine, power=state)


def judged(records: Iterable[AnyRecord], step: Mapping[str, Any], end: float = 60.0, **run: Any) -> StepReport:
    ordered = sorted(records, key=lambda record: record.at)
    return judge(History([run_begun([step], **run), *ordered, RunEnded(at=end)])).steps[0]


def figures(step: StepReport) -> dict[str, tuple[float | None, float | None]]:
    return {figure.name: (figure.least, figure.most) for figure in step.measurements}


def test_an_address_that_moves_in_time_is_held_by_one() -> None:
    done = judged([*words("srv-web", until(20.0)), *words("srv-web-bis", since(30.0))], ONE_HOLDER)
    assert (done.outcome, done.message) == ("passed", "it held for all of 60 s")
    least, most = figures(done)["without"]
    assert least == pytest.approx(9.7, abs=0.11)
    assert most == pytest.approx(10.0, abs=0.11)
    assert figures(done)["several"] == (0.0, 0.0)


def test_two_holders_at_once_are_a_violation_with_moment_and_length() -> None:
    done = judged([*words("srv-web", until(24.0)), *words("srv-web-bis", since(20.0))], ONE_HOLDER)
    assert done.outcome == "failed"
    assert done.message == "srv-web, srv-web-bis had it at once for 4.0 s, from 20.0 s after the beginning on"
    (bar,) = done.bars["violated"]
    assert bar.state == "wrong"
    assert (bar.begin, bar.end) == pytest.approx((20.0, 24.0), abs=0.11)


def test_none_for_too_long_is_a_violation_of_exactly_one_alone() -> None:
    records = [*words("srv-web", until(20.0)), *words("srv-web-bis", since(40.0))]
    done = judged(records, ONE_HOLDER)
    assert (done.outcome, done.message) == ("failed", "none had it for 20.0 s, from 20.0 s after the beginning on")
    assert judged(records, {**ONE_HOLDER, "invariant": "at-most-one"}).outcome == "passed"


def test_limits_are_stretched_but_for_what_programs_wait_themselves() -> None:
    records = [*words("srv-web", until(20.0)), *words("srv-web-bis", since(40.0))]
    done = judged(records, ONE_HOLDER, time_scale=2.0, own_seconds={"srv-web": 5.0})
    assert done.outcome == "passed"
    assert next(figure.scaled_limit for figure in done.measurements if figure.name == "without") == 25.0


def test_a_machine_that_is_off_holds_nothing() -> None:
    records = [
        *words("srv-web", until(60.0), end=20.0), SamplerEnded(at=20.2, step=1, machine="srv-web", reason="lost"),
        power("srv-web", 20.3, "off"), *words("srv-web-bis", since(30.0)),
    ]  # fmt: skip
    done = judged(records, ONE_HOLDER)
    assert done.outcome == "passed", done.details
    assert [bar.state for bar in done.bars["srv-web"]] == ["holds", "unknown", "off"]


def booting(*more: AnyRecord) -> list[AnyRecord]:
    """Return that the master is cut off at 10 s, starts at 25 s and is seen again from within at 45 s."""
    return [
        *words("srv-web", until(60.0), end=10.0), SamplerEnded(at=10.1, step=1, machine="srv-web", reason="lost"),
        power("srv-web", 10.2, "off"), power("srv-web", 25.0, "running"),
        *words("srv-web", lambda _t: False, begin=45.0), *words("srv-web-bis", since(15.0)), *more,
    ]  # fmt: skip


def test_a_machine_that_is_silent_cannot_be_told_from_one_that_has_it() -> None:
    done = judged(booting(), ONE_HOLDER)
    assert done.outcome == "unclear"
    assert done.message == "srv-web said nothing for 20.0 s, from 25.0 s after the beginning on"


def test_who_answers_by_arp_tells_of_a_machine_that_boots() -> None:
    seen = claims(lambda t: ["srv-web"] if t < 10 else ["srv-web-bis"] if t >= 15 else [])
    assert judged(booting(*seen), FROM_CLIENT).outcome == "passed"
    both = claims(lambda t: NODES if 30 <= t < 33 else ["srv-web"] if t < 10 else ["srv-web-bis"] if t >= 15 else [])
    done = judged(booting(*both), FROM_CLIENT)
    assert (done.outcome, done.message) == (
        "failed", "srv-web, srv-web-bis had it at once for 3.0 s, from 30.0 s after the beginning on",
    )  # fmt: skip


def test_a_stranger_who_answers_for_the_address_is_a_second_holder() -> None:
    seen = claims(lambda t: ["srv-web", "52:54:00:12:34:56"] if 30 <= t < 35 else ["srv-web"])
    done = judged([*words("srv-web", until(99)), *words("srv-web-bis", since(99)), *seen], FROM_CLIENT)
    assert done.outcome == "failed"
    assert done.message.startswith("52:54:00:12:34:56, srv-web had it at once for 5.0 s")


def test_a_sampler_that_never_spoke_and_one_that_cannot_look_prove_nothing() -> None:
    refused = SamplerEnded(at=1.0, step=1, machine="srv-web-bis", reason="no packet socket")
    done = judged([*words("srv-web", until(99)), refused], ONE_HOLDER)
    assert (done.outcome, done.message) == ("unclear", "nothing was seen of srv-web-bis")
    assert done.details == ("srv-web-bis: no packet socket",)
    blind = judged([*words("srv-web", until(99)), *words("srv-web-bis", lambda _t: None)], ONE_HOLDER)
    assert blind.outcome == "unclear"
    assert judged([], ONE_HOLDER).outcome == "unclear"


def asked(good: Truth, begin: float = 0.0, end: float = 60.0) -> list[AnyRecord]:
    said: list[AnyRecord] = [SamplerBegun(at=begin, step=1, machine="client")]
    for tick in range(int((end - begin) * 4)):
        moment = begin + tick / 4
        said.append(Beat(at=moment + 0.002, step=1, monotonic=moment - 77.0, real=moment, begun=tick))
        outcome, length = ("ok", 0.01) if good(moment) else ("timeout", 2.0)
        said.append(
            Request(at=moment + length, step=1, start=moment - 77.0, duration=length, outcome=outcome,
                    status=200)
        )  # fmt: skip
    return said


@pytest.mark.parametrize(("seconds", "outcome"), [(1.0, "passed"), (5.0, "failed")])
def test_a_service_may_fail_as_long_as_is_said_and_no_longer(seconds: float, outcome: str) -> None:
    done = judged(asked(lambda t: not 20 <= t < 20 + seconds), ANSWERS)
    assert done.outcome == outcome
    assert figures(done)["failing"][0] == pytest.approx(seconds, abs=0.01)
    if outcome == "failed":
        assert done.message == "no good answer for 5.0 s, from 20.0 s after the beginning on"


def test_a_client_that_says_nothing_does_not_prove_that_a_service_answers() -> None:
    gone = SamplerEnded(at=20.1, step=1, machine="client", reason="lost")
    done = judged([*asked(until(99), end=20.0), gone, *asked(until(99), begin=40.0)], ANSWERS)
    assert (done.outcome, done.message) == (
        "unclear", "client said nothing for 20.2 s, from 19.8 s after the beginning on",
    )  # fmt: skip
    assert judged([*asked(until(99), end=20.0), gone], ANSWERS).outcome == "unclear"


def test_faults_have_their_windows() -> None:
    off = ("off", "srv-web")
    records: list[AnyRecord] = [
        FaultInForce(at=10.0, step=1, asked=9.9, words="cut off", key=off, state="srv-web is off"),
        FaultInForce(at=12.0, step=1, asked=11.0, words="hung", key=("hanging", "dns", "bind9"), state="bind9 hangs"),
        FaultInForce(at=30.0, step=1, asked=30.0, words="started", ends=(off,)),
        FaultUndone(at=50.0, step=0, words="bind9 hangs"),
        RunEnded(at=60.0),
    ]
    report = judge(History([run_begun(), *records]))
    assert report.faults == (Mark(9.9, 30.0, "cut off"), Mark(11.0, 50.0, "hung"), Mark(30.0, 30.0, "started"))
