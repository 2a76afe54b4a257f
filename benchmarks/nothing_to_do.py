"""`vboxlab up` of five guests in which nothing is to be done, against five `ssh MACHINE true` at once, in one run.

The clients are OpenSSH's, with the options of `vboxlab ssh-config`: same keys, ports and login. Both are measured
in turn, so that what else the computer does is in both. What `up` needs beyond the logins is its own: starting, looking
at the hypervisor, becoming root in each guest and comparing all that its roles want.

Run it with `python -m benchmarks.nothing_to_do`. A lab of that topology that is there in VBOXLAB_HOME is used and
stays; otherwise one is made, and destroyed at the end unless `--keep`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.guests.command import CommandLine
from vboxlab.settings import load_settings

GOAL = 2.0  # seconds more than the logins
STATUS_GOAL = 0.3


def logins(configuration: Path, machines: list[str]) -> float:
    """Return the seconds until `true` has run on all machines, with a connection to each at once."""

    def login(machine: str) -> None:
        subprocess.run(["ssh", "-F", configuration, machine, "true"], check=True, stdin=subprocess.DEVNULL)

    begun = time.monotonic()
    with ThreadPoolExecutor(len(machines)) as pool:
        list(pool.map(login, machines))
    return time.monotonic() - begun


def nothing_to_do(vboxlab: CommandLine, topology: str) -> float:
    """Return the seconds of an `up` that changes nothing. Ends the program when it did change something."""
    begun = time.monotonic()
    done = vboxlab.json("up", topology)
    seconds = time.monotonic() - begun
    if done["actions"]:
        raise SystemExit(f"up had something to do: {done}")
    return seconds


def status(vboxlab: CommandLine, topology: str) -> float:
    """Return the seconds of `status` of the lab."""
    begun = time.monotonic()
    vboxlab("status", topology)
    return time.monotonic() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topology", nargs="?", default="failover")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="leave a lab up that was made for this")
    options = parser.parse_args()
    topology = options.topology
    vboxlab = CommandLine(load_settings().home)
    existed = any(row["topology"] == topology for row in vboxlab.json("status", "--all"))
    if not existed:
        vboxlab("base", "build")
    try:
        vboxlab("up", topology)
        with tempfile.TemporaryDirectory(prefix="vboxlab-") as folder:
            configuration = Path(folder) / "config"
            configuration.write_text(vboxlab("ssh-config", topology), encoding="utf-8")
            names = [line.split()[1] for line in configuration.read_text().splitlines() if line.startswith("Host ")]
            logins(configuration, names)  # once each before it counts: what the guests read from disk is in memory then
            nothing_to_do(vboxlab, topology)
            pairs, looks = [], []
            for number in range(options.rounds):
                pairs.append((logins(configuration, names), nothing_to_do(vboxlab, topology)))
                looks.append(status(vboxlab, topology))
                print(f"round {number + 1}: {len(names)} ssh {pairs[-1][0]:.2f} s, up {pairs[-1][1]:.2f} s", flush=True)
    finally:
        if not existed and not options.keep:
            vboxlab("destroy", topology, "--yes")
    ssh, up = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    more = statistics.median(up - ssh for ssh, up in pairs)
    ratio = statistics.median(up / ssh for ssh, up in pairs)
    print(f"medians of {options.rounds}: {len(names)} ssh {ssh:.2f} s, up {up:.2f} s")
    reached = "reached" if more <= GOAL else "missed"
    print(f"up needs {more:.2f} s more, {ratio:.2f} times as long (goal: at most {GOAL:.1f} s more: {reached})")
    look = statistics.median(looks)
    reached = "reached" if look <= STATUS_GOAL else "missed"
    print(f"status of the lab: {look:.2f} s (goal: at most {STATUS_GOAL} s: {reached})")


if __name__ == "__main__":
    main()
