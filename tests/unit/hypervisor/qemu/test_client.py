"""What becomes of a question when the emulator ends under it, at whatever point of the conversation."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs UNIX sockets", allow_module_level=True)

from tests.unit.listening import serve_each
from vboxlab.hypervisor.qemu.client import Monitors
from vboxlab.hypervisor.qemu.refusals import MonitorGone

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}}
ALL = 3  # greeting, capabilities, status
MANY = 100  # how the end is noticed depends on the order of things in the event loop


@contextmanager
def emulator(path: Path, answers: int, owed: Sequence[Sequence[object]] = ()) -> Iterator[None]:
    """Let a monitor greet, give so many answers, and end, again and again.

    To the first clients it says something else first: what it owed to the client before.
    """
    waiting = deque(owed)

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            for message in waiting.popleft() if waiting else ():
                connection.sendall(json.dumps(message).encode() + b"\r\n")
            if answers:
                connection.sendall(json.dumps(GREETING).encode() + b"\r\n")
            heard = ""
            for _ in range(answers - 1):
                heard = heard or connection.recv(4096).decode()
                request, end = json.JSONDecoder().raw_decode(heard)
                heard = heard[end:].lstrip()
                reply = {"return": {"status": "running"}, **{key: request[key] for key in ("id",) if key in request}}
                connection.sendall(json.dumps(reply).encode() + b"\r\n")
            if answers == ALL:
                connection.recv(1)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4 * MANY)
        serving = serve_each(
            listener, lambda connection: threading.Thread(target=converse, args=(connection,), daemon=True).start()
        )
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()


@pytest.fixture
def monitors() -> Iterator[Monitors]:
    made = Monitors()
    yield made
    made.close()


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_an_emulator_that_ends_is_gone_and_no_bug(monitors: Monitors, tmp_path: Path, answers: int) -> None:
    path = tmp_path / "qmp"
    with emulator(path, answers):
        assert monitors.states([path] * MANY) == [""] * MANY  # the socket is there still
        for _ in range(MANY // 4):
            with pytest.raises(MonitorGone):
                monitors.execute(path, ("query-status", {}))
    assert monitors.states([path]) == [None]


def test_an_emulator_that_answers_is_understood(monitors: Monitors, tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    with emulator(path, ALL):
        assert monitors.states([path] * MANY) == ["running"] * MANY


DONE: Mapping[str, object] = {"return": {}}
FAILED = {"error": {"class": "GenericError", "desc": "somebody else's"}}


@pytest.mark.parametrize(
    "first", [[DONE], [FAILED], [GREETING, FAILED]], ids=["answer", "error", "error after greeting"]
)
def test_what_was_owed_to_another_client_is_not_taken_for_ours(
    monitors: Monitors, tmp_path: Path, first: Sequence[object]
) -> None:
    path = tmp_path / "qmp"
    with emulator(path, ALL, owed=[first]):
        assert monitors.states([path]) == ["running"]
    path.unlink()
    with emulator(path, ALL, owed=[first, first]):
        assert monitors.execute(path, ("query-status", {})) == {"status": "running"}


def test_a_stranger_at_the_socket_is_not_asked_for_ever(monitors: Monitors, tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    with emulator(path, ALL, owed=[[DONE]] * 100), pytest.raises(MonitorGone, match="Did not understand Greeting"):
        monitors.execute(path, ("query-status", {}))
