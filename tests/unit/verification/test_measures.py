"""What an observation comes to: pure, on made-up samples with known truths."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vboxlab.topology.scenario import Measure
from vboxlab.verification.clocks import Interval, exactly
from vboxlab.verification.measures import Observation, Result, evaluate
from vboxlab.verification.samples import Sample

OWNERS = {"srv-web": "<h1>Srv-Web</h1>", "srv-web-bis": "<h1>Srv-Web-bis</h1>"}
CLIENT_BEHIND = 500.0  # host clock minus client clock


def measure(**more: Any) -> Measure:
    step = {
        "measure": "interruption",
        "from": "client",
        "url": "http://192.168.200.5",
        "cause": {"fault": "power-off", "machine": "srv-web"},
        "served_by": "srv-web-bis",
        "detection": {"on": "srv-web-bis", "node": "srv-web"},
        **more,
    }
    return Measure.model_validate(step)


def samples(dead_at: float, back_at: float, end: float = 20.0, every: float = 0.1) -> tuple[Sample, ...]:
    """Return samples of a client: the master until it dies, nothing, then the secondary."""
    made = []
    for number in range(int(end / every)):
        start = number * every
        if start < dead_at:
            made.append(Sample(start, 0.01, "ok", 200, OWNERS["srv-web"]))
        elif start >= back_at:
            made.append(Sample(start, 0.01, "ok", 200, OWNERS["srv-web-bis"]))
        else:
            made.append(Sample(start, 2.0, "timeout"))
    return tuple(made)


def seen(detected: Interval | None = None, *, dead: float = 3.0, back: float = 15.0, **more: Any) -> Observation:
    found = samples(dead, back, **more)
    return Observation(found, exactly(dead + CLIENT_BEHIND), exactly(CLIENT_BEHIND), detected)


def figure(result: Result, name: str) -> float | None:
    return next(one.actual for one in result.measurements if one.name == name)


def outcomes(result: Result) -> dict[str, str]:
    return {one.name: one.outcome for one in result.measurements if one.limit is not None}


def test_detection_and_takeover_add_up_to_the_time_until_served() -> None:
    result = evaluate(measure(), seen(exactly(3.0 + CLIENT_BEHIND + 4.4)), OWNERS, 1.0)
    assert result.outcome == "passed"
    assert figure(result, "detection") == 4.4
    assert figure(result, "takeover") == 7.61
    assert figure(result, "served_after") == 12.01
    assert figure(result, "interruption") == 12.1
    assert figure(result, "failed") == 120
    assert result.message == "interruption 12.1 s, detection 4.4 s, takeover 7.6 s, 120 requests lost"


def test_a_limit_within_the_uncertainty_is_a_warning_and_beyond_it_a_failure() -> None:
    limited = measure(limits={"detection": 6})
    host = 3.0 + CLIENT_BEHIND
    doubtful = evaluate(limited, seen(Interval(host + 5.8, host + 6.2)), OWNERS, 1.0)
    assert (doubtful.outcome, outcomes(doubtful)) == ("warning", {"detection": "warning"})
    assert doubtful.message.endswith("; within the uncertainty of its limit: detection")
    late = evaluate(limited, seen(Interval(host + 6.1, host + 6.4)), OWNERS, 1.0)
    assert (late.outcome, late.problems) == ("failed", ("detection took 6.4 s, the limit is 6 s",))
    assert evaluate(limited, seen(Interval(host + 6.1, host + 6.4)), OWNERS, 2.0).outcome == "passed"


def test_nothing_passes_that_was_not_seen() -> None:
    result = evaluate(measure(limits={"detection": 6, "takeover": 9}), seen(None), OWNERS, 1.0)
    assert result.outcome == "failed"
    assert result.problems[0] == (
        "detection could not be seen (cause -> srv-web-bis says that srv-web is dead); the limit is 6 s"
    )


def test_a_page_that_goes_away_again_fails() -> None:
    found = (*samples(3.0, 15.0), *(Sample(20 + n / 10, 2.0, "timeout") for n in range(5)))
    observed = Observation(found, exactly(3.0 + CLIENT_BEHIND), exactly(CLIENT_BEHIND))
    result = evaluate(measure(), observed, OWNERS, 1.0)
    assert result.problems == ("http://192.168.200.5 was gone again at the end",)


def test_limits_on_counts_stretch_but_zero_stays_zero() -> None:
    assert outcomes(evaluate(measure(limits={"failed": 60}), seen(), OWNERS, 2.0)) == {"failed": "passed"}
    assert outcomes(evaluate(measure(limits={"failed": 0}), seen(), OWNERS, 50.0)) == {"failed": "failed"}


def balanced(*lost: Sample) -> Observation:
    """Return what a client sees behind a load balancer whose survivor serves on, but for some lost requests."""
    starts = {sample.start for sample in lost}
    served = [Sample(n / 10, 0.01, "ok", 200, OWNERS["srv-web-bis"]) for n in range(100) if n / 10 not in starts]
    cause = Interval(3.0 + CLIENT_BEHIND, 3.15 + CLIENT_BEHIND)
    return Observation((*served, *lost), cause, exactly(CLIENT_BEHIND))


def test_what_was_under_way_at_the_power_cut_is_counted_beside_the_limit() -> None:
    strict = measure(limits={"failed": 0}, detection=None)
    result = evaluate(strict, balanced(Sample(2.9, 5.0, "timeout")), OWNERS, 1.0)
    assert (result.outcome, figure(result, "failed"), figure(result, "in_flight")) == ("passed", 0, 1)
    assert result.message.endswith(", 0 requests lost and 1 that was under way")


def test_what_began_after_the_power_cut_is_held_against_the_limit() -> None:
    strict = measure(limits={"failed": 0}, detection=None)
    result = evaluate(strict, balanced(Sample(2.9, 5.0, "timeout"), Sample(3.2, 5.0, "timeout")), OWNERS, 1.0)
    assert (result.outcome, figure(result, "failed"), figure(result, "in_flight")) == ("failed", 1, 1)
    assert result.problems == ("1 requests failed, the limit is 0 requests",)


def test_what_may_have_begun_before_the_power_cut_or_after_it_is_a_doubt() -> None:
    strict = measure(limits={"failed": 0}, detection=None)
    result = evaluate(strict, balanced(Sample(3.1, 5.0, "timeout")), OWNERS, 1.0)
    assert (result.outcome, figure(result, "failed"), figure(result, "in_flight")) == ("warning", 1, 0)
    assert result.message.endswith("; within the uncertainty of its limit: failed")


@given(dead=st.floats(1, 8), gone=st.floats(0.2, 10), doubt=st.floats(0, 1))
def test_the_interruption_is_never_understated(dead: float, gone: float, doubt: float) -> None:
    found = samples(dead, dead + gone)
    observed = Observation(
        found,
        Interval(dead + CLIENT_BEHIND, dead + CLIENT_BEHIND + 0.05),
        Interval(CLIENT_BEHIND - doubt, CLIENT_BEHIND),
    )
    result = evaluate(measure(), observed, OWNERS, 1.0)
    interruption = figure(result, "interruption")
    assert interruption is not None
    assert gone - 0.11 <= interruption <= gone + 0.25
    served_after = next(one for one in result.measurements if one.name == "served_after")
    assert served_after.actual is not None
    assert served_after.actual - served_after.uncertainty - 0.001 <= gone + 0.12
    assert served_after.actual >= gone - 0.001
