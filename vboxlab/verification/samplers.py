"""Watching the invariants of a scenario while it runs: one long-running sampler in each machine that is looked at.

A sampler is one process and one channel of the connection that there is already. When its machine goes away it is
started anew as soon as the machine can be reached again; meanwhile the hypervisor is asked whether it is off.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from vboxlab.errors import VboxlabError
from vboxlab.guest.executor import Stream
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.invariants import AnswersInvariant, HoldersInvariant, InvariantStep
from vboxlab.topology.scenario import ScenarioStep
from vboxlab.verification.history import AnyRecord, Beat
from vboxlab.verification.probes import ProbeSpec, program_text, request
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.samples import ClockReading, ProberLines, Refusal, Sample
from vboxlab.verification.sightings import Claimed, PowerSeen, SamplerBegun, SamplerEnded, Sighted, WatchEnded
from vboxlab.verification.subject import LabUnderTest
from vboxlab.waiting import Deadline

AGAIN = 0.5  # seconds between tries to reach a machine that has gone away
LONGEST_PAUSE = 15.0  # seconds between tries of a sampler that can say nothing
ENDING = 5.0  # seconds that a sampler has to end once its input has ended
FIRST_WORDS = 30.0  # seconds, times the scale, that samplers have before the first step begins
LAST_WORDS = 15.0  # seconds, times the scale, in which a machine that was started at the end is seen again
ASKED_EVERY = 0.5  # seconds between two questions by ARP, times the scale
Understand = Callable[[str, float], AnyRecord | None]
"""What a line that arrived at a moment says, None for one that says nothing by itself."""


@dataclass(frozen=True)
class Sampling:
    """A process to keep running in a machine, and how its lines become records."""

    step: int
    machine: str
    script: str
    root: bool
    understand: Callable[[], Understand]


def samplings(step: int, invariant: InvariantStep, scale: float) -> list[Sampling]:
    """Return what is to run, and where, so that an invariant can be judged. `step` is its number."""
    if isinstance(invariant, AnswersInvariant):
        spec = ProbeSpec.of(invariant, scale, life=10.0**6)
        return [Sampling(step, invariant.source, spec.script, spec.as_root, lambda: _asked(step, invariant.source))]
    looks = [_look(step, machine, invariant, scale) for machine in invariant.on]
    if invariant.source is not None:
        script = _script("arp", ASKED_EVERY * scale, str(invariant.address))
        looks.append(Sampling(step, invariant.source, script, True, lambda: _understood(step, str(invariant.source))))
    return looks


def _look(step: int, machine: str, invariant: HoldersInvariant, scale: float) -> Sampling:
    words = ("address", str(invariant.address)) if invariant.address else ("command", invariant.shows)
    script = _script(words[0], invariant.every * scale, words[1], *invariant.run)
    return Sampling(step, machine, script, bool(invariant.run), lambda: _understood(step, machine))


def _script(kind: str, every: float, *asked: str) -> str:
    return f"exec perl -e {shlex.quote(program_text('sampler.pl'))} -- {shlex.join((kind, f'{every:g}', *asked))}"


def _understood(step: int, machine: str) -> Understand:
    def understand(line: str, at: float) -> AnyRecord | None:
        match line.split():
            case ["M", *cards]:
                return SamplerBegun(at=at, step=step, machine=machine, cards=tuple(cards))
            case ["H", moment, ("0" | "1" | "?") as holds]:
                known = None if holds == "?" else holds == "1"
                return Sighted(at=at, step=step, machine=machine, monotonic=float(moment), holds=known)
            case ["A", moment, told, *cards]:
                return Claimed(at=at, step=step, machine=machine, monotonic=float(moment), told=float(told),
                               cards=tuple(cards))  # fmt: skip
            case ["X", *words]:
                return SamplerEnded(at=at, step=step, machine=machine, reason=" ".join(words))
        raise ValueError(line)

    return understand


def _asked(step: int, machine: str) -> Understand:
    lines = ProberLines()
    begun = False

    def understand(line: str, at: float) -> AnyRecord | None:
        nonlocal begun
        match lines.read(line):
            case ClockReading() if not begun:
                begun = True
                return SamplerBegun(at=at, step=step, machine=machine)
            case ClockReading() as beat:
                return Beat(at=at, step=step, monotonic=beat.monotonic, real=beat.real, begun=beat.begun)
            case Sample() as sample:
                return request(sample, at, step)
            case Refusal(reason):
                return SamplerEnded(at=at, step=step, machine=machine, reason=reason)
        return None

    return understand


@contextmanager
def watching(steps: Sequence[ScenarioStep], lab: LabUnderTest, scale: float, recorder: Recorder) -> Iterator[None]:
    """Sample what the invariants among some steps are about, while the context lasts. Steps are counted from 1."""
    wanted = [
        sampling
        for number, step in enumerate(steps, start=1)
        if isinstance(step, InvariantStep)
        for sampling in samplings(number, step, scale)
    ]
    samplers = _Samplers(lab, recorder, wanted)
    samplers.start(FIRST_WORDS * scale)
    try:
        yield
    finally:
        samplers.stop(LAST_WORDS * scale)


class _Samplers:
    """The samplers of a run."""

    def __init__(self, lab: LabUnderTest, recorder: Recorder, wanted: Sequence[Sampling]) -> None:
        self._recorder = recorder
        self._kept = [_Kept(lab, recorder, sampling) for sampling in wanted]

    def start(self, within: float) -> None:
        """Start all, and wait at most so many seconds until each has said something or cannot."""
        for one in self._kept:
            one.thread.start()
        for one in self._kept:
            one.settled.wait(within)

    def stop(self, within: float) -> None:
        """End all, and return when they have ended; those of machines just started are waited for so many seconds."""
        deadline = Deadline.after(within)
        while not deadline.expired and any(one.is_reaching for one in self._kept):
            time.sleep(deadline.capped(0.1))
        self._recorder.add(WatchEnded(at=self._recorder.now()))
        for one in self._kept:
            one.stop()
        for one in self._kept:
            one.thread.join(ENDING)


class _Kept:
    """One sampler that is kept running, by a thread of its own."""

    def __init__(self, lab: LabUnderTest, recorder: Recorder, sampling: Sampling) -> None:
        self._lab, self._recorder, self._sampling = lab, recorder, sampling
        self._over = threading.Event()
        self._stream: Stream | None = None
        self._power = ""
        self._is_heard = self._was_heard = False
        self.settled = threading.Event()
        name = f"sampler of {sampling.machine}"
        self.thread = threading.Thread(target=self._keep, name=name, daemon=True)

    @property
    def is_reaching(self) -> bool:
        """Tell whether a machine that was heard before runs, and has not been heard since it does."""
        return self._was_heard and not self._is_heard and self._power == "running"

    def stop(self) -> None:
        """Tell the sampler to end."""
        self._over.set()
        stream = self._stream
        if stream is not None:
            with suppress(VboxlabError, OSError, EOFError):
                stream.end_input()

    def _keep(self) -> None:
        pause = AGAIN
        while not self._over.is_set():
            reason = ""
            try:
                if self._is_running():
                    reason = self._listen()
            except Exception as error:  # noqa: BLE001 -- it must be told in the history, not end the thread
                reason = str(error) or type(error).__name__
            if reason and not self._over.is_set():
                self._end(reason)
            self.settled.set()
            is_vain = bool(reason) and not self._was_heard
            pause = min(2 * pause, LONGEST_PAUSE) if is_vain else AGAIN
            self._over.wait(pause)
        self._end("")

    def _is_running(self) -> bool:
        power = self._lab.power(self._sampling.machine)
        if power.value != self._power:
            self._power = power.value
            self._add(PowerSeen(at=self._recorder.now(), step=self._sampling.step, machine=self._sampling.machine,
                                power=power.value))  # fmt: skip
        return power.value == "running"

    def _listen(self) -> str:
        """Let the sampler run to its end, and return why it ended."""
        machine, understand = self._sampling.machine, self._sampling.understand()
        with self._lab.executor(machine).stream(self._sampling.script, root=self._sampling.root) as stream:
            self._stream = stream
            if self._over.is_set():  # it was told to end before there was a stream to end
                return ""
            try:
                for line in stream.lines():
                    said = understand(line, self._recorder.now())
                    if isinstance(said, SamplerEnded):
                        return said.reason
                    if said is not None:
                        self._add(said)
                        self._is_heard = self._was_heard = not isinstance(said, SamplerBegun)
                        self.settled.set()
            finally:
                self._stream = None
                self._is_heard = False
        return _("it said nothing more")

    def _end(self, reason: str) -> None:
        sampling = self._sampling
        self._add(SamplerEnded(at=self._recorder.now(), step=sampling.step, machine=sampling.machine, reason=reason))

    def _add(self, record: AnyRecord) -> None:
        self._recorder.add(record)
