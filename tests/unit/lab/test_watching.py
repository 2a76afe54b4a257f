"""What is told of a guest that is waited for: whether it is idle, works, or has no processor of the host."""

from __future__ import annotations

import pytest

from vboxlab.errors import DriverError, WaitTimeout
from vboxlab.guest.readiness import GuestSilent
from vboxlab.hypervisor.driver import Work
from vboxlab.lab.watching import Judgement, Sample, Watch, judged

IDLE = "the guest has used 3 s of processor time in the last 60 s: it is idle"
SILENT_CONSOLE = "its serial console has printed nothing in that time"


class Machine:
    """A machine by the clock: each second it works, and waits for the host, for so long."""

    def __init__(self, works: float, waits: float = 0.0, prints: float = 0.0) -> None:
        self.works, self.waits, self.prints = works, waits, prints
        self.now = 1000.0
        self.reported: list[str] = []
        self.unknown = False
        self.watch = Watch(self.work, self.reported.append, lambda: self.now)

    def work(self) -> Work | None:
        if self.unknown:
            raise DriverError("QEMU does not answer")
        return Work(self.now * self.works, self.now * self.waits, int(self.now * self.prints))

    def live(self, seconds: int) -> Machine:
        for _second in range(seconds):
            self.watch.look()
            self.now += 1
        return self

    def given_up(self, error: WaitTimeout) -> WaitTimeout:
        with pytest.raises(WaitTimeout) as caught, self.watch.explaining():
            raise error
        assert (type(caught.value), caught.value.brief) == (WaitTimeout, error.brief)
        return caught.value


@pytest.mark.parametrize(
    ("used", "waited", "state"),
    [
        (0.0, 0.0, "idle"),
        (0.7, 1.4, "idle"),  # a Debian guest at its prompt, on a host that is busy
        (11.0, 0.0, "idle"),
        (13.0, 0.0, "working"),
        (57.0, 2.0, "working"),
        (12.0, 48.0, "starved"),  # one that boots on that host
        (0.5, 55.0, "starved"),
    ],
)
def test_a_guest_is_judged_by_what_it_had_and_what_it_lacked(used: float, waited: float, state: str) -> None:
    assert Judgement(60.0, used, waited, 0).state == state


def test_nothing_is_judged_of_too_short_a_time_or_of_a_machine_that_was_started_anew() -> None:
    assert judged([]) is None
    assert judged([Sample(0, Work(1.0, 0.0, 0)), Sample(4, Work(2.0, 0.0, 0))]) is None
    assert judged([Sample(0, Work(9.0, 0.0, 0)), Sample(40, Work(2.0, 0.0, 0))]) is None
    assert judged([Sample(0, Work(1.0, None, 5)), Sample(10, Work(9.0, None, 7))]) == Judgement(10, 8.0, 0.0, 2)


def test_what_is_seen_is_told_after_half_a_minute_and_again_each_half_minute() -> None:
    assert Machine(0.05).live(30).reported == []
    told = Machine(0.95).live(120).reported
    assert told == [
        "the guest has used 28 s of processor time in the last 30 s: it is working",
        "the guest has used 57 s of processor time in the last 60 s: it is working",
        "the guest has used 57 s of processor time in the last 60 s: it is working",
    ]
    assert Machine(0.05).live(70).reported[-1] == IDLE


def test_an_idle_guest_that_never_answered_is_not_to_be_waited_for_longer() -> None:
    error = Machine(0.05).live(300).given_up(GuestSilent("box: no SSH server answers", resolution="wait longer"))
    assert error.details == (IDLE, SILENT_CONSOLE)
    assert error.resolution is not None
    assert error.resolution.startswith("waiting longer will not help: ")


def test_a_guest_that_works_keeps_the_advice_to_wait() -> None:
    error = Machine(0.2, 0.7, prints=1).live(300).given_up(GuestSilent("box: no SSH server answers", resolution="wait"))
    (told,) = error.details
    assert told == (
        "the guest has used 12 s of processor time in the last 60 s and waited 42 s for a processor: "
        "it is working, and the host is busy"
    )
    assert error.resolution == "wait"


def test_a_guest_that_answers_keeps_its_own_advice() -> None:
    error = Machine(0.05).live(300).given_up(WaitTimeout("its boot does not end", resolution="look at the jobs"))
    assert error.details[0] == IDLE
    assert error.resolution == "look at the jobs"


def test_nothing_is_told_where_nothing_is_known() -> None:
    machine = Machine(0.05)
    machine.unknown = True
    error = machine.live(300).given_up(GuestSilent("box: no SSH server answers", details=["why"], resolution="wait"))
    assert (machine.reported, error.details, error.resolution) == ([], ("why",), "wait")
