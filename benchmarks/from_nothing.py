"""`vboxlab up failover --build` with nothing there against the same with base and layers made: seconds, ratio, stages.

Cold: an empty home; the base, the package layers and the lab are made. Warm: base and layers are there, the lab is not;
its machines are created, booted and configured. What cold takes beyond warm is what has to be fetched and installed.

Where the load of the computer changes within the minutes of a round, warm says less than what was left of cold once
base and layers were made: it is the same work, and done at once after them. Both ratios are told.

Run it with `python -m benchmarks.from_nothing`, as root or as a user who can build bases. It uses a home of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.operations.doors import RecordingDoor
from vboxlab.events import ActionFinished, ActionProgress, Event
from vboxlab.operations.destroy import DestroyRequest, destroy
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
        super().show(event)
        if isinstance(event, ActionProgress) and event.machine is None:
            self._print(event.text)
        elif isinstance(event, ActionFinished):
            self._print(f"{event.machine or TOPOLOGY}: {event.title} ({event.seconds:.1f} s)")

    def _print(self, text: str) -> None:
        with self._lock:
            print(f"  {self._name} {self.seconds:6.1f} s  {text}", flush=True)

    @property
    def building(self) -> float:
        """Return the seconds until base and layers were made."""
        return sum(e.seconds for e in self.events if isinstance(e, ActionFinished) and e.action == "base")

    @property
    def seconds(self) -> float:
        """Return the seconds since this was made."""
        return time.monotonic() - self._begun


def timed(name: str) -> tuple[float, float]:
    """Return the seconds that `up --build` takes, and those of them until base and layers are made."""
    door = Stopwatch(name)
    up(UpRequest(topology=TOPOLOGY, build=True, yes=True), door)
    return door.seconds, door.building


def one_round(number: int) -> tuple[float, float, float]:
    """Return the seconds from nothing, those of them until base and layers are made, and those of a warm up."""
    with home():
        try:
            cold, building = timed("cold")
            destroy(DestroyRequest(lab=TOPOLOGY, yes=True), RecordingDoor())
            warm, _nothing = timed("warm")
        finally:
            destroy(DestroyRequest(lab=TOPOLOGY, yes=True), RecordingDoor())
    text = "from nothing {:.0f} s, base and layers {:.0f} s of them; warm {:.0f} s"
    print(f"round {number}:", text.format(cold, building, warm), flush=True)
    return cold, building, warm


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
    ratio = statistics.median(cold / warm for cold, _building, warm in rounds)
    said = "reached" if ratio <= GOAL else "missed"
    print(f"from nothing takes {ratio:.2f} times a warm up (goal: at most {GOAL}): {said}")
    rest = statistics.median(cold / (cold - building) for cold, building, _warm in rounds)
    print(f"and {rest:.2f} times its own part without base and layers")


if __name__ == "__main__":
    main()
