"""Warm `vboxlab up failover` against the same guests booted by bare QEMU, all at once: seconds and ratio, in one run.

Warm: base and package layers are made, the lab exists and is off. The bare guests are started from the command lines
that vboxlab itself starts them with, and count as up once systemd says over SSH that the boot is over; `up` also looks
into every guest and waits until the floating address serves the page.

Run it with `python -m benchmarks.boots`; VBOXLAB_HOME keeps base and layers for the next run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

from tests.guests.command import CommandLine
from vboxlab.settings import load_settings

GOAL = 1.5
MACHINES = ("firewall", "dns", "client", "srv-web", "srv-web-bis")
PATIENCE = 600.0  # seconds for a guest to boot


def command_lines(home: Path) -> list[list[str]]:
    """Return the command lines of the emulators that work in this home."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if words and "qemu-system" in words[0] and any(str(home) in word for word in words):
                found.append([word for word in words if word != "-daemonize"])
    return found


def make_way(commands: list[list[str]]) -> None:
    """Make the folders of the sockets that the emulators bind, and remove sockets that ended ones left."""
    for word in (word for command in commands for word in command):
        for option in word.split(","):
            name, _, path = option.partition("=")
            if name == "local.path" or (name == "path" and word.startswith("socket,")):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).unlink(missing_ok=True)


def booted(configuration: Path, machine: str) -> None:
    """Wait until systemd says over SSH that a guest's boot is over."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        done = subprocess.run(
            ["ssh", "-F", configuration, "-o", "ConnectTimeout=5", machine, "systemctl is-system-running --wait"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.stdout.strip() in ("running", "degraded"):
            return
        time.sleep(0.3)
    raise SystemExit(f"{machine} did not boot within {PATIENCE:.0f} s")


def bare(commands: list[list[str]], configuration: Path) -> float:
    """Return the seconds from starting all emulators until all guests are up; they are shut down again."""
    make_way(commands)
    begun = time.monotonic()
    emulators = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands
    ]
    with ThreadPoolExecutor(len(MACHINES)) as pool:
        list(pool.map(lambda machine: booted(configuration, machine), MACHINES))
        seconds = time.monotonic() - begun
        for machine in MACHINES:
            subprocess.run(["ssh", "-F", configuration, machine, "sudo poweroff"], capture_output=True, check=False)
    for emulator in emulators:
        with suppress(subprocess.TimeoutExpired):
            emulator.wait(120)
        emulator.kill()
        emulator.wait()
    return seconds


def warm(vboxlab: CommandLine) -> float:
    """Return the seconds of `up` on a lab that is off; it is powered off again."""
    begun = time.monotonic()
    vboxlab("up", "failover")
    seconds = time.monotonic() - begun
    vboxlab("down", "failover")
    return seconds


def main() -> None:
    """Measure, print, and remove the lab."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="vboxlab-") as folder:
        home = load_settings().home
        vboxlab = CommandLine(home)
        vboxlab("base", "build")
        begun = time.monotonic()
        vboxlab("up", "failover")
        print(f"from nothing: {time.monotonic() - begun:.0f} s")
        configuration = Path(folder) / "config"
        configuration.write_text(vboxlab("ssh-config", "failover"), encoding="utf-8")
        commands = command_lines(home)
        if len(commands) != len(MACHINES):
            raise SystemExit(f"{len(commands)} emulators run, {len(MACHINES)} were expected")
        try:
            vboxlab("down", "failover")
            pairs = []
            for number in range(rounds):
                pairs.append((bare(commands, configuration), warm(vboxlab)))
                print(f"round {number + 1}: bare {pairs[-1][0]:.1f} s, up {pairs[-1][1]:.1f} s")
        finally:
            vboxlab("destroy", "failover", "--yes")
    ratio = statistics.median(up / boots for boots, up in pairs)
    print(f"warm up is {ratio:.2f} times the bare boots (goal: at most {GOAL})")


if __name__ == "__main__":
    main()
