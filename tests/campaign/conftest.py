"""A process of the campaign, in which sequences are replayed, also with a bug put in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.campaign.steps import Step, dumped

ROOT = Path(__file__).parents[2]


class Replay(Protocol):
    """Replays a sequence; by default nothing may be wrong with it."""

    def __call__(self, *sequence: Step, expected: str = "") -> None:
        """Replay these steps. `expected` are the letters of the invariants of which one must not hold."""


class Server:
    """A campaign that does what it is asked."""

    def __init__(self) -> None:
        self._process = self._started()

    @staticmethod
    def _started() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask for one sequence, and return what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:  # it said why; the next test has another one
            self.close()
            code = self._process.returncode
            self._process = self._started()
            raise AssertionError(f"the campaign's own process ended with {code} over {request}")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return a campaign that does what it is asked."""
    if sys.platform == "win32":
        pytest.skip("processes are forked")
    made = Server()
    yield made
    made.close()


@pytest.fixture
def replay(server: Server) -> Replay:
    """Return what replays a sequence and raises AssertionError with what is wrong."""

    def replayed(*sequence: Step, expected: str = "") -> None:
        answer = server.ask(sequence=dumped(sequence))
        wrong, log = answer["wrong"], answer["log"]
        if expected:
            assert any(line[1] in expected for line in wrong), "\n".join([*log, *wrong])
        else:
            assert not wrong, "\n".join([*log, *wrong])

    return replayed
