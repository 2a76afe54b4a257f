"""Workers that hang, are slow, or are replaced under others' calls: a stand-in that hangs as it is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.hypervisor.virtualbox.stand_in_worker import GREETING, failure
from vboxlab.errors import DriverError
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.process import Limits
from vboxlab.hypervisor.virtualbox.worker import calls
from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments
from vboxlab.hypervisor.virtualbox.worker.protocol import PROTOCOL

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="starts a script as an interpreter")
# Does what a file says of a call, a list for each of its lives: [what, seconds]. Keeps a journal of what was asked.
WORKER = f"""#!{sys.executable}
import json, os, pathlib, sys, threading, time
folder = pathlib.Path(__file__).parent
lock = threading.Lock()
beat = {{"service": 0.0, "calls": {{}}}}

def say(kind, **fields):
    with lock:
        print(json.dumps({{"protocol": {PROTOCOL}, "message": kind, **fields}}), flush=True)

def journal(*words):
    with lock, (folder / "journal").open("a") as stream:
        stream.write(json.dumps(words) + "\\n")

def pulse():
    while True:
        time.sleep(0.2)
        say("beat", **beat)

def answer(request):
    name, number = request["call"], request["id"]
    life = sum(1 for line in (folder / "journal").read_text().splitlines() if json.loads(line)[:2] == ["begun", name])
    journal("begun", name, os.getpid(), request["noted"])
    told = json.loads((folder / ("lives-" + name)).read_text())
    for what, value in told["lives"][life]:
        if what == "note":
            say("noted", id=number, note=value)
        elif what == "sleep":
            time.sleep(value)
        elif what == "beat":
            beat.update(value)
        elif what == "own age":
            beat["calls"] = {{str(number): value}}
        elif what == "stop":
            os.kill(os.getpid(), 19)
        elif what == "fail":
            with lock:
                print(json.dumps({{**value, "id": number}}), flush=True)
            return
    journal("ended", name, os.getpid(), life)
    say("reply", id=number, call=name, result=told["result"])

(folder / "journal").touch()
threading.Thread(target=pulse, daemon=True).start()
print({GREETING!r}, flush=True)
for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
deadline = time.monotonic() + 5
while time.monotonic() < deadline and threading.active_count() > 2:
    time.sleep(0.05)
os._exit(0)
"""
SLEEP = shutil.which("sleep") or ""
STALE = ["fail", failure("stale", "the service remembers somebody")]
DEAD = ["fail", failure("dead", "the service is gone")]
# What the stand-in is asked, by the call's name, and what it answers.
RESULTS: dict[str, Any] = {
    "power_off": True, "has_image": True, "console_log": "", "delete": None, "start": None, "create_image": None,
    "delete_snapshot": None, "remove_image": None,
}  # fmt: skip


def asked(name: str, handle: str) -> Arguments[Any]:
    """Return a call of that name."""
    kinds: dict[str, Arguments[Any]] = {
        "power_off": calls.PowerOff(handle, "graceful", 5.0),
        "has_image": calls.HasImage("x"),
        "console_log": calls.ConsoleLog(handle),
        "delete": calls.Delete(handle),
        "start": calls.Start(handle, gui=False),
        "create_image": calls.CreateImage("x", "vdi", ("x.vdi",)),
        "delete_snapshot": calls.DeleteSnapshot(handle, "x"),
        "remove_image": calls.RemoveImage("x"),
    }
    return kinds[name]


QUICK = Limits(worker=3.0, service=5.0, slow=2.0, call=4.0, starting=5.0, outlives=2.0)


class Room:
    """A client whose worker is the stand-in, and what that was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.client = Client(
            folder, preferred=str(folder / "worker.py"), lingers=0.2, limits=QUICK, say=self.said.append
        )

    def call(self, name: str, *lives: list[Any], handle: str = "a handle") -> int:
        """Make a call, and return in which of its lives it ended, counted from 0."""
        told = {"lives": lives, "result": RESULTS[name]}
        (self.folder / f"lives-{name}").write_text(json.dumps(told))
        assert self.client.call(asked(name, handle)) == RESULTS[name]
        return int(self.journal("ended", name)[-1][3])

    @contextmanager
    def vm(self, handle: str, seconds: float) -> Iterator[None]:
        """Let a process run that is called as VirtualBox calls that of a VM."""
        program = self.folder / "VBoxHeadless"
        program.write_text(f"#!{sys.executable}\nimport time\nprint(1, flush=True)\ntime.sleep({seconds})\n")
        program.chmod(0o755)
        words = [str(program), "--comment", "srv-web", "--startvm", handle]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            yield
            process.kill()

    def journal(self, *words: str) -> list[Any]:
        lines = (self.folder / "journal").read_text().splitlines()
        return [entry for line in lines if (entry := json.loads(line))[: len(words)] == list(words)]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    shutil.copy(SLEEP, tmp_path / "VBoxSVC")
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    worker.chmod(0o755)
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    (tmp_path / "virtualbox").mkdir()
    made = Room(tmp_path)
    yield made
    made.client.close()


@pytest.fixture
def service(room: Room) -> Iterator[None]:
    """Let a process run that is called as VirtualBox's service is."""
    with subprocess.Popen([room.folder / "VBoxSVC", "600"]) as process:
        yield
        process.kill()


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def later(seconds: float, call: Callable[[], Any]) -> Callable[[], Any]:
    def wait() -> Any:
        time.sleep(seconds)
        return call()

    return wait


def test_a_stale_answer_about_one_machine_does_not_end_the_call_of_another(room: Room) -> None:
    graceful = [["note", {"power": "on 1"}], ["sleep", 3.0]]
    results = in_threads(
        lambda: room.call("power_off", graceful, []),
        later(0.5, lambda: room.call("delete", [STALE], [])),
    )
    assert results == [0, 1], "the power-off ended in its first life, the deletion in its second"
    assert len(room.journal("begun", "power_off")) == 1
    (first, second) = room.journal("begun", "delete")
    assert first[2] != second[2]


def test_several_stale_answers_replace_the_worker_once(room: Room) -> None:
    results = in_threads(*[
        lambda name=name: room.call(name, [["sleep", 0.5], STALE], [])
        for name in ("delete", "delete_snapshot", "remove_image")
    ])  # fmt: skip
    assert results == [1, 1, 1]
    assert len({entry[2] for entry in room.journal("begun")}) == 2


def test_a_call_that_begins_while_the_worker_is_to_be_replaced_waits_for_the_next(room: Room) -> None:
    results = in_threads(
        lambda: room.call("create_image", [["sleep", 2.0]]),
        later(0.3, lambda: room.call("delete", [STALE], [])),
        later(0.8, lambda: room.call("console_log", [])),
    )
    assert results == [0, 1, 0]
    assert room.journal("begun", "console_log")[0][2] == room.journal("begun", "delete")[1][2]


def test_a_vms_process_that_ends_under_a_call_is_no_reason_for_another_worker(room: Room) -> None:
    ended = ["fail", failure("ended", "the VM is gone")]
    results = in_threads(
        lambda: room.call("create_image", [["sleep", 3.0]]),
        later(0.3, lambda: room.call("power_off", [["note", {"power": "on"}], ended], [])),
    )
    assert results == [0, 1]
    assert len({entry[2] for entry in room.journal("begun")}) == 1
    assert [entry[3] for entry in room.journal("begun", "power_off")] == [{}, {"power": "on"}]
    with pytest.raises(DriverError, match="the VM is gone"):
        room.call("start", *[[ended]] * 3)


def test_what_a_lost_call_noted_comes_back_with_it(room: Room) -> None:
    lives: list[list[Any]] = [[["note", {"a": 1}], DEAD], [["note", {"b": 2}], ["sleep", 60]], []]
    room.call("has_image", [])

    def kill() -> None:
        while len(room.journal("begun", "power_off")) < 2:
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(room.client.worker_pid, signal.SIGKILL)

    threading.Thread(target=kill).start()
    assert room.call("power_off", *lives) == 2
    assert [entry[3] for entry in room.journal("begun", "power_off")] == [{}, {"a": 1}, {"a": 1, "b": 2}]


def test_a_long_call_that_says_nothing_is_waited_for(room: Room) -> None:
    """Long compared with every limit: the worker's heartbeat goes on, and VirtualBox is heard."""
    assert room.call("create_image", [["sleep", 12.0]]) == 0
    assert len(room.journal("begun", "create_image")) == 1


def test_a_worker_that_hangs_is_found_and_the_call_made_again(room: Room) -> None:
    begun = time.monotonic()
    assert room.call("console_log", [["stop", 0], ["sleep", 60]], []) == 1
    assert QUICK.worker <= time.monotonic() - begun < QUICK.worker + 5


@pytest.mark.usefixtures("service")
def test_a_service_that_hangs_is_told_as_what_it_is_and_the_call_not_made_again(room: Room) -> None:
    with pytest.raises(DriverError, match="service has not answered for 5 s") as caught:
        room.call(
            "console_log", [["beat", {"service": 2.5}], ["sleep", 1.5], ["beat", {"service": 6.0}], ["sleep", 60]]
        )
    assert "end it yourself" in str(caught.value.resolution)
    assert len(room.journal("begun", "console_log")) == 1
    assert room.said == ["VirtualBox's service has not answered for 2 s: still waiting for it"]


@pytest.mark.usefixtures("service")
def test_calls_of_other_threads_end_with_the_one_that_found_the_service_silent(room: Room) -> None:
    def hangs(name: str) -> str:
        with pytest.raises(DriverError) as caught:
            room.call(name, [["beat", {"service": 2.5}], ["sleep", 1.5], ["beat", {"service": 6.0}], ["sleep", 60]])
        return caught.value.brief

    told = in_threads(*[lambda name=name: hangs(name) for name in ("delete", "delete_snapshot", "remove_image")])
    assert set(told) == {"VirtualBox's service has not answered for 5 s"}
    assert len({entry[2] for entry in room.journal("begun")}) == 1


def test_a_service_that_was_killed_under_a_question_is_not_waited_for(room: Room) -> None:
    """The binding waits for its answer for ever."""
    assert room.call("delete", [["beat", {"service": 2.5}], ["sleep", 60]], []) == 1
    assert len({entry[2] for entry in room.journal("begun")}) == 2


def test_no_call_is_made_again_on_a_machine_whose_process_outlives_its_service(room: Room) -> None:
    """It writes to the disk still that a second one would be started with."""
    with room.vm("0f1e", 60), pytest.raises(DriverError, match=r"its process [0-9]+ still runs"):
        room.call("start", [DEAD], [], handle="0f1e")
    assert len(room.journal("begun", "start")) == 1
    with room.vm("0f1e", 1.0):
        assert room.call("power_off", [DEAD], [], handle="0f1e") == 1
        assert room.call("console_log", [DEAD], [], handle="2d3c") == 1


@pytest.mark.usefixtures("service")
def test_a_service_that_is_slow_is_waited_for_and_said_once(room: Room) -> None:
    slow: list[Any] = [["beat", {"service": 3.0}], ["sleep", 2.5], ["beat", {"service": 0.0}], ["sleep", 1.5]]
    assert room.call("console_log", slow) == 0
    assert len(room.said) == 1


def test_a_call_that_hangs_in_a_vms_process_is_told_apart_and_ends_no_other(room: Room) -> None:
    def hangs() -> str:
        with pytest.raises(DriverError) as caught:
            room.call("start", [["own age", 9.0], ["sleep", 60]])
        return str(caught.value)

    told, copied = in_threads(hangs, lambda: room.call("create_image", [["sleep", 4.0]]))
    assert "(start) has not got on for 4 s" in told
    assert copied == 0
    assert len({entry[2] for entry in room.journal("begun")}) == 1
    for name in (
        "console_log",
        "has_image",
    ):  # another worker takes its place once: the call keeps a thread of the old one
        assert room.call(name, []) == 0
    assert len({entry[2] for entry in room.journal("begun")}) == 2


def test_a_stopped_vboxlab_finds_nothing_late_when_it_goes_on(room: Room) -> None:
    """Stopped by Ctrl-Z or with the host asleep for longer than any limit, it has not waited for that long."""
    room.call("has_image", [])
    script = f"import os, signal, time; time.sleep(1); os.kill({os.getpid()}, signal.SIGSTOP); time.sleep(6); "
    script += f"os.kill({os.getpid()}, signal.SIGCONT)"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", script], os.environ)
    assert room.call("create_image", [["sleep", 9.0]]) == 0
    os.waitpid(pid, 0)
    assert len(room.journal("begun", "create_image")) == 1
