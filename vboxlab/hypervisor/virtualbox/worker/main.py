"""The worker's life: connect, greet, serve calls in threads, and leave when the pipe closes."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from vboxlab.hypervisor.virtualbox.worker import (
    adapters,
    describing,
    disks,
    foreign,
    garbage,
    host,
    images,
    machines,
    mending,
    power,
    registry,
    snapshots,
    strays,
)
from vboxlab.hypervisor.virtualbox.worker.calls import ListMachines, Machine
from vboxlab.hypervisor.virtualbox.worker.connection import GONE, Connection
from vboxlab.hypervisor.virtualbox.worker.presence import WORKER, Presence, wait_for_orphans
from vboxlab.hypervisor.virtualbox.worker.protocol import (
    LOOKING,
    Call,
    Failed,
    Failure,
    Message,
    Noted,
    NotUnderstood,
    Progress,
    Progressed,
    Reply,
    Request,
    decode,
    encode,
    failed,
)
from vboxlab.hypervisor.virtualbox.worker.pulse import Pulse, Signs
from vboxlab.hypervisor.virtualbox.worker.sessions import POLL
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatim, verbatims

THREADS = 16  # graceful power-offs wait, the rest is short
GONE_ATTEMPTS = 10  # of a call that looks at what is let go meanwhile
LEAVE_TIMEOUT = 5.0  # seconds that calls under way may still take once nobody listens any more
Handler = Callable[[Connection, Any], Any]

HANDLERS: dict[str, Handler] = {
    "machines": machines.list_machines,
    "inspect": machines.inspect,
    "describe": describing.describe,
    "create": machines.create,
    "delete": machines.delete,
    "set_marks": machines.set_marks,
    "set_hardware": machines.set_hardware,
    "add_disks": disks.add,
    "set_dvd": disks.set_dvd,
    "set_adapters": adapters.set_adapters,
    "plug_adapter": adapters.plug_adapter,
    "console_log": machines.console_log,
    "start": power.start,
    "pause": power.pause,
    "power_off": power.power_off,
    "screenshot": power.screenshot,
    "take_snapshot": snapshots.take,
    "restore_snapshot": snapshots.restore,
    "delete_snapshot": snapshots.delete,
    "images": images.list_images,
    "has_image": images.exists,
    "create_image": images.create,
    "adopt_image": foreign.adopt,
    "import_appliance": foreign.import_appliance,
    "remove_image": images.remove,
    "collect": garbage.collect,
    "garbage": garbage.find,
    "strays": strays.find,
    "remove_stray": strays.remove,
    "facts": host.facts,
}


class Answers:
    """The pipe to the client, which several threads write to."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Write a message; when nobody listens any more, nothing is said and the call goes on to its end."""
        with self._lock, contextlib.suppress(OSError):
            self._stream.write(encode(message))
            self._stream.flush()


class Server:
    """Answers requests, each in a thread of its own."""

    def __init__(
        self,
        connection: Connection,
        requests: IO[bytes],
        answers: Answers,
        folder: Path,
        token: str,
        signs: Signs | None = None,
        early: tuple[Machine, ...] | None = None,
    ) -> None:
        """Prepare. `early` are the machines as they were seen before anybody asked."""
        self._connection = connection
        self._early = early
        self._folder, self._token = folder, token
        self._requests = requests
        self._send = answers.send
        self._signs = signs or Signs()
        self._under_way = 0
        self._idle = threading.Condition()

    def serve(self) -> None:
        """Serve until the requests end, then let the calls under way come to an end, but not for long."""
        pool = ThreadPoolExecutor(THREADS)
        for line in self._requests:
            try:
                request = decode(line)
            except NotUnderstood as failure:
                self._send(failed(failure.id, failure))
                continue
            except ValueError:  # cut short: its client died while it wrote
                continue
            if not isinstance(request, Request):
                continue
            early, self._early = self._early, None  # the first request may change something
            if early is not None and request.arguments == ListMachines(early=True):
                self._send(Reply(request.id, request.call, early))
                continue
            with self._idle:
                self._under_way += 1
            pool.submit(self._answer, request)
        with self._idle:
            self._idle.wait_for(lambda: self._under_way == 0, LEAVE_TIMEOUT)

    def _answer(self, request: Request) -> None:
        try:
            with self._signs.of(request.id):
                reply = self._reply(request)
            try:
                self._send(reply)
            except (TypeError, ValueError) as error:  # a result that is no JSON: the client would wait for ever
                self._send(failed(request.id, Failure("bug", verbatim(f"{request.call}: {error}"))))
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def _answered(self, request: Request, report: Progress) -> Any:
        """Return a call's result, made again while another vboxlab process works on the machine.

        So it is where a thing that it looked at was just let go, by another thread, process or person.
        """
        call = Call(request.arguments, report, request.noted, lambda note: self._send(Noted(request.id, note)))
        deadline = time.monotonic() + self._connection.patience
        wait_for_orphans(self._folder, self._token, LEAVE_TIMEOUT)
        left = GONE_ATTEMPTS
        while True:
            try:
                return HANDLERS[request.call](self._connection, call)
            except (Failure, self._connection.api_error) as error:
                failure = failure_of(error, self._connection, verbatim(request.call))
                busy = failure.kind == "busy"
                gone = failure.kind == "api" and failure.result_code == GONE
                left -= gone
                if not (busy and time.monotonic() < deadline) and not (gone and left):
                    raise
            call = replace(call, waited=call.waited or busy)
            self._connection.pause(POLL)

    def _reply(self, request: Request) -> Reply | Failed:
        last: list[int | None] = [None]

        def report(doing: Told, percent: int | None) -> None:
            if percent != last[0]:
                last[0] = percent
                self._send(Progressed(request.id, doing, percent))

        try:
            return Reply(request.id, request.call, self._answered(request, report))
        except Exception as error:  # noqa: BLE001 -- the pipe is the only place where a bug of the worker can be seen
            return failed(request.id, failure_of(error, self._connection, verbatim(request.call)))


def take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipes to the client, and let the standard streams lead elsewhere.

    The binding prints to standard output, and VBoxSVC, which it starts, inherits what is open: neither may hold them.
    """
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, answers


def main(arguments: list[str]) -> None:
    """Run the worker. It never returns: the normal end of an XPCOM process can hang."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--binding", default="")
    parser.add_argument("--folder", type=Path, required=True)  # where presence is shown
    parser.add_argument("--token", required=True)  # what client and worker call themselves there
    parser.add_argument("--ahead", action="store_true")  # nothing is to be changed before a line comes
    parser.add_argument("--patience", type=float, default=20.0)
    parser.add_argument("--engine", default="")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for vboxlab, which tells us by closing the pipe
    requests, stream = take_pipes()
    answers, signs = Answers(stream), Signs()
    pulse = Pulse(answers.send, signs)
    connection, presence, greeting, early = None, None, None, None
    try:
        presence = Presence(options.folder, WORKER, options.token)
        connection = connect(options, answers, signs)
        answers.send(Progressed(0, LOOKING, None))
        early = seen_early(connection, options) if options.ahead else None
        if not options.ahead or requests.readline():
            whole = early and all(machine.state != machines.UNREADABLE for machine in early)
            mended = [] if whole else mending.mend(connection, registry.registered(connection))
            early = early if not mended else None
            greeting = host.greeting(connection, mended)
    except Exception as error:  # noqa: BLE001 -- nobody sees what is raised here, and takes it for the interpreter's
        answers.send(failed(0, failure_of(error, connection, Told("connecting"))))
    if connection is not None and greeting is not None:
        pulse.watch(connection.is_alive)
        answers.send(greeting)
        Server(connection, requests, answers, options.folder, options.token, signs, early).serve()
    if presence is not None:
        presence.leave()
    sys.stderr.flush()
    os._exit(0)


def seen_early(connection: Connection, options: argparse.Namespace) -> tuple[Machine, ...] | None:
    """Return the machines while vboxlab itself still loads, None where another worker may still be changing them."""
    with contextlib.suppress(Exception):  # whoever asks for them meets it again
        if wait_for_orphans(options.folder, options.token, 0.0):
            return machines.list_machines(connection)
    return None


def connect(options: argparse.Namespace, answers: Answers, signs: Signs) -> Connection:
    """Return the connection to VirtualBox, having said at each step what may never end. Raises Failure."""
    registry.check(registry.home())

    def begun(doing: Told) -> None:
        answers.send(Progressed(0, doing, None))

    return Connection(options.binding, patience=options.patience, engine=options.engine, signs=signs, begun=begun)


def failure_of(error: Exception, connection: Connection | None, doing: Told) -> Failure:
    """Return any error as the failure that it is.

    Of kind "dead" when VirtualBox's service is gone, and "ended" when it answers: what is gone is the VM's process.
    """
    failure = _as_failure(error, connection, doing)
    if connection is None or failure.kind not in ("dead", "bug"):
        return failure
    alive = _is_alive(connection)
    if failure.kind == "dead" and alive:
        failure.kind = "ended"
    elif failure.kind == "bug" and not alive:  # XPCOM may then give None for an object instead of an error
        return Failure("dead", verbatim(repr(error)))
    return failure


def _as_failure(error: Exception, connection: Connection | None, doing: Told) -> Failure:
    if isinstance(error, Failure):
        return error
    if connection is not None and isinstance(error, connection.api_error):
        return connection.failure(error, doing)
    if isinstance(error, OSError):
        return Failure("host", verbatim(error))
    return Failure("bug", verbatim(repr(error)), details=verbatims(traceback.format_exc().splitlines()[-6:]))


def _is_alive(connection: Connection) -> bool:
    with contextlib.suppress(Exception):
        return connection.is_alive()
    return False
