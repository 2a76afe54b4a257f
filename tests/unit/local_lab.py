"""A lab of this host's own loopback: real shell scripts, a real prober, real HTTP servers; nothing is mocked.

Every "machine" runs its commands here. Web servers are threads that can be killed and started; a shared front page
address moves between them as a floating address does.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vboxlab.errors import GuestError, WaitTimeout
from vboxlab.guest.executor import Completed
from vboxlab.planning.observed import Impairment, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Topology


class HostStream:
    """A script that goes on running on this host."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def lines(self) -> Iterator[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.rstrip("\n")

    def send_line(self, text: str) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(f"{text}\n")
            self.process.stdin.flush()

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


@dataclass
class HostExecutor:
    """Runs the scripts of a machine with this host's shell; `commands` is a folder of programs that come first."""

    machine: str
    commands: Path | None = None
    reachable: bool = True
    scripts: list[str] = field(default_factory=list)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def _environment(self) -> dict[str, str]:
        path = os.environ["PATH"]
        return {**os.environ, "PATH": f"{self.commands}:{path}" if self.commands else path, "LC_ALL": "C"}

    def run(self, script: str, *, stdin: bytes = b"", root: bool = False, timeout: float = 60.0) -> Completed:
        self._reach(script)
        try:
            done = subprocess.run(
                ["sh", "-c", script],
                check=False,
                input=stdin,
                capture_output=True,
                timeout=timeout,
                env=self._environment(),
            )
        except subprocess.TimeoutExpired:
            raise WaitTimeout(f"{self.machine}: command did not end in time") from None
        return Completed(done.returncode, done.stdout.decode(), done.stderr.decode())

    def _reach(self, script: str) -> None:
        self.scripts.append(script)
        if not self.reachable:
            raise GuestError(f"{self.machine} does not answer")

    @contextmanager
    def stream(self, script: str, *, stdin: bytes = b"", root: bool = False) -> Iterator[HostStream]:
        self._reach(script)
        with subprocess.Popen(
            ["sh", "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=self._environment()
        ) as process:
            stream = HostStream(process)
            self.running.append(process)
            try:
                yield stream
            finally:
                self.running.remove(process)
                stream.stop()

    def close(self) -> None:
        pass


class FrontPage:
    """A listening socket of 127.0.0.1 whose page is that of whoever holds it; nobody: it refuses connections.

    With several holders they take turns, as behind a load balancer.
    """

    def __init__(self, pages: Mapping[str, str]) -> None:
        self.pages = pages
        self.delay = 0.0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._listener: socket.socket | None = None
        self._holders: tuple[str, ...] = ()
        self._turn = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hold(self, *holders: str) -> None:
        """Give the address to these machines (none: nobody has it)."""
        self._holders = holders
        if holders and self._listener is None:
            listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self._listener = listener
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
        if not holders and self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread out of accept
            self._listener.close()
            self._listener = None

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(2)
            connection.recv(4096)
            if self.delay:
                time.sleep(self.delay)
            self._turn += 1
            page = self.pages[self._holders[self._turn % len(self._holders)]].encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
        except (OSError, ZeroDivisionError):
            return


@dataclass
class LocalLab:
    """A lab under test made of host executors and a front page; what happens on a power cut is given by hooks."""

    topology: Topology
    front: FrontPage
    name: LabName = field(default_factory=lambda: LabName("ha"))
    driver: str = "local"
    driver_version: str = "1.0"
    is_accelerated: bool = True
    shapes_lines: bool = True
    commands: Path | None = None
    powers: dict[str, PowerState] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    on_power_off: Mapping[str, tuple[tuple[float, tuple[str, ...]], ...]] = field(default_factory=dict)
    on_start: Mapping[str, tuple[tuple[float, tuple[str, ...]], ...]] = field(default_factory=dict)
    executors: dict[str, HostExecutor] = field(default_factory=dict)

    def executor(self, machine: str) -> HostExecutor:
        return self.executors.setdefault(machine, HostExecutor(machine, self.commands))

    def power(self, machine: str) -> PowerState:
        return self.powers.get(machine, PowerState.RUNNING)

    def power_off(self, machine: str) -> None:
        self.calls.append(f"power_off {machine}")
        self.powers[machine] = PowerState.OFF
        self._play(self.on_power_off.get(machine, ()))

    def start(self, machine: str, *, wait: bool) -> None:
        self.calls.append(f"start {machine} wait={wait}")
        self.powers[machine] = PowerState.RUNNING
        self._play(self.on_start.get(machine, ()))

    def pause(self, machine: str) -> None:
        self.calls.append(f"pause {machine}")
        self.powers[machine] = PowerState.PAUSED

    def has(self, machine: str) -> bool:
        return machine in self.topology.machines

    def mac(self, machine: str, slot: int) -> str:
        return f"0800270000{list(self.topology.machines).index(machine):X}{slot:X}"

    def impair(self, machine: str, slot: int, impairment: Impairment) -> None:
        said = f"{impairment.loss:g} {impairment.delay:g} {impairment.rate}"
        self.calls.append(f"impair {machine} {slot} {said}")

    def set_groups(self, machine: str, slot: int, groups: Collection[int]) -> None:
        self.calls.append(f"set_groups {machine} {slot} {sorted(groups)}")

    def join_all(self) -> None:
        self.calls.append("join_all")

    def set_cable(self, machine: str, slot: int, connected: bool) -> None:
        self.calls.append(f"set_cable {machine} {slot} {connected}")

    def _play(self, script: tuple[tuple[float, tuple[str, ...]], ...]) -> None:
        """Let the front page change hands after so many seconds each."""
        for after, holders in script:
            if after <= 0:
                self.front.hold(*holders)
            else:
                timer = threading.Timer(after, self.front.hold, holders)
                timer.daemon = True
                timer.start()
