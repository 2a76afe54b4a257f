"""QEMU's run states, asked of many at once over plain sockets.

Every verb begins with this look, so it loads neither the library that speaks QMP nor an event loop. The two commands
are sent together: QEMU takes them in turn (QEMU Machine Protocol Specification, "Command Responses").
"""

from __future__ import annotations

import json
import secrets
import selectors
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vboxlab.waiting import Deadline

STATUS_TIMEOUT = 2.0
AT_ONCE = 200  # sockets; a process may have 1024 files open, as a rule
CHUNK = 65536
PAUSE = 0.01


def is_listening(path: Path) -> bool:
    """Tell whether a process listens at a UNIX stream socket; the socket of a killed one refuses (unix(7))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True  # alive, and its queue is full
        except OSError:
            return False
    return True


def states(paths: Sequence[Path]) -> list[str | None]:
    """Return QEMU's run state at each socket, asked at once: None where no process is, "" where it is silent."""
    found: list[str | None] = []
    for start in range(0, len(paths), AT_ONCE):
        found += _ask([_Question(path) for path in paths[start : start + AT_ONCE]], Deadline.after(STATUS_TIMEOUT))
    return found


class _Question:
    """The look at one socket. An answer is known by its id: QEMU also sends what it owed to a client before us."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self._id = secrets.token_hex(8)
        self._read = b""

    def ask(self) -> bool | None:
        """Connect and ask; tell whether there is a process. None: its queue is full, so nothing is asked yet."""
        commands = {"execute": "qmp_capabilities"}, {"execute": "query-status", "id": self._id}
        try:
            self.socket.connect(str(self.path))
            self.socket.sendall("".join(json.dumps(command) + "\n" for command in commands).encode())
        except BlockingIOError:
            return None
        except (BrokenPipeError, ConnectionResetError):
            pass  # it ends: read what it says of that
        except OSError:
            return False
        return True

    def hear(self) -> str | None:
        """Return the state once it is told, "" when nothing more will be; None to go on listening."""
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return ""
        *lines, self._read = (self._read + data).split(b"\n")
        for line in lines:
            with suppress(ValueError, KeyError, TypeError, AttributeError):  # not QEMU
                message = json.loads(line)
                if message.get("id") == self._id:
                    return str(message["return"]["status"]) if "return" in message else ""
        return None if data else ""


def _ask(questions: Sequence[_Question], deadline: Deadline) -> list[str | None]:
    answers: dict[_Question, str | None] = {}
    waiting = list(questions)
    with selectors.DefaultSelector() as selector:
        try:
            while len(answers) < len(questions) and not deadline.expired:
                asked = {question: question.ask() for question in waiting}
                waiting = [question for question in waiting if asked[question] is None]
                answers.update((question, None) for question, there in asked.items() if there is False)
                for question, there in asked.items():
                    if there:
                        selector.register(question.socket, selectors.EVENT_READ, question)
                if not selector.get_map() and not waiting:
                    break
                for key, _events in selector.select(deadline.capped(PAUSE if waiting else STATUS_TIMEOUT)):
                    state = key.data.hear()
                    if state is not None:
                        answers[key.data] = state
                        selector.unregister(key.fileobj)
        finally:
            for question in questions:
                question.socket.close()
    return [_settled(question.path, answers.get(question, "")) for question in questions]


def _settled(path: Path, state: str | None) -> str | None:
    """Return the state, None where a process that said nothing is not there any more."""
    return None if state == "" and not is_listening(path) else state
