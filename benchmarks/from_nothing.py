"""`vboxlab up failover --build` with nothing there against the same with base and layers made: seconds, ratio, stages.

Cold: an empty home; the base, the package layers and the lab are made. Warm: base and layers are there, the lab is not;
its machines are created, booted and configured. What cold takes beyond warm is what has to be fetched and installed.
For comparison the lab that is only off is started too.

Run it with `python -m benchmarks.from_nothing`, as root or as a user who can build bases. It uses a home of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.operations.doors import RecordingDoor
from vboxlab.events import ActionFinished, ActionProgress, Event
from vboxlab.operations.destroy import DestroyRequest, destroy
from vboxlab.operations.down import DownRequest, down
from vboxlab.operations.up import UpRequest, up

GOAL = 1.5
TOPOLOGY = "failover"


class Stopwatch(RecordingDoor):
    """A door that prints when each stage was told of, in seconds since it was made."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        """Print what a stage begins with, and how long an action took."""
        if isinstance(event, ActionProgress) and event.machine is None:
            self._print(event.text)
        elif isinstance(event, ActionFinished):
            self._print(f"{event.machine or TOPOLOGY}: {event.title} ({event.seconds:.1f} s)")

    def _print(self, text: str) -> None:
        with self._lock:
            print(f"  {self._name} {self.seconds:6.1f} s  {text}", flush=True)

    @property
    def seconds(self) -> float:
        """Return the seconds since this was made."""
        return time.monotonic() - self._begun


def timed(name: str) -> float:
    """Return the seconds that `up --build` takes."""
    door = Stopwatch(name)
    up(UpRequest(topology=TOPOLOGY, build=True, yes=True), door)
    return door.seconds


def one_round(number: int) -> tuple[float, float, float]:
    """Return the seconds from nothing, with base and layers made, and with the lab only off."""
    with home():
        try:
            cold = timed("cold")
            destroy(DestroyRequest(lab=TOPOLOGY, yes=True), RecordingDoor())
            warm = timed("warm")
            down(DownRequest(lab=TOPOLOGY), RecordingDoor())
            off = timed("off")
        finally:
            destroy(DestroyRequest(lab=TOPOLOGY, yes=True), RecordingDoor())
    print(f"round {number}: from nothing {cold:.0f} s, warm {warm:.0f} s, from off {off:.0f} s", flush=True)
    return cold, warm, off


@contextmanager
def home() -> Iterator[None]:
    """Let vboxlab work in an empty home with emulated machines."""
    with tempfile.TemporaryDirectory(prefix="vboxlab-") as folder:
        os.environ.update(VBOXLAB_HOME=str(Path(folder) / "home"), VBOXLAB_DRIVER="qemu")
        os.environ.setdefault("VBOXLAB_TIME_SCALE", "3")
        yield


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    rounds = [one_round(number + 1) for number in range(parser.parse_args().rounds)]

    def median(of: Callable[[float, float, float], float]) -> float:
        return statistics.median(of(*each) for each in rounds)

    ratio = median(lambda cold, warm, _off: cold / warm)
    said = "reached" if ratio <= GOAL else "missed"
    print(f"from nothing takes {ratio:.2f} times a warm up (goal: at most {GOAL}): {said}")
    print(f"and {median(lambda cold, _warm, off: cold / off):.2f} times the start of a lab that is off")


if __name__ == "__main__":
    main()
