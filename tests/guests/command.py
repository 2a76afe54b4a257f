"""The command line as a user has it: another process, its output and exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = "/var/www/html/index.html"
SHOWN = 3000  # characters of a long output that are enough to see what went wrong
DISTURBED = "this computer stood still for"
TIME_SCALE = os.environ.get("VBOXLAB_TIME_SCALE", "3")


@dataclass
class CommandLine:
    """Runs vboxlab on one home, with the topologies of this checkout."""

    home: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command to its end and return what it printed on standard output."""
        return self._checked(words, self._run(words), code)

    def exit_code(self, *words: str) -> int:
        """Run a command to its end and return its exit code, whatever it is."""
        return self._run(words).returncode

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command with --json and return its result: the last document that it printed."""
        return _result(self(*words, "--json", code=code))

    def verify(self, topology: str, *copies: str, files: tuple[str, ...] = ()) -> Any:
        """Prove a topology and return the report; once more when this computer stood still in the first attempt.

        Machines that tests share with others do that, for longer than the nodes of a cluster wait for each other.
        """
        words = ("verify", topology, *copies, *files)
        first = self._run((*words, "--json"))
        if first.returncode and DISTURBED in first.stdout:
            self("up", topology, *copies)
            return self.json(*words)
        return _result(self._checked(words, first, 0))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command whose output is read by the caller."""
        process = subprocess.Popen(
            self._argv(words), env=self.environment(), cwd=ROOT, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()

    def _run(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(words), env=self.environment(), cwd=ROOT, capture_output=True, text=True, check=False
        )

    def _checked(self, words: tuple[str, ...], done: subprocess.CompletedProcess[str], code: int) -> str:
        said = f"$ vboxlab {' '.join(words)}\n{done.stdout[-SHOWN:]}\n{done.stderr}"
        assert done.returncode == code, f"exit code {done.returncode} instead of {code}\n{said}"
        assert "Traceback" not in said, said
        return done.stdout

    def _argv(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "vboxlab", *words]

    def environment(self) -> dict[str, str]:
        """Return the environment that the commands run in."""
        return {
            **os.environ, "VBOXLAB_HOME": str(self.home), "VBOXLAB_DRIVER": "qemu", "VBOXLAB_TIME_SCALE": TIME_SCALE,
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip


def processes_of(home: Path) -> dict[int, str]:
    """Return the processes that work in this home, with their command lines."""
    shown = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], check=True, capture_output=True, text=True).stdout
    found = (line.split(maxsplit=1) for line in shown.splitlines())
    return {int(pid): words for pid, words in found if str(home) in words and "pytest" not in words}


def _result(text: str) -> Any:
    """Return the last of several JSON documents."""
    decoder, at, found = json.JSONDecoder(), 0, None
    while (at := _next(text, at)) < len(text):
        found, at = decoder.raw_decode(text, at)
    return found


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
