"""The switch process of one lab copy's internal networks: frames between the sockets of one directory.

    DIR/switch    datagram socket that machines send their frames to
    DIR/control   stream socket: a line with a command, a line of JSON as the answer:
                  reload (read the plugs), release (end when nothing is plugged in)
    DIR/lock      held by the switch that is on duty, holds its process id
    DIR/p/PORT        a machine's (or a prober's) own datagram socket; one datagram is one Ethernet frame
    DIR/p/PORT.net    network that this port is plugged into, and "up" or "down": its cable
    DIR/p/PORT.line   JSON, where something is wrong with its line: `groups` (numbers; it sees the ports that share one,
                      and those without any), and of the frames that it sends `loss` (share of them), `delay` (seconds)
                      and `rate` (bytes a second)

Isolation needs no rule here: a lab copy has a directory and a switch of its own, private to the user, and there is no
IP anywhere. The switch keeps nothing: killed and started again it goes on, and so do machines that come back.
The file is run by its path with the standard library alone, so that it starts in a few milliseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import json
import os
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

NET_SUFFIX = ".net"
LINE_SUFFIX = ".line"
FRAME_BYTES = 65536
# Frames that wait for a port whose reader is behind; a real switch drops as well.
QUEUE_FRAMES = 512
# Frames that are late on one line; as many as tc-netem(8) holds by default.
LATE_FRAMES = 1000
BATCH_FRAMES = 64
IDLE_SECONDS = 60.0
TICK_SECONDS = 5.0
RESCAN_SECONDS = 0.05
LOCK_SECONDS = 2.0


@dataclass(frozen=True)
class Line:
    """What is wrong with a port's line: whom it sees (empty: everybody), and what becomes of the frames it sends."""

    groups: frozenset[int] = frozenset()
    loss: float = 0.0
    delay: float = 0.0
    rate: float = 0.0

    @classmethod
    def read(cls, path: str) -> Line:
        """Return what a file says; a good line where there is none, or it says nothing that can be read."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(frozenset(said["groups"]), float(said["loss"]), float(said["delay"]), float(said["rate"]))
        return cls()

    def sees(self, other: Line) -> bool:
        """Tell whether frames pass between two lines."""
        return not self.groups or not other.groups or not self.groups.isdisjoint(other.groups)

    def loses(self) -> bool:
        """Throw the dice for one frame."""
        return self.loss > 0 and int.from_bytes(os.urandom(4), "big") < self.loss * 2**32


@dataclass
class Port:
    """One plug: its socket's path, its network, its line, and the frames that wait for it."""

    path: str
    network: str
    up: bool
    line: Line = field(default_factory=Line)
    free_at: float = 0.0  # when its line has sent what it was given, where that has a rate
    late: int = 0  # frames that it has sent and that are not there yet
    sender: socket.socket | None = None
    waiting: deque[bytes] = field(default_factory=lambda: deque(maxlen=QUEUE_FRAMES))

    def send(self, frame: bytes) -> bool:
        """Pass a frame on; false when it has to wait until the socket takes more. Without a reader it is dropped."""
        for _ in range(2):
            try:
                if self.sender is None:
                    self.sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self.sender.setblocking(False)
                    self.sender.connect(self.path)
                self.sender.send(frame)
            except BlockingIOError:
                return False
            except OSError:
                # The machine ended; when it came back meanwhile, the second try reaches its new socket.
                self.close()
            else:
                return True
        return True

    def close(self) -> None:
        """Let go of the socket."""
        if self.sender is not None:
            self.sender.close()
            self.sender = None

    def is_alive(self) -> bool:
        """Tell whether somebody reads at this port."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(self.path)
            except OSError:
                return False
        return True


class Switch:
    """A learning switch with one broadcast domain per network."""

    def __init__(self, directory: Path, idle_seconds: float) -> None:
        self.directory = directory
        self.plugs = directory / "p"
        self.ports: dict[str, Port] = {}
        self.members: dict[str, list[Port]] = {}
        self.learned: dict[tuple[str, bytes], Port] = {}
        self.late: list[tuple[float, int, Port, bytes]] = []  # a heap: when due, order of coming
        self.order = itertools.count()
        self.selector = selectors.DefaultSelector()
        self.idle_seconds = idle_seconds
        self.used_at = time.monotonic()
        self.scanned_at = 0.0
        self.running = True
        self.frames = _bound(directory / "switch", socket.SOCK_DGRAM)
        self.control = _bound(directory / "control", socket.SOCK_STREAM)
        self.control.listen(16)
        self.selector.register(self.frames, selectors.EVENT_READ, self.forward)
        self.selector.register(self.control, selectors.EVENT_READ, self.answer)

    def scan(self) -> None:
        """Read which port is plugged into what."""
        self.scanned_at = time.monotonic()
        found: dict[str, tuple[str, bool, Line]] = {}
        for entry in os.scandir(self.plugs):
            if entry.name.endswith(NET_SUFFIX) and not entry.name.startswith("."):
                with contextlib.suppress(OSError, ValueError):
                    network, cable = Path(entry.path).read_text(encoding="utf-8").split("\n")[:2]
                    path = entry.path.removesuffix(NET_SUFFIX)
                    found[path] = (network, cable == "up", Line.read(path + LINE_SUFFIX))
        if found == {path: (port.network, port.up, port.line) for path, port in self.ports.items()}:
            return
        for path in self.ports.keys() - found.keys():
            self.rest(self.ports.pop(path))
        for path, (network, up, line) in found.items():
            port = self.ports.setdefault(path, Port(path, network, up))
            port.network, port.up, port.line = network, up, line
        self.members = {}
        for port in self.ports.values():
            if port.up:
                self.members.setdefault(port.network, []).append(port)
        self.learned.clear()

    def forward(self) -> None:
        """Pass on the frames that have come in."""
        for _ in range(BATCH_FRAMES):
            try:
                frame, source = self.frames.recvfrom(FRAME_BYTES)
            except BlockingIOError:
                return
            port = self.ports.get(source)
            if port is None and time.monotonic() - self.scanned_at > RESCAN_SECONDS:
                self.scan()
                port = self.ports.get(source)
            if port is None or not port.up or len(frame) < 14:
                continue
            self.take(port, frame)

    def take(self, port: Port, frame: bytes) -> None:
        """Take a frame from a port's line: at once, later, or not at all."""
        line = port.line
        if line.loses():
            return
        if not (line.delay or line.rate):
            self.deliver(port, frame)
        elif port.late < LATE_FRAMES:
            seconds = len(frame) / line.rate if line.rate else 0.0
            port.free_at = max(port.free_at, time.monotonic()) + seconds
            port.late += 1
            heapq.heappush(self.late, (port.free_at + line.delay, next(self.order), port, frame))

    def deliver_late(self) -> None:
        """Pass on the frames that are due; those of a port that has gone, or whose cable is out now, are lost."""
        while self.late and self.late[0][0] <= time.monotonic():
            _due, _order, port, frame = heapq.heappop(self.late)
            port.late -= 1
            if port.up and self.ports.get(port.path) is port:
                self.deliver(port, frame)

    def deliver(self, port: Port, frame: bytes) -> None:
        """Pass on a frame that a port has sent to whom it is for, as far as these see each other."""
        self.learned[port.network, frame[6:12]] = port
        known = None if frame[0] & 1 else self.learned.get((port.network, frame[:6]))
        for target in self.members.get(port.network, ()) if known is None else (known,):
            if target is not port and port.line.sees(target.line):
                self.pass_on(target, frame)

    def pass_on(self, port: Port, frame: bytes) -> None:
        """Send a frame to a port, or keep it until the port takes more."""
        if port.waiting:
            port.waiting.append(frame)
        elif not port.send(frame) and port.sender is not None:
            port.waiting.append(frame)
            self.selector.register(port.sender, selectors.EVENT_WRITE, lambda: self.flush(port))

    def flush(self, port: Port) -> None:
        """Send what waited for a port."""
        sender = port.sender
        while port.waiting and port.sender is sender:
            if not port.send(port.waiting[0]):
                break
            port.waiting.popleft()
        if sender is not None and (not port.waiting or port.sender is not sender):
            self.selector.unregister(sender)
            port.waiting.clear()

    def rest(self, port: Port) -> None:
        """Forget a port."""
        if port.sender is not None and port.waiting:
            self.selector.unregister(port.sender)
        port.waiting.clear()
        port.close()

    def answer(self) -> None:
        """Serve one connection of the control socket."""
        with contextlib.suppress(OSError):
            connection, _ = self.control.accept()
            with connection:
                connection.settimeout(1.0)
                command = connection.makefile("r", encoding="utf-8").readline().strip()
                connection.sendall(json.dumps(self.command(command)).encode() + b"\n")

    def command(self, command: str) -> object:
        """Carry out a command of the control socket."""
        if command not in ("reload", "release"):
            return {"error": f"unknown command {command!r}"}
        self.used_at = time.monotonic()
        self.scan()
        # A machine that is just starting has written its plug before it asks for the switch: it is never let down.
        self.running = command == "reload" or bool(self.ports)
        return {
            "pid": os.getpid(),
            "lines": True,  # it knows of lines, which those of older vboxlabs do not
            "ports": {Path(path).name: [port.network, port.up] for path, port in self.ports.items()},
        }

    def tick(self) -> None:
        """Look whether anybody is left; without anybody for long enough, end."""
        self.scan()
        if any(port.is_alive() for port in self.ports.values()):
            self.used_at = time.monotonic()
        elif time.monotonic() - self.used_at > self.idle_seconds:
            self.running = False

    def serve(self) -> None:
        """Work until nobody needs the switch."""
        self.scan()
        tick_seconds = min(TICK_SECONDS, self.idle_seconds)
        next_tick = time.monotonic() + tick_seconds
        while self.running:
            until = min(next_tick, self.late[0][0]) if self.late else next_tick
            for key, _ in self.selector.select(max(0.0, until - time.monotonic())):
                key.data()
            self.deliver_late()
            if time.monotonic() >= next_tick:
                self.tick()
                next_tick = time.monotonic() + tick_seconds

    def close(self) -> None:
        """Take the sockets away, while the lock is still held."""
        for name in ("control", "switch"):
            (self.directory / name).unlink(missing_ok=True)


def _bound(path: Path, kind: socket.SocketKind) -> socket.socket:
    """Return a socket at that path, in place of what a killed switch left: the caller holds the lock."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, kind)
    bound.setblocking(False)
    bound.bind(str(path))
    return bound


def _is_served(control: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(control)) == 0


def _take_lock(directory: Path) -> int | None:
    """Return the held lock, or None when another switch is on duty; one that is just ending is waited for."""
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until or _is_served(directory / "control"):
                return None
            time.sleep(0.02)
        else:
            return handle


def main(directory: Path, idle_seconds: float) -> None:
    """Become the switch of a directory, in the background; return at once when there is one."""
    lock = _take_lock(directory)
    if lock is None:
        return
    switch = Switch(directory, idle_seconds)
    if os.fork():
        os._exit(0)  # the lock and the sockets live on in the child
    with Path(os.devnull).open("r+b") as null:
        for standard in (0, 1, 2):
            os.dup2(null.fileno(), standard)
    os.chdir("/")
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    try:
        switch.serve()
    finally:
        switch.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else IDLE_SECONDS)
