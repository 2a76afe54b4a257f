"""Telling a guest that is slow from one that does nothing, while its boot is waited for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from vboxlab.errors import VboxlabError, WaitTimeout
from vboxlab.guest.readiness import GuestSilent
from vboxlab.hypervisor.driver import Work
from vboxlab.language import _
from vboxlab.lazily import dataclass

EVERY = 10.0  # seconds between two looks
SPAN = 60.0  # seconds that are judged, at most
TELL_AFTER = 30.0  # seconds of waiting before anything is told, and between two tellings
SHORTEST = 5.0  # seconds from which on anything is judged
# Of one processor. A Debian guest that waits at its prompt needs a few hundredths of one, emulated or not.
IDLE_SHARE = 0.2
# Of the time that a guest had to run: where the host let it wait for more than this, it is the host that is busy.
BUSY_SHARE = 0.3

State = Literal["idle", "working", "starved"]


@dataclass(frozen=True)
class Sample:
    """A machine's work at a moment (seconds on a clock that never goes back)."""

    at: float
    work: Work


@dataclass(frozen=True)
class Judgement:
    """What a machine did between two moments: seconds of processor time that it had and lacked, bytes printed."""

    span: float
    used: float
    waited: float
    printed: int

    @property
    def state(self) -> State:
        """Return whether the guest did nothing, worked, or would have worked more had the host let it."""
        wanted = self.used + self.waited
        if wanted < IDLE_SHARE * self.span:
            return "idle"
        return "starved" if self.waited > BUSY_SHARE * wanted else "working"

    @property
    def lines(self) -> tuple[str, ...]:
        """Return it in words."""
        texts = {
            "idle": _("the guest has used {used:.0f} s of processor time in the last {span:.0f} s: it is idle"),
            "working": _("the guest has used {used:.0f} s of processor time in the last {span:.0f} s: it is working"),
            "starved": _(
                "the guest has used {used:.0f} s of processor time in the last {span:.0f} s and waited {waited:.0f} s "
                "for a processor: it is working, and the host is busy"
            ),
        }
        told = texts[self.state].format(used=self.used, span=self.span, waited=self.waited)
        return (told,) if self.printed else (told, _("its serial console has printed nothing in that time"))


def judged(samples: Sequence[Sample]) -> Judgement | None:
    """Return what happened between the first sample and the last one; None when that is too short a time.

    A machine that was started anew in between has worked less than before: then nothing is known either.
    """
    if not samples:
        return None
    first, last = samples[0], samples[-1]
    span, used = last.at - first.at, last.work.processor - first.work.processor
    if span < SHORTEST or used < 0:
        return None
    waited = (last.work.waited or 0.0) - (first.work.waited or 0.0)
    return Judgement(span, used, max(0.0, waited), last.work.printed - first.work.printed)


class Watch:
    """Looks at a machine's work now and then while somebody waits for its guest, and reports what it sees."""

    def __init__(
        self,
        work: Callable[[], Work | None],
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._report = report
        self._clock = clock
        self._samples: deque[Sample] = deque()
        self._tell_at = clock() + TELL_AFTER

    def look(self) -> None:
        """Look if it is time to, and report what was seen if it is time to."""
        now = self._clock()
        if self._samples and now < self._samples[-1].at + EVERY:
            return
        self._take(now)
        found = judged(self._samples)
        if found is not None and now >= self._tell_at:
            self._tell_at = now + TELL_AFTER
            self._report(found.lines[0])

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Add to a wait that ended at its limit what the guest did last.

        To wait on is no advice where a guest is silent and idle. What passes on is a WaitTimeout in any case: the name
        of an error is told to programs.
        """
        try:
            yield
        except WaitTimeout as error:
            self._take(self._clock())
            found = judged(self._samples)
            details = (*error.details, *found.lines) if found is not None else error.details
            resolution = error.resolution
            if found is not None and found.state == "idle" and isinstance(error, GuestSilent):
                resolution = _(
                    "waiting longer will not help: look at the machine's console; where its boot gave up, "
                    "`vboxlab down --hard` and `vboxlab up` boot it anew"
                )
            raise WaitTimeout(error.brief, details=details, resolution=resolution) from error

    def _take(self, now: float) -> None:
        try:
            work = self._work()
        except VboxlabError:
            work = None
        if work is None:
            self._samples.clear()
            return
        self._samples.append(Sample(now, work))
        while len(self._samples) > 2 and self._samples[1].at <= now - SPAN:
            self._samples.popleft()
