"""What a measure comes to: from histories written by hand whose truth is known."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verification.histories import bounds, by, failover, figure, hung, interruption, judged, measured
from vboxlab.verification.history import Beat, History
from vboxlab.verification.judgements import judge
from vboxlab.verification.report import StepReport
from vboxlab.verification.samples import Sample
from vboxlab.verification.waterfall import told_in_words, waterfall

DETECTION = {"on": "srv-web-bis", "node": "srv-web"}


def limited(**limits: float) -> dict[str, Any]:
    return interruption(limits=limits)


def outcomes(step: StepReport) -> dict[str, str]:
    return {one.name: one.outcome for one in step.measurements if one.limit is not None}


def test_detection_and_takeover_add_up_to_the_time_until_served() -> None:
    step = judged(measured(failover(3.0, 15.0), step=interruption(detection=DETECTION), detected=[7.4]))
    assert step.outcome == "passed"
    assert bounds(step, "detection") == (4.4, 4.4)
    assert bounds(step, "takeover") == (7.6, 7.61)
    assert bounds(step, "served_after") == (12.0, 12.01)
    assert bounds(step, "failed") == (120, 120)
    assert step.message == "interruption 12.0 s, detection 4.4 s, takeover 7.6 s, 120 requests lost"


def test_an_interruption_is_known_as_closely_as_its_requests_are_spaced() -> None:
    assert bounds(judged(measured(failover(3.0, 15.0))), "interruption") == (11.89, 12.01)
    coarse = judged(measured(failover(3.0, 15.0, every=1.0), step=interruption(every=1.0)))
    assert bounds(coarse, "interruption") == (10.99, 12.01)


def test_a_limit_between_the_bounds_cannot_be_told_and_one_below_them_is_a_failure() -> None:
    def outcome(limit: float) -> str:
        return judged(measured(failover(3.0, 15.0), step=limited(interruption=limit))).outcome

    assert [outcome(limit) for limit in (12.1, 11.95, 11.8)] == ["passed", "unclear", "failed"]
    failed = judged(measured(failover(3.0, 15.0), step=limited(interruption=11.0)))
    assert failed.details == ("interruption took 12.0 s, the limit is 11 s",)
    doubtful = judged(measured(failover(3.0, 15.0), step=limited(interruption=11.95)))
    assert doubtful.details == ("interruption lies between 11.89 and 12.01, the limit is 11.95",)


def test_a_death_that_nobody_told_of_took_at_least_as_long_as_it_was_listened_for() -> None:
    wanted = interruption(detection=DETECTION, limits={"detection": 6})
    silent = judged(measured(failover(3.0, 15.0), step=wanted))
    assert (silent.outcome, bounds(silent, "detection")) == ("failed", (17.0, None))
    assert silent.details == ("detection took more than 17.0 s, the limit is 6 s",)
    unread = judged(measured(failover(3.0, 15.0), step=wanted, journal_code=127))
    assert (unread.outcome, bounds(unread, "detection")) == ("unclear", (None, None))


def test_a_line_from_before_the_cause_tells_of_another_death() -> None:
    wanted = interruption(detection=DETECTION, limits={"detection": 6})
    step = judged(measured(failover(3.0, 15.0), step=wanted, detected=[2.0, 2.9]))
    assert (step.outcome, figure(step, "detection").most) == ("failed", None)
    again = judged(measured(failover(3.0, 15.0), step=wanted, detected=[2.0, 7.5]))
    assert (again.outcome, bounds(again, "detection")) == ("passed", (4.5, 4.5))


def test_a_page_that_goes_silent_while_it_is_observed_fails_at_any_time_scale() -> None:
    """Requests under way at the end are waited for, so that they count: their answers never came."""
    for scale in (1.0, 3.0):
        silent = [s for s in failover(3.0, 5.0, end=9.0) if s.start < 6.0] + [
            hung(6.0 + number / 10, 2.0 * scale) for number in range(30)
        ]
        wanted = interruption(observe=3.0, limits={"interruption": 15})
        step = judged(measured(silent, step=wanted, end=9.0, run={"time_scale": scale}))
        assert step.outcome == "failed", scale
        assert step.details[0] == (
            "http://192.168.200.5 did not become steady: 30 of 39 requests after the first good answer were lost"
        )


def test_a_service_that_answers_half_of_the_requests_for_ever_has_not_come_back() -> None:
    half = [s for s in failover(3.0, 3.2) if s.start < 3.5 or round(s.start * 10) % 2]
    half += [Sample(n / 10, 0.01, "refused") for n in range(36, 200, 2)]
    step = judged(measured(half, step=limited(interruption=60)))
    assert step.outcome == "failed"
    assert "did not become steady" in step.details[0]
    assert figure(step, "interruption").most is None
    assert figure(step, "loss").least == pytest.approx(49, abs=2)
    assert figure(step, "longest_gap").most == pytest.approx(0.3)
    assert step.facts["lost, second by second"].startswith("0 s ")


def test_a_page_that_was_lost_for_a_moment_and_is_steady_again_was_gone_until_then() -> None:
    again = [s for s in failover(3.0, 5.0) if s.start != 10.0] + [hung(10.0)]
    step = judged(measured(again, step=limited(interruption=15)))
    assert (step.outcome, bounds(step, "interruption")) == ("passed", (6.99, 7.11))


def test_counts_are_never_stretched() -> None:
    for scale in (1.0, 50.0):
        step = judged(measured(failover(3.0, 15.0), step=limited(failed=119), run={"time_scale": scale}))
        assert outcomes(step) == {"failed": "failed"}


def test_what_programs_wait_by_their_own_settings_is_not_stretched() -> None:
    run = {"time_scale": 3.0, "own_seconds": {"srv-web-bis": 5.0}}
    wanted = interruption(detection=DETECTION, limits={"detection": 6, "takeover": 4, "interruption": 15})
    step = judged(measured(failover(3.0, 15.0), step=wanted, detected=[7.4], run=run))
    stretched = {one.name: one.scaled_limit for one in step.measurements if one.limit is not None}
    assert stretched == {"detection": 8.0, "takeover": 12.0, "interruption": 35.0}


def test_a_failure_before_the_cause_makes_what_follows_doubtful() -> None:
    broken = [s for s in failover(3.0, 15.0) if s.start != 1.0] + [Sample(1.0, 0.01, "refused")]
    step = judged(measured(broken, step=limited(interruption=15)))
    assert step.outcome == "unclear"
    assert step.details == ("1 request was lost before the cause already, so what followed may not come from it",)
    assert bounds(step, "failed") == (120, 120)


def balanced(*lost: Sample) -> list[Sample]:
    """Return what a client sees behind a load balancer whose survivor serves on, but for some lost requests."""
    starts = {sample.start for sample in lost}
    return [*(by("srv-web-bis", n / 10) for n in range(200) if n / 10 not in starts), *lost]


def test_what_was_under_way_at_the_power_cut_is_counted_beside_the_limit() -> None:
    step = judged(measured(balanced(hung(2.9, 5.0)), (3.0, 3.15), step=limited(failed=0)))
    assert (step.outcome, bounds(step, "failed"), bounds(step, "in_flight")) == ("passed", (0, 0), (1, 1))
    assert step.message.endswith(", 0 requests lost and 1 that was under way")


def test_what_began_after_the_power_cut_is_held_against_the_limit() -> None:
    step = judged(measured(balanced(hung(2.9, 5.0), hung(3.2, 5.0)), (3.0, 3.15), step=limited(failed=0)))
    assert (step.outcome, bounds(step, "failed"), bounds(step, "in_flight")) == ("failed", (1, 1), (1, 1))
    assert step.details == ("1 requests failed, the limit is 0 requests",)


def test_what_was_begun_before_the_power_was_surely_off_is_counted_beside() -> None:
    step = judged(measured(balanced(hung(3.1, 5.0)), (3.0, 3.15), step=limited(failed=0)))
    assert (step.outcome, bounds(step, "failed"), bounds(step, "in_flight")) == ("passed", (0, 0), (1, 1))


def test_an_interruption_has_no_meaning_where_the_successor_served_before() -> None:
    step = judged(measured(balanced(), step=limited(interruption=5)))
    found = figure(step, "interruption")
    assert (step.outcome, found.most) == ("unclear", None)
    assert found.meaning == "not meaningful: srv-web-bis served it before already"
    assert step.message == "longest gap 0.1 s, 0 requests lost"


def test_a_standstill_of_the_prober_is_no_interruption() -> None:
    """Nine seconds without a request, a heartbeat or an answer: nothing is known of them."""
    asleep = [s for s in failover(3.0, 3.4) if not 8.0 <= s.start < 17.0]
    step = judged(measured(asleep, step=limited(longest_gap=1.5), silent=(8.0, 17.0)))
    least, most = bounds(step, "longest_gap")
    assert least == pytest.approx(0.4, abs=0.15)
    assert most == pytest.approx(9.1, abs=0.15)
    assert step.outcome == "unclear"
    assert "nothing could be seen for" in step.facts


def test_a_request_given_up_while_the_computer_stood_still_is_no_loss() -> None:
    step = judged(measured(balanced(hung(9.0)), step=limited(failed=0), stood_still=(8.0, 11.0)))
    assert (step.outcome, bounds(step, "failed")) == ("unclear", (0, 1))
    refused = Sample(9.0, 0.01, "refused")
    step = judged(measured(balanced(refused), step=limited(failed=0), stood_still=(8.0, 11.0)))
    assert step.outcome == "failed"  # a refusal is an answer, however late it is read


def test_a_rate_that_was_not_kept_makes_figures_doubtful() -> None:
    slow = [s for n, s in enumerate(failover(3.0, 5.0)) if n % 4 == 0]
    step = judged(measured(slow, step=limited(interruption=15)))
    assert step.outcome == "unclear"
    assert step.details == ("only 2.5 of 10.0 requests a second could be made",)
    assert outcomes(step) == {"interruption": "unclear"}
    assert step.facts["sampling"] == "2.5 of 10.0 requests a second, widest spacing 0.40 s"


def test_below_nine_tenths_of_the_rate_a_missed_limit_cannot_be_told_either() -> None:
    """A client that asks too seldom may have missed that the page was back: only nine tenths of the rate can tell."""
    for left_out, verdict in ((9, "unclear"), (12, "failed")):
        seen = [s for n, s in enumerate(failover(3.0, 15.0)) if n % left_out]
        step = judged(measured(seen, step=limited(interruption=5)))
        assert (step.outcome, outcomes(step)) == (verdict, {"interruption": verdict}), left_out
    assert judged(measured(seen, step=limited(interruption=15))).outcome == "passed"


def test_a_rate_is_counted_by_what_the_prober_has_begun_not_by_what_it_has_told() -> None:
    seen = [s for n, s in enumerate(failover(3.0, 5.0)) if n % 4 == 0]
    history = measured(seen, step=limited(interruption=15))
    every_begun = [
        one.model_copy(update={"begun": round(one.monotonic * 10)}) if isinstance(one, Beat) else one
        for one in history.records
    ]
    step = judged(History(every_begun))
    assert step.facts["sampling"].startswith("10.0 of 10.0 requests a second")


def test_a_slow_pace_of_which_few_fit_is_kept() -> None:
    seldom = judged(measured(failover(3.0, 5.0, every=5.0), step=interruption(every=5.0, limits={"interruption": 15})))
    assert (seldom.outcome, seldom.details) == ("passed", ())


def test_a_standstill_takes_nothing_off_the_rate() -> None:
    asleep = [s for s in failover(3.0, 3.4) if not 8.0 <= s.start < 17.0]
    step = judged(measured(asleep, step=limited(served_after=5), silent=(8.0, 17.0)))
    assert (step.outcome, step.details) == ("passed", ())
    assert step.facts["sampling"].startswith("10.0 of 10.0 requests a second")


def test_nothing_is_told_of_a_prober_that_was_killed() -> None:
    step = judged(measured(failover(3.0, 15.0), step=limited(interruption=15), prober="it said nothing more"))
    assert (step.outcome, step.message) == ("unclear", "the prober did not end as it was asked to")
    assert step.details == ("it said nothing more",)
    missing = judged(measured(failover(3.0, 15.0), step=limited(interruption=15), begun=205))
    assert (missing.outcome, missing.details) == ("unclear", ("of 5 requests the end was not told",))


def test_nobody_who_never_served_has_taken_over() -> None:
    step = judged(measured(failover(3.0, 99.0), step=limited(interruption=15), gave_up="srv-web-bis is off"))
    assert step.outcome == "failed"
    assert step.details == (
        "interruption took more than 16.9 s, the limit is 15 s",
        "srv-web-bis did not serve http://192.168.200.5 after srv-web is powered off brutally",
        "srv-web-bis is off",
    )


def test_nothing_was_caused_while_the_page_was_not_served() -> None:
    step = judged(measured([hung(n / 10) for n in range(20)], None, gave_up="http://192.168.200.5 did not answer"))
    assert step.outcome == "failed"
    assert step.message.endswith("was not served steadily for 2 s before, so nothing was done")


@given(dead=st.floats(1, 8), gone=st.floats(0.2, 10))
def test_the_true_interruption_lies_between_its_bounds(dead: float, gone: float) -> None:
    step = judged(measured(failover(dead, dead + gone), (dead, dead + 0.05)))
    least, most = bounds(step, "interruption")
    assert least is not None
    assert most is not None
    assert least - 0.001 <= gone <= most + 0.001
    assert most - least <= 0.35
    low, high = bounds(step, "served_after")
    assert low is not None
    assert high is not None
    assert low - 0.051 <= gone <= high + 0.001


@given(
    lost=st.sets(st.integers(30, 170), max_size=40),
    still=st.none() | st.tuples(st.floats(0, 15), st.floats(0.1, 5)),
    limit=st.floats(0.1, 20),
)
def test_no_pass_is_earned_by_a_standstill(lost: set[int], still: tuple[float, float] | None, limit: float) -> None:
    """What passes with a standstill passes without it, and what fails does too: it can only make things unclear."""
    seen = balanced(*(hung(number / 10) for number in sorted(lost)))
    wanted = limited(longest_gap=limit, failed=10)
    plain = judged(measured(seen, step=wanted)).outcome
    gap = None if still is None else (still[0], still[0] + still[1])
    doubtful = judged(measured(seen, step=wanted, stood_still=gap)).outcome
    assert doubtful in (plain, "unclear")


def test_the_same_history_always_comes_to_the_same_report() -> None:
    history = measured(failover(3.0, 15.0), step=interruption(detection=DETECTION), detected=[7.4])
    assert judge(history) == judge(history)


STAGES = {"resources taken over": (1.0, 9.5), "service started": (14.25,), "address set": (12.0, 13.0), "ARP": ()}


def test_a_takeover_is_broken_down_into_its_steps_in_the_order_of_time() -> None:
    wanted = interruption(detection=DETECTION)
    step = judged(measured(failover(3.0, 15.0), step=wanted, detected=[7.4], stages=STAGES))
    assert [(stage.name, stage.moment.high) for stage in step.stages] == [
        ("said to be dead", 4.4), ("resources taken over", 6.5), ("address set", 9.0), ("service started", 11.25),
        ("first answer", 12.01),
    ]  # fmt: skip
    assert told_in_words(step) == (
        "said to be dead +4.4 s, resources taken over +2.1 s, address set +2.5 s, service started +2.2 s, "
        "first answer +0.8 s"
    )
    drawn = ET.fromstring(waterfall(step))
    assert len([one for one in drawn.iter() if one.get("class") == "took"]) == 5


def test_what_was_logged_before_the_death_or_after_the_first_answer_is_no_step() -> None:
    wanted = interruption(detection=DETECTION)
    early = judged(measured(failover(3.0, 15.0), step=wanted, detected=[7.4], stages={"a": (2.0,), "b": (17.0,)}))
    assert [stage.name for stage in early.stages] == ["said to be dead", "first answer"]


def test_nothing_is_broken_down_where_nobody_told_of_the_death_or_nobody_served() -> None:
    wanted = interruption(detection=DETECTION)
    assert judged(measured(failover(3.0, 15.0), step=wanted, stages=STAGES)).stages == ()
    assert judged(measured(failover(3.0, 99.0), step=wanted, detected=[7.4], stages=STAGES)).stages == ()
    assert judged(measured(failover(3.0, 15.0), step=wanted, detected=[7.4], journal_code=1)).stages == ()


def test_where_the_survivor_served_before_nobody_takes_over_and_no_answer_ends_it() -> None:
    wanted = interruption(detection=DETECTION, limits={"takeover": 60})
    step = judged(measured(balanced(), step=wanted, detected=[4.25], stages={"taken out of the table": (4.5,)}))
    assert [(stage.name, stage.moment.high) for stage in step.stages] == [
        ("said to be dead", 1.25), ("taken out of the table", 1.5),
    ]  # fmt: skip
    takeover = next(one for one in step.measurements if one.name == "takeover")
    assert (takeover.most, takeover.outcome, step.outcome) == (None, "unclear", "unclear")
