"""The prober: one process in a guest that samples a page, and the thread here that listens to it."""

from __future__ import annotations

import math
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from importlib.resources import files
from urllib.parse import urlsplit

from vboxlab.errors import InfrastructureTrouble, VboxlabError
from vboxlab.guest.executor import Executor, Stream
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass
from vboxlab.verification.clocks import Interval, combine, offset_bounds
from vboxlab.verification.samples import ClockReading, End, ProberLines, Refusal, Sample
from vboxlab.waiting import Deadline


@dataclass(frozen=True)
class ProbeSpec:
    """What to sample: a page each so many seconds; `count` 0 goes on until stopped, at most `life` seconds."""

    url: str
    every: float = 0.1
    timeout: float = 2.0
    count: int = 0
    life: float = 900.0

    @property
    def script(self) -> str:
        """Return the shell script that runs the prober: the program travels as one quoted argument."""
        url = urlsplit(self.url)
        host, path = url.hostname or "", url.path or "/"
        numbers = (f"{self.every:g}", f"{self.timeout:g}", str(self.count), f"{self.life:g}")
        query = f"{path}?{url.query}" if url.query else path
        words = (host, str(url.port or 80), url.netloc, query, *numbers)
        return f"exec perl -e {shlex.quote(prober_program())} -- {shlex.join(words)}"

    def __str__(self) -> str:
        if not self.count:
            text = _("prober: requests to {url}, each {every:g} s, time-out {timeout:g} s")
        else:
            text = n_(
                "prober: {count} request to {url}, each {every:g} s, time-out {timeout:g} s",
                "prober: {count} requests to {url}, each {every:g} s, time-out {timeout:g} s",
                self.count,
            )
        return text.format(count=self.count, url=self.url, every=self.every, timeout=self.timeout)


def prober_program() -> str:
    """Return the text of prober.pl, without comments at the line starts and blank lines: less to send."""
    text = files("vboxlab.verification").joinpath("prober.pl").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))


def probe(executor: Executor, spec: ProbeSpec) -> list[Sample]:
    """Run a prober with a count to its end and return its samples, in the order of their starts.

    Raises InfrastructureTrouble when it cannot run, GuestError and WaitTimeout as the executor does.
    """
    patience = spec.count * max(spec.every, spec.timeout) + 30.0
    completed = executor.run(spec.script, timeout=min(patience, spec.life + 30.0))
    readings = _Readings(executor.machine)
    for line in completed.stdout.splitlines():
        readings.add(line, arrived=0.0)
    if not readings.ended:
        details = [part for part in (readings.trouble, completed.stderr.strip()) if part]
        brief = _("{machine}: the prober could not run").format(machine=executor.machine)
        raise InfrastructureTrouble(brief, details=details)
    return sorted(readings.samples, key=lambda sample: sample.start)


@dataclass
class _Readings:
    """What has come from a prober so far."""

    machine: str
    samples: list[Sample] = field(default_factory=list)
    clocks: list[tuple[ClockReading, float]] = field(default_factory=list)
    ended: bool = False
    trouble: str = ""
    _lines: ProberLines = field(default_factory=ProberLines)

    def add(self, line: str, arrived: float) -> None:
        try:
            said = self._lines.read(line)
        except ValueError as error:
            self.trouble = str(error)
            return
        match said:
            case Sample():
                self.samples.append(said)
            case ClockReading():
                self.clocks.append((said, arrived))
            case End():
                self.ended = True
            case Refusal(reason):
                self.trouble = reason


class Prober:
    """A prober at work in a guest. Use `probing` to make one."""

    def __init__(self, machine: str, stream: Stream, asked: float, real_offset: Interval | None = None) -> None:
        self.machine = machine
        self._real_offset = real_offset
        self._stream = stream
        self._asked = asked
        self._readings = _Readings(machine)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._error: VboxlabError | None = None
        self._thread = threading.Thread(target=self._listen, name=f"prober of {machine}", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            for line in self._stream.lines():
                arrived = time.monotonic()
                with self._lock:
                    self._readings.add(line, arrived)
        except VboxlabError as error:
            self._error = error
        finally:
            self._over.set()

    @property
    def samples(self) -> list[Sample]:
        """Return the samples so far, in the order of their starts."""
        with self._lock:
            return sorted(self._readings.samples, key=lambda sample: sample.start)

    @property
    def offset(self) -> Interval:
        """Return the bounds of the host's monotonic clock minus the guest's monotonic one.

        The lines that arrive give a close upper bound, as they take no time to come; the lower bound is as far away as
        the prober took to start, or, where the guest's other clock was measured before, as that measurement is.
        Raises InfrastructureTrouble before the prober has told its clock.
        """
        with self._lock:
            clocks = list(self._readings.clocks)
        if not clocks:
            raise InfrastructureTrouble(_("{machine}: the prober has not told its clock").format(machine=self.machine))
        bounds = offset_bounds(self._asked, [(reading.monotonic, arrived) for reading, arrived in clocks])
        if self._real_offset is None:
            return bounds
        ahead = [reading.real - reading.monotonic for reading, _arrived in clocks]
        return combine(bounds, self._real_offset.plus(Interval(min(ahead), max(ahead))))

    def wait_for_start(self, deadline: Deadline) -> None:
        """Wait for the prober's first word. Raises InfrastructureTrouble when it does not come in time."""
        while not self._readings.clocks:
            if self._over.is_set():
                raise self._trouble()
            if deadline.expired:
                late = _("{machine}: the prober did not start in time").format(machine=self.machine)
                raise InfrastructureTrouble(late)
            time.sleep(0.02)

    def wait(self, condition: Callable[[list[Sample]], bool], deadline: Deadline) -> bool:
        """Wait until the samples so far fulfil a condition; False at the deadline. Raises InfrastructureTrouble."""
        while not condition(self.samples):
            if self._over.is_set():
                raise self._trouble()
            if deadline.expired:
                return False
            time.sleep(deadline.capped(0.1))
        return True

    def pause(self, seconds: float) -> None:
        """Let the prober sample on for so many seconds. Raises InfrastructureTrouble when it ends meanwhile."""
        if self._over.wait(seconds):
            raise self._trouble()

    def finish(self) -> None:
        """Stop the prober and wait until everything that it said is here."""
        self._stream.stop()
        self._thread.join(timeout=10.0)

    def _trouble(self) -> InfrastructureTrouble:
        with self._lock:
            details = [part for part in (self._readings.trouble, str(self._error or "")) if part]
        brief = _("{machine}: the prober has ended by itself").format(machine=self.machine)
        return InfrastructureTrouble(brief, details=details)


@contextmanager
def probing(
    executor: Executor, spec: ProbeSpec, *, within: float = 30.0, real_offset: Interval | None = None
) -> Iterator[Prober]:
    """Run a prober while the context lasts; entered when it has told its clock.

    `real_offset`, the host's monotonic clock minus the guest's real one, makes the prober's offset closer.
    Raises InfrastructureTrouble when it says nothing within so many seconds, GuestError as the executor does.
    """
    asked = time.monotonic()
    with executor.stream(spec.script) as stream:
        prober = Prober(executor.machine, stream, asked, real_offset)
        try:
            prober.wait_for_start(Deadline.after(within))
            yield prober
        finally:
            prober.finish()


def good_for(samples: list[Sample], seconds: float) -> bool:
    """Tell whether only good answers came over the last so many seconds of sampling, at least one in any case."""
    if not samples:
        return False
    last_bad = max((s.start for s in samples if not s.good), default=-math.inf)
    good = [s.end for s in samples if s.good and s.start > last_bad]
    return bool(good) and max(good) - min(good) >= seconds
