"""The worker as a process that was launched: called, heard, and ended."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar, cast

from vboxlab.hypervisor.driver import Progress
from vboxlab.hypervisor.virtualbox.launch import Launched
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.service import running_services
from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments
from vboxlab.hypervisor.virtualbox.worker.calls import name_of
from vboxlab.hypervisor.virtualbox.worker.protocol import (
    CONNECTING,
    LOOKING,
    Beat,
    Failed,
    Failure,
    Greeting,
    Message,
    Noted,
    NotUnderstood,
    Progressed,
    Reply,
    Request,
    decode,
    encode,
    failed,
    failure_in,
)
from vboxlab.hypervisor.virtualbox.worker.told import Told
from vboxlab.language import _
from vboxlab.lazily import dataclass

R = TypeVar("R")
TICK = 1.0  # seconds between two looks whether a call is still heard of


@dataclass(frozen=True)
class Limits:
    """After how many seconds without a word something is taken for hung. They count while this process runs."""

    worker: float = 20.0  # no heartbeat: it is stopped, or its interpreter is blocked
    service: float = 120.0  # VirtualBox's service owes an answer; a busy one is given time, and never ended by us
    slow: float = 20.0  # the same, and the user is told
    call: float = 180.0  # of a call, while worker and service answer: what it waits for is a VM's process
    starting: float = 30.0  # to load the binding, and as long again to connect
    outlives: float = 30.0  # of a VM's process, without the service that started it (15 were seen)


class ServiceSilent(Exception):
    """VirtualBox's service does not answer, though the worker lives."""


class CallSilent(Exception):
    """A call does not get on, though worker and service answer."""


class WorkerGone(Exception):
    """The worker ended or fell silent: nobody knows whether the call took effect."""


class NoGreeting(Exception):
    """A worker that was just started is silent; `doing` is what it began last (None: nothing)."""

    def __init__(self, doing: Told | None) -> None:
        super().__init__(doing)
        self.doing = doing


class Worker:
    """One worker process."""

    def __init__(self, launched: Launched, limits: Limits, say: Callable[[str], None]) -> None:
        """Listen to one that was launched."""
        self._launched, self._limits, self._say = launched, limits, say
        self.under_way = 0  # calls that were not answered: its client counts
        self.stuck = False  # a call in it does not get on, and is waited for no more
        self.silenced = False  # ended because VirtualBox's service does not answer
        self._ids = count(1)
        self._lock = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[Message | None]] = {0: queue.SimpleQueue()}
        self._words = 0  # lines that came
        self._beat = Beat(0.0)
        self._slow = False
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="virtualbox-worker", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the worker's process id."""
        return self._launched.pid

    @property
    def ended(self) -> bool:
        """Tell whether the worker can no longer be called."""
        return self._ended

    def _read(self) -> None:
        with self._launched.answers as lines:
            for line in lines:
                self._words += 1
                with suppress(ValueError):  # a word of the interpreter's, and none of the worker's
                    self._take(_message_in(line))
        with self._lock:
            self._ended = True
            waiting = list(self._answers.values())
        for answers in waiting:
            answers.put(None)

    def _take(self, message: Message) -> None:
        if isinstance(message, Beat):
            self._beat = message
            return
        answers = self._answers.get(0 if isinstance(message, Greeting) else message.id)
        if answers is not None:  # its call is waited for
            answers.put(message)

    def greeting(self, timeout: float) -> Greeting:
        """Return what the worker says of itself once it is connected.

        To load the binding and to connect may take `timeout` seconds each. Raises Failure, WorkerGone when it ended, or
        NoGreeting.
        """
        doing: Told | None = None
        quiet = 0
        while True:
            try:
                message = self._answers[0].get(timeout=TICK)
            except queue.Empty:
                quiet += 1
                if quiet * TICK >= (self._limits.call if doing == LOOKING else timeout):
                    raise NoGreeting(doing) from None
                if doing in (CONNECTING, LOOKING):
                    self._tell(quiet * TICK)
                continue
            if isinstance(message, Progressed):
                doing, quiet = message.doing, 0
            elif isinstance(message, Greeting):
                return message
            else:
                raise _end(message)

    def call(self, arguments: Arguments[R], progress: Progress, noted: dict[str, Any]) -> R:
        """Make a call and return its result. `noted` is what it noted before it was lost, and is added to.

        Raises Failure, WorkerGone when no answer will come, ServiceSilent or CallSilent.
        """
        request = Request(next(self._ids), name_of(arguments), arguments, dict(noted))
        with self._lock:
            if self._ended:
                raise WorkerGone
            self._answers[request.id] = queue.SimpleQueue()
            try:
                self._launched.requests.write(encode(request))
                self._launched.requests.flush()
            except (OSError, ValueError):  # ended, or closed by another thread
                raise WorkerGone from None
        try:
            return cast("R", self._wait(request, progress, noted))
        finally:
            del self._answers[request.id]

    def _wait(self, request: Request, progress: Progress, noted: dict[str, Any]) -> Any:
        # Ticks are counted, and no clock is read: this process may have been stopped, or the host asleep.
        quiet, words = 0, self._words
        while True:
            try:
                message = self._answers[request.id].get(timeout=TICK)
            except queue.Empty:
                quiet = quiet + 1 if self._words == words else 0
                words = self._words
                self._judge(request.id, quiet * TICK)
                continue
            if isinstance(message, Progressed):
                progress(say(message.doing), message.percent)
            elif isinstance(message, Noted):
                noted.update(message.note)
            elif isinstance(message, Reply) and message.call == request.call:
                return message.result
            else:
                raise _end(message)

    def _judge(self, request: int, quiet: float) -> None:
        beat = self._beat
        if quiet >= self._limits.worker:
            raise WorkerGone
        if beat.service >= self._limits.slow and not any(running_services()):
            raise WorkerGone  # killed under a question, it may never answer: the binding waits for it all the same
        if beat.service >= self._limits.service:
            raise ServiceSilent
        # While the service owes an answer, it is the service that the call waits for.
        if beat.service < self._limits.slow and beat.calls.get(str(request), 0.0) >= self._limits.call:
            raise CallSilent
        self._tell(beat.service)

    def _tell(self, silent: float) -> None:
        """Tell once that the service is slow; and again when it is once more."""
        if silent >= self._limits.slow and not self._slow:
            text = _("VirtualBox's service has not answered for {seconds:.0f} s: still waiting for it")
            self._say(text.format(seconds=silent))
        self._slow = silent >= self._limits.slow

    def leave(self, timeout: float) -> None:
        """Close the pipe, which makes the worker end; end it by force when it does not."""
        self._launched.end(timeout)
        self._reader.join(max(timeout, 0.5))
        self._launched.leave()


def _message_in(line: bytes) -> Message:
    """Return the message in a line, a failure for one of another protocol. Raises ValueError when it is none."""
    try:
        return decode(line)
    except NotUnderstood as failure:
        return failed(failure.id, failure)


def _end(message: Message | None) -> Failure | WorkerGone:
    """Return what ends a wait for another message."""
    return failure_in(message) if isinstance(message, Failed) else WorkerGone()
