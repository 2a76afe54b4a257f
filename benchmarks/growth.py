"""How a verb's seconds grow with the machines of a class: two web servers a copy, on the memory driver or VirtualBox.

For each number of machines, several times over and in turns, a class is made, looked at, snapshotted, reset and
destroyed, each size in processes of its own. Told are the medians, what a machine costs at each size, and which power
of the number of machines the seconds grow with between the two biggest sizes: 1 is linear, 2 the square.

Run it with `python -m benchmarks.growth --plot growth.svg` (which needs matplotlib), and where VirtualBox is or in its
test harness with `--driver virtualbox`, `--keep` there and `--draw` here.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.virtualbox_class import MACHINES, TOPOLOGY, world_with_base
from tests.unit.base_on_disk import put_base
from vboxlab.lab.copies import MOST

SIZES: Mapping[str, Sequence[int]] = {
    "memory": (10, 30, 100, 300, 1000, 3000),
    "virtualbox": (10, 30, 60, 100, 200, 300),
}
VERBS = ("up", "up again", "status", "take", "reset", "destroy")
GOAL = 1.15
Medians = Mapping[str, Sequence[float]]


def commands(topology: Path, machines: int) -> dict[str, tuple[str, ...]]:
    """Return the command lines that are measured."""
    copies = machines // MACHINES
    ranges = (f"{first}-{min(first + MOST - 1, copies)}" for first in range(1, copies + 1, MOST))
    which = ("--copies", ",".join(ranges))
    make = ("up", str(topology), "--until", "created", *which)
    return {
        "up": make,
        "up again": make,
        "status": ("status", "--all"),
        "take": ("snapshot", "take", "begin", "--all"),
        "reset": ("reset", str(topology), *which, "--to", "begin", "--yes", "--no-up"),
        "destroy": ("destroy", "bench", *which, "--yes"),
    }


def on_memory(machines: int) -> dict[str, float]:
    """Return the seconds of each verb on the memory driver, whose host lives in this process."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ |= {
            "VBOXLAB_HOME": folder, "VBOXLAB_SETTINGS": str(home / "none.yaml"), "VBOXLAB_DRIVER": "memory",
            "VBOXLAB_LANGUAGE": "en",
        }  # fmt: skip
        put_base(home)
        topology = home / "bench.yaml"
        topology.write_text(TOPOLOGY, encoding="utf-8")
        from vboxlab.cli.main import run

        def seconds(arguments: Sequence[str]) -> float:
            begun = time.monotonic()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
                code = run(list(arguments))
            if code != 0:
                raise SystemExit(said.getvalue())
            return time.monotonic() - begun

        for words in (
            ("up", str(topology), "--until", "created", "--copy", "warm"),
            ("destroy", "bench", "--copy", "warm", "--yes"),
        ):
            seconds(words)  # imports everything
        return {verb: seconds(arguments) for verb, arguments in commands(topology, machines).items()}


def on_virtualbox(machines: int) -> dict[str, float]:
    """Return the seconds of each verb on VirtualBox, and the most memory (MiB) of vboxlab and of its worker."""
    from benchmarks.virtualbox_class import vboxlab

    with tempfile.TemporaryDirectory() as folder, world_with_base(Path(folder) / "world") as (_world, home):
        topology = home.parent / "bench.yaml"
        vboxlab(home, "up", str(topology), "--until", "created", "--copy", "warm")  # makes the image
        vboxlab(home, "destroy", "bench", "--copy", "warm", "--yes")
        with memory_of_children() as most:
            found = {verb: vboxlab(home, *words) for verb, words in commands(topology, machines).items()}
        return {**found, **most}


@contextlib.contextmanager
def memory_of_children() -> Iterator[dict[str, float]]:
    """Give the most memory (MiB, resident) that vboxlab and its worker are seen with meanwhile."""
    import psutil

    most = {"vboxlab MiB": 0.0, "worker MiB": 0.0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    words = " ".join(process.cmdline())
                    which = "worker MiB" if "worker" in words else "vboxlab MiB" if "-m vboxlab" in words else None
                    if which:
                        most[which] = max(most[which], process.memory_info().rss / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def measured(driver: str, sizes: Sequence[int], rounds: int) -> dict[str, list[float]]:
    """Return each verb's medians, one for each size."""
    found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    for number in range(rounds):
        for size in sizes:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.growth", "--driver", driver, "--one", str(size)],
                text=True, stdout=subprocess.PIPE, check=True,
            )  # fmt: skip
            found[size].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"round {number + 1}, {size} machines: {found[size][-1]}", file=sys.stderr)
    names = found[sizes[0]][0]
    return {name: [statistics.median(one[name] for one in found[size]) for size in sizes] for name in names}


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the power of the number of machines that the seconds grow with at the end: 1 is linear."""
    return math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])


def told(sizes: Sequence[int], medians: Medians) -> list[str]:
    """Return what is printed: a line a verb, and the verdict."""
    lines = [f"{'machines':12}" + "".join(f"{size:>18}" for size in sizes)]
    worst = 0.0
    for name, values in medians.items():
        if name.endswith("MiB"):
            lines.append(f"{name:12}" + "".join(f"{value:>14.0f} MiB" for value in values))
            continue
        cells = (f"{s:.2f} s {1000 * s / n:4.0f} ms" for n, s in zip(sizes, values, strict=True))
        grows = exponent(sizes, values)
        worst = max(worst, grows)
        lines.append(f"{name:12}" + "".join(f"{cell:>18}" for cell in cells) + f"   power {grows:.2f}")
    verdict = "reached" if worst <= GOAL else "not reached"
    lines.append(f"from {sizes[-2]} to {sizes[-1]} machines: at most power {worst:.2f} (goal {GOAL}: {verdict})")
    return lines


def plot(file: Path, driver: str, sizes: Sequence[int], medians: Medians) -> None:
    """Draw seconds against machines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    for name, values in medians.items():
        if not name.endswith("MiB"):
            axes.plot(sizes, values, marker="o", label=name)
    axes.set(xlabel="machines", ylabel="seconds (median)", title=f"vboxlab on {driver}: how verbs grow", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file)


def main() -> None:
    """Measure, print, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", choices=list(SIZES), default="memory")
    parser.add_argument("--machines", type=int, nargs="+", help="sizes of the class")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plot", type=Path, help="file for a picture (.svg or .png)")
    parser.add_argument("--keep", type=Path, help="file for the medians, to be drawn where matplotlib is")
    parser.add_argument("--draw", type=Path, help="measure nothing: draw the medians that were kept in this file")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)  # one round of one size, told as JSON
    options = parser.parse_args()
    if options.one:
        measure = on_memory if options.driver == "memory" else on_virtualbox
        print(json.dumps(measure(options.one)))
        return
    if options.draw:
        kept = json.loads(options.draw.read_text(encoding="utf-8"))
        plot(options.plot or options.draw.with_suffix(".svg"), kept["driver"], kept["machines"], kept["medians"])
        return
    sizes = options.machines or SIZES[options.driver]
    medians = measured(options.driver, sizes, options.rounds)
    if options.keep:
        kept = {"driver": options.driver, "machines": list(sizes), "medians": medians}
        options.keep.write_text(json.dumps(kept), encoding="utf-8")
    print("\n".join(told(sizes, medians)))
    if options.plot:
        plot(options.plot, options.driver, sizes, medians)


if __name__ == "__main__":
    main()
