"""The prober: one process in a guest that samples a page, and the thread here that listens to it."""

from __future__ import annotations

import math
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from importlib.resources import files
from typing import Literal, Self
from urllib.parse import urlsplit

from vboxlab.errors import InfrastructureTrouble, VboxlabError
from vboxlab.guest.executor import Executor, Stream
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass
from vboxlab.topology.asking import Asking
from vboxlab.verification.history import Beat, ProbeBegun, ProbeEnded, ProbeStopping, Request
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.samples import ClockReading, End, ProberLines, Refusal, Sample
from vboxlab.waiting import Deadline

DRAINED = 10.0  # seconds beyond a time-out in which a prober that was asked to end has said all
PORTS = {"http": 80, "https": 443, "dns": 53}


@dataclass(frozen=True)
class ProbeSpec:
    """What to sample, each so many seconds; `count` 0 goes on until stopped, at most `life` seconds.

    With `every` 0 it asks as fast as it can. `url` is a page (http://…, https://…), a connection (tcp://HOST:PORT), a
    datagram of the bytes `send` (udp://HOST:PORT), a name at a name server (dns://SERVER/NAME) or a ping (ping://HOST);
    instead of it `run` is a command. With a `method` the files below a page's address, which end with a number counted
    from 1, are written, read or deleted one after the other (prober.pl). `marks` are texts to look for in each answer;
    blank space around them does not count. `ca` is the file of certificates, on the machine that asks, that the server
    of an https page is verified against, `certificate` the name that it must have instead of the address's.
    """

    url: str
    every: float = 0.1
    timeout: float = 2.0
    count: int = 0
    life: float = 900.0
    marks: tuple[str, ...] = ()
    method: Literal["", "put", "read", "delete"] = ""
    ca: str = ""
    certificate: str = ""
    send: bytes = b""
    run: tuple[str, ...] = ()
    root: bool = False

    @classmethod
    def of(
        cls, step: Asking, scale: float, marks: tuple[str, ...] = (), *, count: int = 0, life: float = 900.0
    ) -> Self:
        """Return what a step of a scenario samples, its times stretched by the scale."""
        return cls(
            step.url, step.every * scale, step.timeout * scale, count, life, marks,
            ca=step.ca, certificate=step.certificate, send=step.payload, run=step.run, root=step.root,
        )  # fmt: skip

    @property
    def script(self) -> str:
        """Return the shell script that runs the prober: the program travels as one quoted argument."""
        url = urlsplit(self.url)
        numbers = (f"{self.every:g}", f"{self.timeout:g}", str(self.count), f"{self.life:g}")
        target = (self.method or url.scheme, url.hostname or "", str(url.port or PORTS.get(url.scheme, 0)))
        path = url.path or "/"
        asked_for = f"{path}?{url.query}" if url.query else path
        asked: tuple[str, ...] = ()
        match url.scheme:
            case "http":
                asked = (url.netloc, asked_for)
            case "https":
                name = self.certificate or url.hostname or ""
                port = f":{url.port}" if url.port else ""
                # the word is a secret of each probe: no server can end its answer with findings that are not curl's
                asked = (secrets.token_hex(8), self.ca, name, f"https://{name}{port}{asked_for}")
            case "udp":
                asked = (self.send.hex(),)
            case "dns":
                asked = (url.path.strip("/"),)
            case "":
                target, asked = ("run", "0.0.0.0", "0"), (str(len(self.run)), *self.run)  # noqa: S104 -- not bound to
            case _:
                pass
        words = (*target, *asked, *numbers, *(mark.strip() for mark in self.marks))
        return f"exec perl -e {shlex.quote(program_text('prober.pl'))} -- {shlex.join(words)}"

    @property
    def as_root(self) -> bool:
        """Tell whether the prober needs root: Debian 12 lets no user send ICMP echoes (icmp(7), ping_group_range)."""
        return self.root or self.url.startswith("ping://")

    def begun(self, at: float, step: int, machine: str) -> ProbeBegun:
        """Return the record of its being asked for."""
        return ProbeBegun(at=at, step=step, machine=machine, url=self.url, every=self.every,
                          timeout=self.timeout, count=self.count, marks=self.marks, method=self.method, ca=self.ca,
                          certificate=self.certificate, send=self.send.hex(), run=self.run)  # fmt: skip

    def __str__(self) -> str:
        if self.run:
            text = _("prober: {command}, one at a time, each {every:g} s, time-out {timeout:g} s")
            return text.format(command=shlex.join(self.run), every=self.every, timeout=self.timeout)
        if not self.every:
            text = _("prober: {count} requests to {url}, as fast as it can, time-out {timeout:g} s")
        elif not self.count:
            text = _("prober: requests to {url}, each {every:g} s, time-out {timeout:g} s")
        else:
            text = n_(
                "prober: {count} request to {url}, each {every:g} s, time-out {timeout:g} s",
                "prober: {count} requests to {url}, each {every:g} s, time-out {timeout:g} s",
                self.count,
            )
        return text.format(count=self.count, url=self.url, every=self.every, timeout=self.timeout)


def program_text(name: str) -> str:
    """Return the text of a program in Perl with its clock, without comment lines and blank lines: less to send."""
    folder = files("vboxlab.verification")
    lines = [line for file in ("clock.pl", name) for line in folder.joinpath(file).read_text("utf-8").splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def probe(executor: Executor, spec: ProbeSpec, recorder: Recorder, step: int) -> list[Sample]:
    """Run a prober with a count to its end, record its requests and return them, in the order of their starts.

    Raises InfrastructureTrouble when it cannot run or lost one, GuestError and WaitTimeout as the executor does.
    """
    patience = spec.count * max(spec.every, spec.timeout) + 30.0
    recorder.add(spec.begun(recorder.now(), step, executor.machine))
    completed = executor.run(spec.script, root=spec.as_root, timeout=min(patience, spec.life + 30.0))
    readings = _Readings()
    for line in completed.stdout.splitlines():
        said = readings.add(line)
        if isinstance(said, Sample):
            recorder.add(request(said, recorder.now(), step))
    begun = readings.begun
    recorder.add(ProbeEnded(at=recorder.now(), step=step, begun=begun, trouble=readings.trouble))
    if readings.trouble or begun is None or begun != spec.count or len(readings.samples) != begun:
        details = [part for part in (readings.trouble, completed.stderr.strip()) if part]
        brief = _("{machine}: the prober could not run").format(machine=executor.machine)
        raise InfrastructureTrouble(brief, details=details)
    return sorted(readings.samples, key=lambda sample: sample.start)


def request(sample: Sample, at: float, step: int) -> Request:
    """Return the record of a sample."""
    return Request(
        at=at, step=step, start=sample.start, duration=sample.duration, outcome=sample.outcome,
        status=sample.status, page=sample.page, marks=sample.marks,
    )  # fmt: skip


@dataclass
class _Readings:
    """What has come from a prober so far. `begun` counts the requests of one that has ended."""

    samples: list[Sample] = field(default_factory=list)
    started: bool = False
    begun: int | None = None
    trouble: str = ""
    _lines: ProberLines = field(default_factory=ProberLines)

    def add(self, line: str) -> Sample | ClockReading | None:
        try:
            said = self._lines.read(line)
        except ValueError as error:
            self.trouble = str(error)
            return None
        match said:
            case Sample():
                self.samples.append(said)
                return said
            case ClockReading():
                self.started = True
                return said
            case End(begun):
                self.begun = begun
            case Refusal(reason):
                self.trouble = reason
        return None


class Prober:
    """A prober at work in a guest, all that it says going into a history. Use `probing` to make one."""

    def __init__(self, machine: str, stream: Stream, recorder: Recorder, step: int) -> None:
        self.machine = machine
        self._stream, self._recorder, self._step = stream, recorder, step
        self._readings = _Readings()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._error: VboxlabError | None = None
        self._finished = False
        self._thread = threading.Thread(target=self._listen, name=f"prober of {machine}", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            for line in self._stream.lines():
                arrived = self._recorder.now()
                with self._lock:
                    said = self._readings.add(line)
                self._record(said, arrived)
        except VboxlabError as error:
            self._error = error
        finally:
            self._over.set()

    def _record(self, said: Sample | ClockReading | None, at: float) -> None:
        if isinstance(said, ClockReading):
            self._recorder.add(Beat(at=at, step=self._step, monotonic=said.monotonic, real=said.real, begun=said.begun))
        elif said is not None:
            self._recorder.add(request(said, at, self._step))

    @property
    def samples(self) -> list[Sample]:
        """Return the samples so far, in the order of their starts."""
        with self._lock:
            return sorted(self._readings.samples, key=lambda sample: sample.start)

    def wait_for_start(self, deadline: Deadline) -> None:
        """Wait for the prober's first word. Raises InfrastructureTrouble when it does not come in time."""
        while not self._readings.started:
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

    def finish(self, patience: float) -> None:
        """Let the prober begin no further request, wait so many seconds for those under way, and record its end."""
        if self._finished:
            return
        self._finished = True
        self._recorder.add(ProbeStopping(at=self._recorder.now(), step=self._step))
        self._stream.end_input()
        in_time = self._over.wait(patience + DRAINED)
        self._stream.stop()
        self._thread.join(timeout=10.0)
        with self._lock:
            begun, trouble = self._readings.begun, self._readings.trouble or str(self._error or "")
        if begun is None and not trouble:
            trouble = _("it said nothing more") if in_time else _("it did not end in time")
        self._recorder.add(ProbeEnded(at=self._recorder.now(), step=self._step, begun=begun, trouble=trouble))

    def _trouble(self) -> InfrastructureTrouble:
        with self._lock:
            details = [part for part in (self._readings.trouble, str(self._error or "")) if part]
        brief = _("{machine}: the prober has ended by itself").format(machine=self.machine)
        return InfrastructureTrouble(brief, details=details)


@contextmanager
def probing(
    executor: Executor, spec: ProbeSpec, recorder: Recorder, step: int, *, within: float = 30.0
) -> Iterator[Prober]:
    """Run a prober while the context lasts; entered when it has told its clock.

    Raises InfrastructureTrouble when it says nothing within so many seconds, GuestError as the executor does.
    """
    with executor.stream(spec.script, root=spec.as_root) as stream:
        prober = Prober(executor.machine, stream, recorder, step)
        try:
            prober.wait_for_start(Deadline.after(within))
            yield prober
        finally:
            prober.finish(0.0)


def good_for(samples: list[Sample], seconds: float) -> bool:
    """Tell whether only good answers came over the last so many seconds of sampling, at least one in any case."""
    if not samples:
        return False
    last_bad = max((s.start for s in samples if not s.good), default=-math.inf)
    good = [s.end for s in samples if s.good and s.start > last_bad]
    return bool(good) and max(good) - min(good) >= seconds
