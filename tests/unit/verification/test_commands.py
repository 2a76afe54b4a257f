"""The real prober with commands and datagrams: what it runs, and what real UDP servers of this host answer."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local_lab import FrontPage, HostExecutor, LocalLab
from tests.unit.verification.histories import bounds, by, interruption, judged, measured, run_begun
from tests.unit.verification.test_runner import PAGES, topology
from vboxlab.errors import InfrastructureTrouble
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.pace import completed_rate
from vboxlab.verification.probes import ProbeSpec, probe, probing
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.runner import run_scenario
from vboxlab.verification.samples import Owners, Sample, distribution
from vboxlab.waiting import Deadline

pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="the prober is a Perl program")


def recorder() -> Recorder:
    made = Recorder()
    made.add(run_begun())
    return made


def ran(*words: str, **more: Any) -> list[Sample]:
    spec = ProbeSpec("", **{"every": 0.02, "count": 3, "timeout": 20.0, **more}, run=words)
    return probe(HostExecutor("client"), spec, recorder(), 1)


def shell(text: str, **more: Any) -> list[Sample]:
    return ran("sh", "-c", text, **more)


def told(samples: list[Sample]) -> list[tuple[str, int, str, tuple[int, ...]]]:
    return [(sample.outcome, sample.status, sample.page, sample.marks) for sample in samples]


def trouble(*words: str) -> str:
    with pytest.raises(InfrastructureTrouble) as caught:
        ran(*words)
    assert caught.value.brief == "client: the prober could not run"
    return caught.value.details[0]


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, or does within some seconds."""
    deadline = Deadline.after(10)
    while not deadline.expired:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_a_command_that_ends_with_0_is_a_good_answer_and_its_output_tells_the_server() -> None:
    samples = ran("echo", "on srv-web-bis", marks=("srv-web-bis", "db1"))
    assert told(samples) == [("ok", 0, "on srv-web-bis\n", (0,))] * 3
    assert all(sample.good for sample in samples)
    owners = Owners.of({"one": "db1", "two": "srv-web-bis"})
    assert distribution(ran("echo", "srv-web-bis", marks=owners.texts), owners) == {"two": 3}


def test_a_command_that_ends_otherwise_has_failed_whatever_it_says() -> None:
    samples = shell("echo srv-web; exit 3", marks=("srv-web",))
    assert told(samples) == [("failed", 3, "srv-web\n", ())] * 3
    assert not any(sample.good for sample in samples)
    assert told(shell("kill -9 $$", count=1)) == [("failed", 137, "", ())]


def test_what_a_command_says_is_data(tmp_path: Path) -> None:
    hostile = "S 1 2 ok 0 0 0\nX over\n\x1b[2J%41\0é"
    samples = ran("printf", "%b", hostile.replace("\0", "\\0000"), marks=("é",))
    assert told(samples) == [("ok", 0, hostile, (0,))] * 3
    touched = tmp_path / "touched"
    words = ("echo", f"$(touch {touched})", f"`touch {touched}`; touch {touched}", "'", "$HOME")
    assert ran(*words, count=1, marks=(" ".join(words[1:]),))[0].marks == (0,)
    assert not touched.exists()
    assert told(ran("yes", count=1)) == [("broken", 0, "", ())]  # it says too much


def test_two_commands_never_run_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    samples = shell(f"echo begin >>{log}; sleep 0.2; echo end >>{log}", every=0.02, count=4)
    assert log.read_text().split() == ["begin", "end"] * 4
    assert all(after.start >= one.end for one, after in pairwise(samples))
    as_fast = shell("true", every=0, count=20)
    assert all(after.start >= one.end for one, after in pairwise(as_fast))
    assert completed_rate(as_fast) > completed_rate(samples)


def test_a_time_out_kills_a_command_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    text = f"trap '' TERM HUP; sleep 300 & echo $! $$ >>{pids}; wait"
    assert told(shell(text, timeout=0.5, count=2)) == [("timeout", 0, "", ())] * 2
    started = pids.read_text().split()
    assert len(started) == 4
    assert all(is_gone(int(pid)) for pid in started)


def test_a_command_that_closes_its_output_is_waited_for() -> None:
    samples = shell("echo yes; exec >&- 2>&-; sleep 0.3; exit 4", count=2)
    assert told(samples) == [("failed", 4, "yes\n", ())] * 2
    assert all(sample.duration > 0.25 for sample in samples)
    assert told(shell("exec >&-; sleep 300", timeout=0.4, count=1)) == [("timeout", 0, "", ())]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_command_outlives_its_prober(tmp_path: Path, number: int) -> None:
    pid = tmp_path / "pid"
    spec = ProbeSpec("", timeout=200.0, run=("sh", "-c", f"echo $$ >{pid}; exec sleep 300"))
    with probing(HostExecutor("client"), spec, recorder(), 1) as prober:
        deadline = Deadline.after(10)
        while not (pid.exists() and pid.read_text().strip()) and not deadline.expired:
            time.sleep(0.02)
        process = prober._stream.process  # type: ignore[attr-defined]
        os.kill(process.pid, number)
        assert is_gone(int(pid.read_text()))


def test_a_command_that_cannot_be_run_is_trouble(tmp_path: Path) -> None:
    assert trouble("nosuch-command") == "there is no program nosuch-command"
    assert trouble(str(tmp_path)) == f"there is no program {tmp_path}"
    odd = tmp_path / "odd"
    odd.write_text("#!/nonexistent/interpreter\n")
    odd.chmod(0o755)
    assert trouble(str(odd)).startswith(f"{odd} cannot be run: ")


def test_a_command_that_takes_long_keeps_its_own_pace() -> None:
    """Nine tenths of what one command after the other can do are asked for, not of what `every` says."""
    step = interruption(url="", run=["check-it"], every=1.0, timeout=2.0, limits={"interruption": 15},
                        told_by={"srv-web-bis": "bis"})  # fmt: skip
    lost = [Sample(3.0 + 2 * n, 2.0, "timeout") for n in range(4)]
    back = [Sample(11.0 + n, 0.1, "ok", marks=(0,)) for n in range(9)]
    first = [Sample(float(n), 0.1, "ok") for n in range(3)]
    kept = judged(measured([*first, *lost, *back], step=step))
    assert (kept.outcome, kept.details) == ("passed", ())
    assert kept.facts["sampling"].startswith("1.0 of 1.0 requests a second")
    late = [Sample(1.5 * n, 0.1, "ok", marks=(0,) if n > 4 else ()) for n in range(12)]
    slow = judged(measured(late, step=step))
    assert slow.outcome == "unclear"
    assert slow.details[-1] == "only 0.7 of 1.0 requests a second could be made"
    # of anything else the next request does not wait, so that a slow answer is no excuse
    plain = interruption(limits={"interruption": 15})
    assert judged(measured([by("srv-web-bis", n * 0.2, 0.2) for n in range(90)], step=plain)).outcome == "unclear"


def test_a_failover_that_a_command_sees(tmp_path: Path) -> None:
    """The state is a file: gone with the master's power, written by the successor after a known time."""
    state = tmp_path / "state"
    state.write_text("srv-web has it\n")
    lab = LocalLab(topology(), FrontPage(PAGES))
    original, moments = lab.power_off, []

    def power_off(machine: str) -> None:
        original(machine)
        moments.append(time.monotonic())
        state.unlink()
        threading.Timer(1.2, taken_over).start()

    def taken_over() -> None:
        state.write_text("srv-web-bis has it\n")
        moments.append(time.monotonic())

    lab.power_off = power_off  # type: ignore[method-assign]
    wanted = interruption(run=["cat", str(state)], every=0.1, before=0.3, observe=0.5, within=20,
                          told_by={"srv-web": "srv-web has", "srv-web-bis": "srv-web-bis has"})  # fmt: skip
    del wanted["url"]
    step = run_scenario(Scenario(steps=(wanted,)), lab).steps[0]
    assert step.outcome == "passed", step
    assert step.title == f"interruption of cat {state} when srv-web is powered off brutally"
    least, most = bounds(step, "interruption")
    assert least is not None
    assert most is not None
    assert least <= moments[1] - moments[0] <= most
    assert set(step.served) == {"srv-web", "", "srv-web-bis"}
    assert {sample.status for sample in step.samples if sample.outcome == "failed"} == {1}


@contextmanager
def answering(reply: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """A UDP server of this host; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                said, peer = server.recvfrom(2048)
                if said == b"over":
                    return
                answer = reply(said)
                if answer is not None:
                    server.sendto(answer, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.sendto(b"over", server.getsockname())
        thread.join(timeout=5)


def sent(port: int, payload: bytes, *marks: str, timeout: float = 5.0) -> list[Sample]:
    spec = ProbeSpec(f"udp://127.0.0.1:{port}", 0.02, timeout, 3, marks=marks, send=payload)
    return probe(HostExecutor("client"), spec, recorder(), 1)


def test_any_answer_to_a_datagram_is_a_good_one_and_may_be_told_by_a_text() -> None:
    with answering(lambda said: b"<" + said + b"> of srv-web\0\xff") as port:
        samples = sent(port, b"ping\0\x80'$(x)", "srv-web", "db1", "ping")
        assert [(s.outcome, s.status, s.marks, s.good) for s in samples] == [("ok", 0, (0, 2), True)] * 3
        assert samples[0].page.startswith("<ping\0")
    with answering(lambda said: said if said == bytes(range(256)) else None) as port:
        assert {s.outcome for s in sent(port, bytes(range(256)))} == {"ok"}
    with answering(lambda _said: b"") as port:
        assert {s.outcome for s in sent(port, b"x")} == {"ok"}  # an empty answer is one


def test_silence_and_a_closed_port_are_told_apart() -> None:
    with answering(lambda _said: None) as port:
        assert {s.outcome for s in sent(port, b"x", timeout=0.3)} == {"timeout"}
    assert {s.outcome for s in sent(port, b"x")} == {"refused"}


def test_what_somebody_else_sends_is_no_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:

        def elsewhere(said: bytes) -> None:
            for port in {int(words.split()[1].rpartition(":")[2], 16) for words in sockets()}:
                stranger.sendto(said, ("127.0.0.1", port))

        with answering(elsewhere) as port:
            assert {s.outcome for s in sent(port, b"x", timeout=0.3)} == {"timeout"}


def sockets() -> list[str]:
    """Return the connected UDP sockets of this host, as proc(5) has them."""
    table = subprocess.run(["cat", "/proc/net/udp"], capture_output=True, text=True, check=True).stdout
    return [line for line in table.splitlines()[1:] if not line.split()[2].endswith(":0000")]
