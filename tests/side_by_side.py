"""Runs several commands at once and shows what each says, one after the other: tests that wait leave room for others.

    python -m tests.side_by_side 'pytest -m "not guests"' 'nice pytest -m guests'

The first command is shown as it speaks, the next from its beginning once the one before has ended. At the end stands
the last line of each, which is pytest's own summary. The exit code is that of the first command that failed.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PAUSE = 0.2


@dataclass
class Part:
    """A command at work, and the file that it speaks into."""

    command: str
    process: subprocess.Popen[bytes]
    output: Path
    shown: int = 0  # bytes

    def show(self) -> None:
        """Print what it says until it has ended, from where an interrupted call stopped."""
        with self.output.open("rb") as stream:
            stream.seek(self.shown)
            ended = False
            while not ended:
                ended = self.process.poll() is not None  # asked first: what was said before is read below
                while chunk := stream.read(1 << 16):
                    self.shown += len(chunk)
                    sys.stdout.buffer.write(chunk)
                    sys.stdout.flush()
                if not ended:
                    time.sleep(PAUSE)

    def last_line(self) -> str:
        """Return the last words that it said."""
        lines = self.output.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def run(commands: list[str], folder: Path) -> int:
    """Run the commands with a shell each, and return the exit code for all."""
    parts = []
    for number, command in enumerate(commands):
        output = folder / f"{number}.log"
        with output.open("wb") as stream:
            process = subprocess.Popen(command, shell=True, stdout=stream, stderr=subprocess.STDOUT)
        parts.append(Part(command, process, output))
    for part in parts:
        shown = False
        while not shown:
            # An interrupt reaches all of them: they end in good order, and say so.
            with contextlib.suppress(KeyboardInterrupt):
                part.show()
                shown = True
    return _verdict(parts)


def _verdict(parts: list[Part]) -> int:
    codes = [part.process.wait() for part in parts]
    for part, code in zip(parts, codes, strict=True):
        print(f"\n$ {part.command}  (ended with {code})\n{part.last_line()}")  # noqa: T201
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        sys.exit(run(sys.argv[1:], Path(work)))
