"""What samples and clock readings say: properties and values."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vboxlab.verification.clocks import Interval, combine, exactly, offset_bounds
from vboxlab.verification.outages import Stretch, Watched, joined, longest_gap, losses, slow, standstills
from vboxlab.verification.samples import (
    UNKNOWN,
    ClockReading,
    End,
    Owners,
    ProberLines,
    Refusal,
    Sample,
    distribution,
    failed,
    rate,
    slowest,
    uneven,
    widest_spacing,
)

OWNERS = Owners.of({"srv-web": "<h1>Srv-Web de theodore</h1>", "srv-web-bis": "<h1>Srv-Web-bis de theodore</h1>"})
moments = st.floats(min_value=0, max_value=1000, allow_nan=False)
durations = st.floats(min_value=0, max_value=5, allow_nan=False)


@st.composite
def any_sample(draw: st.DrawFn) -> Sample:
    good = draw(st.booleans())
    mark = draw(st.sampled_from([(0,), (1,), ()]))
    start, duration = draw(moments), draw(durations)
    return Sample(start, duration, "ok", 200, "a page", mark) if good else Sample(start, duration, "timeout")


samples = st.lists(any_sample(), max_size=40)


def watched(found: list[Sample], *stills: Stretch) -> Watched:
    return Watched(tuple(found), max((s.start for s in found), default=0.0), joined(stills))


@given(samples)
def test_no_gap_between_good_answers_is_longer_than_the_longest(found: list[Sample]) -> None:
    gap = longest_gap(watched(found), -1.0)
    ends = sorted({s.end for s in found if s.good})
    for earlier, later in pairwise(ends):
        assert gap is not None
        assert later - earlier <= gap.high + 1e-9


@given(samples)
def test_every_good_answer_is_counted_once(found: list[Sample]) -> None:
    good = len(found) - failed(found)
    assert sum(distribution(found, OWNERS).values()) == good
    assert slow(watched(found), -1.0, slowest(found)) == Interval(0, 0)


@given(samples, moments, st.none() | st.tuples(moments, durations))
def test_every_lost_request_is_counted_once(
    found: list[Sample], fault: float, still: tuple[float, float] | None
) -> None:
    stills = [] if still is None else [Stretch(still[0], still[0] + still[1])]
    counted = losses(watched(found, *stills), Interval(fault, fault + 0.5), patience=2.0)
    assert counted.failed + counted.unclear + counted.in_flight + counted.before == failed(found)
    if still is None:
        assert counted.failed == len([s for s in found if not s.good and s.start >= fault + 0.5])


@given(samples)
def test_order_does_not_matter(found: list[Sample]) -> None:
    backwards = list(reversed(found))
    assert longest_gap(watched(found), 0.0) == longest_gap(watched(backwards), 0.0)
    assert rate(found) == rate(backwards)
    assert widest_spacing(found) == widest_spacing(backwards)


def test_a_prober_that_gives_no_sign_of_life_stood_still() -> None:
    assert list(standstills([0.0, 0.25, 0.5, 3.0, 3.9])) == [Stretch(0.5, 3.0)]
    assert joined([Stretch(5, 7), Stretch(0, 2), Stretch(1, 3)]) == (Stretch(0, 3), Stretch(5, 7))


@given(
    offset=st.floats(-1e6, 1e6),
    asked=moments,
    delays=st.lists(st.tuples(durations, durations), min_size=1, max_size=10),
)
def test_the_true_offset_lies_within_its_bounds(offset: float, asked: float, delays: list[tuple[float, float]]) -> None:
    arrivals, now = [], asked
    for there, back in delays:
        now += there
        arrivals.append((now - offset, now + back))
    bounds = offset_bounds(asked, arrivals)
    assert bounds.low - 1e-6 <= offset <= bounds.high + 1e-6


def test_a_two_hour_gap_in_clocks_is_not_hidden_by_combining() -> None:
    assert combine(Interval(0, 2), Interval(1, 3)) == Interval(1, 2)
    assert combine(Interval(0, 1), Interval(7200, 7201)) == Interval(0, 7201)


def test_intervals_add_their_doubt() -> None:
    assert Interval(1, 2).plus(Interval(10, 20)) == Interval(11, 22)
    assert Interval(10, 12).minus(Interval(1, 2)) == Interval(8, 11)
    assert exactly(3).width == 0


def test_reads_what_the_prober_prints() -> None:
    lines = ProberLines()
    assert lines.read("C 12.5 1700000000.25 7") == ClockReading(12.5, 1700000000.25, 7)
    assert lines.read("B 1 <h1>Srv-Web%20de%20th%C3%A9odore</h1>%0A") is None
    page = "<h1>Srv-Web de théodore</h1>\n"
    assert lines.read("S 12.600000 0.004000 ok 200 0,2 1") == Sample(12.6, 0.004, "ok", 200, page, (0, 2))
    assert lines.read("S 12.7 2.0 timeout 0 - 0") == Sample(12.7, 2.0, "timeout")
    assert lines.read("E 9") == End(9)
    assert lines.read("X the name x does not resolve") == Refusal("the name x does not resolve")


@pytest.mark.parametrize(
    "line",
    ["", "S 1 2 ok 200", "S 1 2 great 200 - 0", "S 1 2 ok 200 - 7", "S 1 2 ok 200 x 0", "E", "sh: 1: perl: not found"],
)
def test_refuses_lines_that_are_not_the_probers(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of the prober"):
        ProberLines().read(line)


def test_only_what_was_under_way_at_the_fault_is_excused() -> None:
    def blamed(sample: Sample) -> str:
        counted = losses(watched([sample]), Interval(10.0, 10.2), patience=1.5)
        return next((name for name in ("before", "in_flight", "failed", "unclear") if getattr(counted, name)), "")

    def lost(start: float, until: float) -> str:
        return blamed(Sample(start, until - start, "timeout"))

    assert lost(9.9, 14.9) == lost(8.5, 13.5) == "in_flight"
    assert lost(10.0, 15.0) == lost(10.1, 15.1) == "in_flight"
    assert lost(10.2, 15.2) == "failed"
    assert lost(8.4, 13.4) == lost(9.0, 9.9) == "before"
    assert not blamed(Sample(9.9, 0.2, "ok", 200))


def test_a_page_belongs_to_the_machine_whose_page_it_is() -> None:
    def served(*marks: int) -> str:
        return OWNERS.served(Sample(0.0, 0.1, "ok", 200, marks=marks))

    assert (served(0), served(1), served()) == ("srv-web", "srv-web-bis", UNKNOWN)
    nested = Owners.of({"empty": " ", "short": "Web", "long": "Web de x"})
    assert nested.machines == ("short", "long")
    assert nested.served(Sample(0.0, 0.1, "ok", 200, marks=(0, 1))) == "long"


def test_says_what_is_uneven() -> None:
    both = ("srv-web", "srv-web-bis")
    assert uneven({"srv-web": 10, "srv-web-bis": 10}, both, 20, 0) == []
    assert uneven({"srv-web": 11, "srv-web-bis": 9}, both, 20, 1) == []
    assert uneven({"srv-web": 20}, both, 20, 2) == [
        "srv-web served 20 of 20, expected 10 (give or take 2)",
        "srv-web-bis served 0 of 20, expected 10 (give or take 2)",
    ]
    assert uneven({"srv-web-bis": 18, "srv-web": 1}, ("srv-web-bis",), 20, 2) == [
        "the page of srv-web came 1 times, expected never",
        "1 of 20 requests got no good answer",
    ]
