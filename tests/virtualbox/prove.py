"""Prove on a machine without VirtualBox that vboxlab brings guests up on a real one, its kernel driver included.

    sudo python -m tests.virtualbox.prove --cache /var/tmp/proof

makes a Debian sid machine with VirtualBox and boots it in QEMU, which emulates a processor with AMD-V. In it,
`vboxlab up` brings two guests up on VirtualBox; they are reached over SSH and ping each other over their internal
network. Emulation within emulation is slow; every line tells how long after the beginning it was printed.

Whatever happens, nothing is left running, and nothing is left on disk but the cache that was asked for.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.virtualbox import harness, proof_image

NEEDED_ON_HOST = {
    "mmdebstrap": "mmdebstrap", "unshare": "util-linux", "setpriv": "util-linux", "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs", "qemu-img": "qemu-utils", "ssh": "openssh-client", "ssh-keygen": "openssh-client",
}  # fmt: skip
# AMD-V with nested paging on one processor. Without the last three features a guest of VirtualBox needs no special
# arguments: with them its kernel crashed, as the base of GS was lost in an interrupt under QEMU's AMD-V.
CPU = "EPYC-v1,+svm,+npt,-fsgsbase,-smap,-smep"
KERNEL_ARGUMENTS = (
    "root=LABEL=proof rw console=ttyS0 quiet mitigations=off net.ifnames=0 audit=0 nowatchdog "
    "systemd.show_status=false tsc=reliable no_timer_check random.trust_cpu=on"
)
MACHINES = {"client": "192.168.77.10", "srv-web": "192.168.77.51"}
# Limits are stretched by this: a guest's boot takes minutes here.
TIME_SCALE = 60
ENVIRONMENT = {
    "PATH": "/opt/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "VBOXLAB_HOME": f"/{proof_image.HOME}",
    "VBOXLAB_DRIVER": "virtualbox",
    "VBOXLAB_TIME_SCALE": str(TIME_SCALE),
    "VBOXLAB_LOCK_PATIENCE": "600",
    "VBOXLAB_JOBS": "1",  # one processor: two guests that boot at once would keep each other from their logins
}
BOOT_SECONDS = 900.0
# VirtualBox does not trust the emulated processor's time-stamp counter, and would have each reading of it by a guest
# leave the guest: four times slower. It is read directly.
TIME_STAMPS = "VBoxManage setextradata global VBoxInternal/TM/TSCMode RealTSCOffset"
BEGAN = time.monotonic()

# What tells why: VirtualBox's view of its machines, and the ends of their logs and consoles.
LOOK = (
    "uptime; VBoxManage list runningvms; find /root -name VBox.log -o -name console.log | while read -r log; do "
    'echo "== $log"; tail -n 25 "$log"; done'
)
LOOK_SECONDS = 900.0  # how long a guest's boot may take before it is looked into


class ProofFailed(Exception):
    """A step of the proof did not succeed."""


def say(text: str) -> None:
    """Print a line with the time since the beginning."""
    minutes, seconds = divmod(int(time.monotonic() - BEGAN), 60)
    print(f"[{minutes:3d}:{seconds:02d}] {text}", flush=True)  # noqa: T201


@contextmanager
def step(title: str, took: dict[str, float]) -> Iterator[None]:
    """Say what begins, and note how long it took."""
    say(f"== {title}")
    began = time.monotonic()
    try:
        yield
    finally:
        took[title] = time.monotonic() - began


def free_port() -> int:
    """Return a TCP port of this host that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def qemu_command(port: int, memory: int) -> str:
    """Return the shell command that runs the machine from within the tree; its disk stays as it is."""
    argv = [
        "exec", "nice", "-n", "12", "qemu-system-x86_64", "-name", "vboxlab-proof", "-machine", "q35", "-cpu", CPU,
        "-accel", "tcg,tb-size=1024", "-smp", "1", "-m", f"{memory}M", "-display", "none", "-nodefaults",
        "-no-user-config", "-serial", "stdio", "-kernel", "/checkout/vmlinuz", "-initrd", "/checkout/initrd.img",
        "-append", KERNEL_ARGUMENTS, "-snapshot",
        "-drive", "file=/checkout/disk.raw,format=raw,if=virtio,cache=unsafe", "-device", "virtio-rng-pci",
        "-netdev", f"user,id=net,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
        "-device", "virtio-net-pci,netdev=net,romfile=", "-no-reboot",
    ]  # fmt: skip
    return " ".join([argv[0], *(shlex.quote(word) for word in argv[1:])])


class Machine:
    """The emulated machine, from its start to its end."""

    def __init__(self, tree: Path, directory: Path, key: Path, console: Path, memory: int) -> None:
        self._key = key
        self._console = console
        self._port = free_port()
        # The kernel ends it when this script is gone, however that came about.
        argv = harness.inside(tree, qemu_command(self._port, memory), checkout=directory)
        with console.open("wb") as stream:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def close(self) -> None:
        """End the machine at once."""
        self._process.kill()  # unshare: its name space of processes ends with it
        self._process.wait()

    def ssh(self, command: str) -> list[str]:
        """Return the command that runs a shell command in the machine."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes",
                   "ConnectTimeout=60", "ServerAliveInterval=60", "ServerAliveCountMax=20"]  # fmt: skip
        where = ["-p", str(self._port), "-i", str(self._key), "root@127.0.0.1"]
        return ["ssh", "-F", "none", *(f"-o{option}" for option in options), *where, command]

    def wait(self, seconds: float) -> None:
        """Return once the machine lets us in. Raises ProofFailed with its console's last lines."""
        deadline = time.monotonic() + seconds
        while subprocess.run(self.ssh("true"), check=False, capture_output=True).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ProofFailed(f"the emulated machine does not answer; its console:\n{self.last_words()}")
            time.sleep(2)

    def last_words(self) -> str:
        """Return the last lines of the console."""
        return self._console.read_text(errors="replace")[-3000:]

    def run(self, command: str, *, seconds: float) -> None:
        """Run a command in the machine and print its lines as they come. Raises ProofFailed when it fails."""
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in ENVIRONMENT.items())
        argv = self.ssh(f"env {variables} timeout {seconds:.0f} sh -c {shlex.quote(command)}")
        say(f"$ {command}")
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        ) as process:  # fmt: skip
            try:
                for line in process.stdout or ():
                    say(f"  {line.rstrip()}")
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise ProofFailed(f"`{command}` failed in the emulated machine (exit code {process.returncode})")


@contextmanager
def looked_into(machine: Machine) -> Iterator[None]:
    """Print what the machine's logs say, again and again, while the block takes longer than expected."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            with suppress(ProofFailed):
                machine.run(LOOK, seconds=600)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()


def prove(machine: Machine, seconds: float, took: dict[str, float]) -> None:
    """Bring the lab up in the machine and let its guests ping each other. Raises ProofFailed."""
    with step("boot of the emulated machine", took):
        machine.wait(BOOT_SECONDS)
    with step("VirtualBox's kernel driver", took):
        machine.run("uname -r; grep -wo svm /proc/cpuinfo; grep vboxdrv /proc/modules; ls -l /dev/vboxdrv", seconds=120)
        machine.run(TIME_STAMPS, seconds=120)
    try:
        with step("vboxlab up: images and machines", took):
            machine.run("vboxlab up proof --until created", seconds=seconds)
        with step("vboxlab up: boot, SSH, configuration", took), looked_into(machine):
            machine.run("vboxlab up proof", seconds=seconds)
        with step("the guests ping each other", took):
            for name in MACHINES:
                other = next(address for each, address in MACHINES.items() if each != name)
                machine.run(f"vboxlab ssh {name} -- 'hostname; ping -c 3 -W 20 {other}'", seconds=1800)
    except ProofFailed:
        with suppress(ProofFailed):
            machine.run(LOOK, seconds=600)
        raise


def main() -> int:
    """Make what is missing, run the proof, print how long each step took; return 0 when it succeeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="keep the Debian tree and the base here for the next run")
    parser.add_argument("--memory", type=int, default=3072, help="MiB of the emulated machine")
    parser.add_argument("--hours", type=float, default=4.0, help="limit of each `vboxlab up`")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("prove: must be root (it mounts and changes root): sudo make prove-virtualbox")
    missing = {package for name, package in NEEDED_ON_HOST.items() if not Path(proof_image.program(name)).is_absolute()}
    if missing:
        sys.exit(f"prove: missing on this machine: apt-get install {' '.join(sorted(missing))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what stands below is cleaned up
    took: dict[str, float] = {}
    if options.cache:
        options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vboxlab-proof-", dir=options.cache) as name:
        scratch = Path(name).resolve()
        cache: Path = (options.cache or scratch).resolve()
        tree = cache / "tree"
        with step("Debian with VirtualBox and its driver", took):
            proof_image.make_tree(tree)
        with step("base of the guests", took):
            proof_image.give_base(cache / "home", tree)
        with step("disk of the emulated machine", took):
            key, public_key = proof_image.make_key(scratch)
            proof_image.write_image(tree, scratch / "machine", public_key)
        say(f"VirtualBox {proof_image.virtualbox_version(tree)}")
        machine = Machine(tree, scratch / "machine", key, scratch / "console.log", options.memory)
        try:
            prove(machine, options.hours * 3600, took)
            outcome = "proved: two guests on VirtualBox with its kernel driver reach each other"
        except ProofFailed as failure:
            outcome = f"NOT proved, it ended at this step: {list(took)[-1]}\n{failure}"
        finally:
            machine.close()
    for title, seconds in took.items():
        say(f"{seconds:7.0f} s  {title}")
    say(outcome)
    return 0 if outcome.startswith("proved") else 1


if __name__ == "__main__":
    sys.exit(main())
