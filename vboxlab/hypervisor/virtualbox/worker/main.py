"""The worker's life: connect, greet, serve calls in threads, and leave when the pipe closes."""

from __future__ import annotations

import argparse
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
    foreign,
    host,
    images,
    leftovers,
    machines,
    mending,
    power,
    registry,
    snapshots,
    strays,
)
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.presence import WORKER, Presence, wait_for_orphans
from vboxlab.hypervisor.virtualbox.worker.protocol import (
    Call,
    Failure,
    Message,
    Progress,
    Progressed,
    Reply,
    Request,
    decode_request,
    encode,
    failure_fields,
)
from vboxlab.hypervisor.virtualbox.worker.sessions import POLL

THREADS = 16  # graceful power-offs wait, the rest is short
LEAVE_TIMEOUT = 5.0  # seconds that calls under way may still take once nobody listens any more
Handler = Callable[[Connection, Call], Any]

CALLS: dict[str, Handler] = {
    "machines": machines.list_machines,
    "inspect": machines.inspect,
    "create": machines.create,
    "delete": machines.delete,
    "set_marks": machines.set_marks,
    "set_hardware": machines.set_hardware,
    "set_adapters": machines.set_adapters,
    "plug_adapter": machines.plug_adapter,
    "console_log": machines.console_log,
    "start": power.start,
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
    "collect": leftovers.collect,
    "garbage": leftovers.garbage,
    "strays": strays.find,
    "remove_stray": strays.remove,
    "facts": host.facts,
}


class Server:
    """Answers requests, each in a thread of its own."""

    def __init__(
        self, connection: Connection, requests: IO[bytes], answers: IO[bytes], folder: Path, token: str
    ) -> None:
        self._connection = connection
        self._folder, self._token = folder, token
        self._requests = requests
        self._answers = answers
        self._write_lock = threading.Lock()
        self._under_way = 0
        self._idle = threading.Condition()

    def send(self, message: Message) -> None:
        """Write a message; when nobody listens any more, nothing is said and the call goes on to its end."""
        with self._write_lock:
            try:
                self._answers.write(encode(message))
                self._answers.flush()
            except OSError:
                pass

    def serve(self) -> None:
        """Serve until the requests end, then let the calls under way come to an end, but not for long."""
        pool = ThreadPoolExecutor(THREADS)
        for line in self._requests:
            request = decode_request(line)
            with self._idle:
                self._under_way += 1
            pool.submit(self._answer, request)
        with self._idle:
            self._idle.wait_for(lambda: self._under_way == 0, LEAVE_TIMEOUT)

    def _answer(self, request: Request) -> None:
        try:
            self.send(self._reply(request))
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def _answered(self, request: Request, report: Progress) -> Any:
        """Return a call's result; while another vboxlab process works on the machine, wait and try anew."""
        call = Call(request.arguments, request.again, report)
        deadline = time.monotonic() + self._connection.patience
        wait_for_orphans(self._folder, self._token, LEAVE_TIMEOUT)
        while True:
            try:
                return CALLS[request.call](self._connection, call)
            except Failure as failure:
                if failure.kind != "busy" or time.monotonic() >= deadline:
                    raise
            call = replace(call, waited=True)
            time.sleep(POLL)

    def _reply(self, request: Request) -> Reply:
        last: list[int | None] = [None]

        def report(text: str, percent: int | None) -> None:
            if percent != last[0]:
                last[0] = percent
                self.send(Progressed(request.id, text, percent))

        try:
            return Reply(request.id, self._answered(request, report))
        except Failure as failure:
            return Reply(request.id, error=failure_fields(failure))
        except self._connection.api_error as error:
            return Reply(request.id, error=failure_fields(self._connection.failure(error, request.call)))
        except OSError as error:
            return Reply(request.id, error=failure_fields(Failure("host", str(error))))
        except Exception as error:  # noqa: BLE001 -- the pipe is the only place where a bug of the worker can be seen
            if not self._connection.is_alive():  # XPCOM may then give None for an object instead of an error
                return Reply(request.id, error=failure_fields(Failure("dead", repr(error))))
            lines = traceback.format_exc().splitlines()[-6:]
            return Reply(request.id, error=failure_fields(Failure("bug", repr(error), details=lines)))


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
    parser.add_argument("--folder", type=Path, required=True, help="where presence is shown")
    parser.add_argument("--token", required=True, help="what client and worker call themselves there")
    parser.add_argument("--patience", type=float, default=20.0)
    parser.add_argument("--engine", default="")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for vboxlab, which tells us by closing the pipe
    requests, answers = take_pipes()
    presence = Presence(options.folder, WORKER, options.token)
    try:
        registry.check(registry.home())
        connection = Connection(options.binding, patience=options.patience, engine=options.engine)
        mended = mending.mend(connection, registry.registered(connection))
        greeting = Reply(0, {**host.greeting(connection), "mended": mended})
    except Failure as failure:
        greeting = Reply(0, error=failure_fields(failure))
    answers.write(encode(greeting))
    answers.flush()
    if greeting.error is None:
        Server(connection, requests, answers, options.folder, options.token).serve()
    presence.leave()
    sys.stderr.flush()
    os._exit(0)
