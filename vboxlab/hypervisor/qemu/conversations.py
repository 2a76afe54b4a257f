"""Conversations with QEMU through the library qemu.qmp, whose coroutines run on a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import ConnectError, ExecuteError, QMPClient, QMPError
from qemu.qmp.qmp_client import GreetingError, NegotiationError
from tenacity import retry, retry_if_exception, stop_after_attempt

from vboxlab.hypervisor.qemu.refusals import MonitorGone, MonitorRefused
from vboxlab.language import _
from vboxlab.waiting import Deadline

T = TypeVar("T")
ATTEMPTS = 5  # at a conversation that begins with the answer to somebody else's question

# What the library raises when QEMU ends under it; it asserts that the session still runs at the end of connecting.
GONE = (ConnectError, QMPError, OSError, EOFError, TimeoutError, AssertionError)
# Without a handler, logging's last resort would print the library's warnings on the user's terminal.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


class Conversations:
    """QMP for synchronous callers."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def execute(self, path: Path, *commands: tuple[str, Mapping[str, Any]], timeout: float) -> Any:
        """Run commands, one after the other, and return the last one's answer. See Monitors.execute."""
        return self._run(_execute(path, commands, timeout), timeout + 5)

    def close(self) -> None:
        """End the thread."""
        with self._guard:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
                self._thread.start()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise MonitorGone(
                _("QEMU does not answer"), details=[_("waited {seconds:.0f} s").format(seconds=timeout)]
            ) from None


def _begins_with_anothers_answer(error: BaseException) -> bool:
    """Tell whether a conversation began with what QEMU owed to the client before.

    That one left, or was killed, before its command was done. QEMU sends the answer to whoever is there then: before
    the greeting, or where the answer to our qmp_capabilities is looked for. An answer's id tells nothing: clients
    number alike. Nothing has been asked of QEMU yet, so beginning again is safe.
    """
    return isinstance(error, ConnectError) and isinstance(error.exc, GreetingError | NegotiationError)


@retry(retry=retry_if_exception(_begins_with_anothers_answer), stop=stop_after_attempt(ATTEMPTS), reraise=True)
async def _connect(path: Path, deadline: Deadline) -> QMPClient:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.setblocking(False)
    client = QMPClient()
    try:
        while True:
            try:
                stream.connect(str(path))
                break
            except BlockingIOError:  # the queue is full; asyncio would take this for a connection in progress
                if deadline.expired:
                    raise MonitorGone(_("QEMU is busy and does not answer at {path}").format(path=path)) from None
                await asyncio.sleep(0.01)
        await asyncio.wait_for(client.connect(stream), deadline.remaining)
    except BaseException:
        with suppress(*GONE):
            await client.disconnect()
        stream.close()
        raise
    return client


async def _execute(path: Path, commands: Sequence[tuple[str, Mapping[str, Any]]], timeout: float) -> Any:
    deadline = Deadline.after(timeout)
    answer: Any = None
    try:
        client = await _connect(path, deadline)
        try:
            for name, arguments in commands:
                answer = await asyncio.wait_for(client.execute(name, dict(arguments)), deadline.remaining)
        finally:
            with suppress(*GONE):
                await client.disconnect()
    except ExecuteError as error:
        raise MonitorRefused(_("QEMU refused"), details=[str(error)]) from error
    except GONE as error:
        raise MonitorGone(
            _("QEMU does not answer at {path}").format(path=path), details=[str(error) or type(error).__name__]
        ) from error
    return answer
