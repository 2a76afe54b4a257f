"""The real prober against a real HTTP server of this host."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.unit.local_lab import FrontPage, HostExecutor
from tests.unit.verification.histories import run_begun
from vboxlab.errors import InfrastructureTrouble
from vboxlab.verification.clocks import read_clock
from vboxlab.verification.history import ProbeEnded, Request
from vboxlab.verification.offsets import client_offset, clock_offset
from vboxlab.verification.pace import completed_rate
from vboxlab.verification.probes import ProbeSpec, good_for, probing, program_text
from vboxlab.verification.probes import probe as recorded_probe
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.samples import Owners, Sample, distribution, failed, first_served, rate
from vboxlab.waiting import Deadline

PAGES = {"srv-web": "<h1>Srv-Web de theodore</h1>", "srv-web-bis": "<h1>Srv-Web-bis de theodore</h1>"}

OWNERS = Owners.of(PAGES)

pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="the prober is a Perl program")


def recorder() -> Recorder:
    made = Recorder()
    made.add(run_begun())
    return made


def probe(executor: HostExecutor, spec: ProbeSpec) -> list[Sample]:
    return recorded_probe(executor, spec, recorder(), 1)


@pytest.fixture
def front() -> Iterator[FrontPage]:
    page = FrontPage(PAGES)
    yield page
    page.hold()


def test_the_program_needs_nothing_outside_perl_base() -> None:
    folder = next(Path("/usr/lib").glob("*-linux-gnu/perl-base"), None)
    if folder is None:
        pytest.skip("this host has no separate perl-base")
    alone = ["perl", "-e", f"BEGIN {{ @INC = ('{folder}') }} {program_text('prober.pl')}", "--"]
    done = subprocess.run(
        [*alone, "http", "127.0.0.1", "1", "x", "/", "0.01", "1", "3", "9", "text"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [words[0] for words in lines] == ["C", "S", "S", "S", "E"]
    assert {words[3] for words in lines if words[0] == "S"} == {"refused"}


def test_counts_the_requests_asked_for_and_tells_the_servers_apart(front: FrontPage) -> None:
    front.hold("srv-web", "srv-web-bis")
    spec = ProbeSpec(f"{front.url}/index.html", every=0.02, count=20, marks=OWNERS.texts)
    samples = probe(HostExecutor("client"), spec)
    assert len(samples) == 20
    assert failed(samples) == 0
    assert distribution(samples, OWNERS) == {"srv-web": 10, "srv-web-bis": 10}


def test_a_page_is_told_by_a_text_that_stands_far_inside_it(front: FrontPage) -> None:
    long = "x" * 5000
    front.pages = {"srv-web": f"{long}é one", "srv-web-bis": f"{long}é two"}
    front.hold("srv-web", "srv-web-bis")
    spec = ProbeSpec(front.url, every=0.02, count=10, marks=(f" {long}é one\n", "é two"))
    samples = probe(HostExecutor("client"), spec)
    assert sorted(sample.marks for sample in samples) == [(0,)] * 5 + [(1,)] * 5
    assert {len(sample.page) for sample in samples} == {200}


def test_measures_a_real_gap(front: FrontPage) -> None:
    front.hold("srv-web")
    spec = ProbeSpec(front.url, every=0.05, timeout=1.0, life=30, marks=OWNERS.texts)
    recording, client = recorder(), HostExecutor("client")
    for _reading in range(3):
        read_clock(client, recording, 1)
    recording.add(spec.begun(recording.now(), 1, "client"))
    with probing(client, spec, recording, 1) as prober:
        assert prober.wait(lambda samples: good_for(samples, 0.5), Deadline.after(10))
        gone = time.monotonic()
        front.hold()
        threading.Timer(1.0, front.hold, ("srv-web-bis",)).start()
        served = prober.wait(
            lambda samples: first_served(samples, OWNERS, "srv-web-bis") is not None, Deadline.after(10)
        )
        assert served
        prober.pause(0.3)
        prober.finish(spec.timeout)
    samples, offset = prober.samples, client_offset(recording.history(), 1, "client")
    first = first_served(samples, OWNERS, "srv-web-bis")
    last = max(s.end for s in samples if s.good and OWNERS.served(s) == "srv-web")
    assert first is not None
    assert 1.0 <= first.end - last <= 1.4
    # the guest's clock is this host's clock here: the bounds of the offset must hold it
    real = clock_offset(recording.history(), 1, "client")
    assert real is not None
    assert -0.01 - real.width <= offset.low + recording.began <= 0.001
    assert -0.001 <= offset.high + recording.began < 0.1
    assert last <= gone + 0.15
    assert 10 <= failed(samples) <= 30
    assert 15 < rate(samples) <= 20.5
    ended = recording.history().last(ProbeEnded)
    assert ended is not None
    assert (ended.begun, ended.trouble) == (len(samples), "")
    assert len(list(recording.history().of(Request))) == len(samples)


def test_requests_under_way_at_the_end_are_waited_for(front: FrontPage) -> None:
    front.hold("srv-web")
    recording = recorder()
    spec = ProbeSpec(front.url, every=0.1, timeout=1.5)
    with probing(HostExecutor("client"), spec, recording, 1) as prober:
        assert prober.wait(lambda samples: good_for(samples, 0.2), Deadline.after(10))
        front.delay = 60.0  # from now on requests hang
        time.sleep(0.8)
        prober.finish(spec.timeout)
    hanging = [sample for sample in prober.samples if not sample.good]
    assert len(hanging) >= 5
    assert {sample.outcome for sample in hanging} == {"timeout"}
    ended = recording.history().last(ProbeEnded)
    assert ended is not None
    assert (ended.begun, ended.trouble) == (len(prober.samples), "")


def test_a_prober_that_stood_still_gives_its_requests_that_time_back(front: FrontPage) -> None:
    front.hold("srv-web")
    recording = recorder()
    spec = ProbeSpec(front.url, every=0.1, timeout=1.0)
    with probing(HostExecutor("client"), spec, recording, 1) as prober:
        assert prober.wait(lambda samples: good_for(samples, 0.3), Deadline.after(10))
        front.delay = 0.3
        time.sleep(0.15)
        process = prober._stream.process  # type: ignore[attr-defined]
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(2.0)
        os.kill(process.pid, signal.SIGCONT)
        front.delay = 0.0
        time.sleep(1.0)
        prober.finish(spec.timeout)
    assert failed(prober.samples) == 0
    assert max(sample.duration for sample in prober.samples) > 1.9


def test_a_prober_that_was_killed_is_told_apart_from_one_that_ended(front: FrontPage) -> None:
    front.hold("srv-web")
    recording = recorder()
    with probing(HostExecutor("client"), ProbeSpec(front.url, every=0.05), recording, 1) as prober:
        process = prober._stream.process  # type: ignore[attr-defined]
        process.kill()
        prober.finish(1.0)
    ended = recording.history().last(ProbeEnded)
    assert ended is not None
    assert (ended.begun, ended.trouble) == (None, "it said nothing more")


def in_flight(samples: list[Sample]) -> int:
    """Return how many requests there were at once."""
    return max(sum(other.start <= s.start < other.end for other in samples) for s in samples)


def test_finds_its_highest_rate(front: FrontPage) -> None:
    front.hold("srv-web")
    samples = probe(HostExecutor("client"), ProbeSpec(front.url, every=0, count=500, marks=OWNERS.texts))
    assert distribution(samples, OWNERS) == {"srv-web": 500}
    paced = probe(HostExecutor("client"), ProbeSpec(front.url, every=0.05, count=20, marks=OWNERS.texts))
    assert completed_rate(samples) > 2 * completed_rate(paced)
    assert 2 <= in_flight(samples) <= 16


def test_many_requests_in_flight_do_not_hold_up_the_next_ones() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=600) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        samples = probe(HostExecutor("client"), ProbeSpec(url, every=0.01, timeout=2.0, count=400))
    assert {sample.outcome for sample in samples} == {"timeout"}
    assert 100 < in_flight(samples) < 400


def test_a_hanging_server_does_not_hold_up_later_requests(front: FrontPage) -> None:
    front.hold("srv-web")
    front.delay = 1.0  # answers one at a time, so that nearly all requests hang
    begin = time.monotonic()
    samples = probe(HostExecutor("client"), ProbeSpec(front.url, every=0.1, timeout=0.5, count=10))
    assert [sample.outcome for sample in samples] == ["timeout"] * 10
    assert all(0.5 <= sample.duration < 0.8 for sample in samples)
    assert time.monotonic() - begin < 3.0
    assert rate(samples) == pytest.approx(10, rel=0.15)


def test_a_slow_answer_is_good_but_slow(front: FrontPage) -> None:
    front.hold("srv-web")
    front.delay = 0.2
    samples = probe(HostExecutor("client"), ProbeSpec(front.url, every=0.5, timeout=2, count=3))
    assert failed(samples) == 0
    assert all(0.15 < sample.duration < 1.0 for sample in samples)


def test_the_prober_dies_with_its_listener(front: FrontPage) -> None:
    front.hold("srv-web")
    with probing(HostExecutor("client"), ProbeSpec(front.url, every=0.02), recorder(), 1) as prober:
        process = prober._stream.process  # type: ignore[attr-defined]
        assert process.poll() is None
    assert process.poll() is not None


def test_a_closed_pipe_ends_the_prober(front: FrontPage) -> None:
    front.hold("srv-web")
    script = ProbeSpec(front.url, every=0.02, life=30).script
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=5) == 1


def test_a_name_that_does_not_resolve_is_trouble() -> None:
    with pytest.raises(InfrastructureTrouble) as caught:
        probe(HostExecutor("client"), ProbeSpec("http://nosuch.invalid/", count=1))
    assert caught.value.brief == "client: the prober could not run"
    assert caught.value.details[0] == "the name nosuch.invalid does not resolve"


def test_the_url_cannot_escape_into_the_shell() -> None:
    script = ProbeSpec("http://127.0.0.1:1/a'$(touch /tmp/vboxlab-escaped)`id`;x?y=1", count=1, every=0.1).script
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "E 1"
    assert not Path("/tmp/vboxlab-escaped").exists()


def test_good_for_wants_an_unbroken_run() -> None:
    def sample(start: float, good: bool = True) -> Sample:
        return Sample(start, 0.01, "ok" if good else "timeout", 200 if good else 0, "x")

    assert not good_for([], 0)
    assert not good_for([sample(0, good=False)], 0)
    assert good_for([sample(0), sample(1)], 1)
    assert not good_for([sample(0), sample(1, good=False), sample(1.5)], 1)


class Answering:
    """A name server of this host that answers what it is told to (RFC 1035)."""

    def __init__(self, code: int, *addresses: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.asked: list[bytes] = []
        self._code, self._addresses = code, addresses
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let the thread see an empty query, and wait for it."""
        self.socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(timeout=5)
        self.socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self.socket.recvfrom(512)
            if not query:
                return
            self.asked.append(query[12:])
            records = b"".join(
                b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(each) for each in self._addresses
            )
            alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 2) + b"\xc0\x0c"  # an alias comes before
            head = query[:2] + struct.pack("!5H", 0x8180 | self._code, 1, len(self._addresses) + 1, 0, 0)
            self.socket.sendto(head + query[12:] + alias + records, client)


@pytest.fixture
def answering() -> Iterator[Callable[..., Answering]]:
    made: list[Answering] = []

    def make(code: int, *addresses: str) -> Answering:
        made.append(Answering(code, *addresses))
        return made[-1]

    yield make
    for one in made:
        one.end()


def outcomes(url: str, *marks: str, timeout: float = 1.0) -> list[tuple[str, str, tuple[int, ...]]]:
    samples = probe(HostExecutor("client"), ProbeSpec(url, every=0.05, timeout=timeout, count=3, marks=marks))
    return [(sample.outcome, sample.page, sample.marks) for sample in samples]


def test_a_name_server_is_asked_for_the_addresses_of_a_name(answering: Callable[..., Answering]) -> None:
    server = answering(0, "192.168.200.5", "192.168.200.6")
    url = f"dns://127.0.0.1:{server.port}/www.mlif.local"
    assert outcomes(url, "192.168.200.6", "10.0.0.1") == [("ok", "192.168.200.5 192.168.200.6", (0,))] * 3
    assert server.asked[0] == b"\x03www\x04mlif\x05local\x00\x00\x01\x00\x01"


def test_a_name_server_that_refuses_or_knows_nothing_is_told_apart(answering: Callable[..., Answering]) -> None:
    assert outcomes(f"dns://127.0.0.1:{answering(5).port}/www") == [("refused", "", ())] * 3
    assert outcomes(f"dns://127.0.0.1:{answering(3).port}/www") == [("broken", "", ())] * 3
    assert outcomes(f"dns://127.0.0.1:{answering(0).port}/www") == [("broken", "", ())] * 3


def test_a_port_without_a_name_server_refuses() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    assert outcomes(f"dns://127.0.0.1:{port}/www") == [("refused", "", ())] * 3


def test_a_connection_is_enough_or_what_the_server_says_first() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"

        def greet() -> None:
            with suppress(OSError):
                while True:
                    connection, _peer = listener.accept()
                    with connection:
                        connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        assert outcomes(url) == [("ok", "", ())] * 3
        assert outcomes(url, "SSH-2.0", "SMTP") == [("ok", "SSH-2.0-OpenSSH_9.2p1\r\n", (0,))] * 3
        listener.shutdown(socket.SHUT_RDWR)
    assert outcomes(url) == [("refused", "", ())] * 3


def test_a_server_that_says_nothing_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        assert outcomes(url, "SSH", timeout=0.3) == [("timeout", "", ())] * 3


def own_network(ping_groups: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a network of its own, in which these groups may send ICMP echoes (icmp(7))."""
    prepared = f"ip link set lo up && echo {ping_groups} > /proc/sys/net/ipv4/ping_group_range && exec sh -c"
    words = ["unshare", "--net", "sh", "-c", f"{prepared} {shlex.quote(script)}"]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.skipif(own_network("'0 0'", "true").returncode != 0, reason="no network namespaces for this user")
@pytest.mark.parametrize("groups", ["'0 2147483647'", "'1 0'"])
def test_a_ping_is_answered_by_its_address_with_either_socket(groups: str) -> None:
    script = ProbeSpec("ping://127.0.0.1", every=0.05, timeout=1.0, count=3, marks=("127.0.0.1",)).script
    answered = own_network(groups, script).stdout.splitlines()
    assert answered[1] == "B 1 127.0.0.1"
    assert [line.split()[3:] for line in answered if line.startswith("S")] == [["ok", "0", "0", "1"]] * 3
    nobody = ProbeSpec("ping://127.0.0.1", every=0.05, timeout=0.3, count=2).script
    silent = own_network(groups, f"echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all; {nobody}").stdout.splitlines()
    assert [line.split()[3] for line in silent if line.startswith("S")] == ["timeout"] * 2


def test_who_may_send_no_echo_says_so() -> None:
    script = ProbeSpec("ping://127.0.0.1", count=1).script
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout or done.stdout.startswith("C "):
        pytest.skip("this user may send them, or may not become another")
    assert done.stdout.startswith("X no socket for ping: ")


def test_headers_tell_servers_apart_too(front: FrontPage) -> None:
    front.hold("srv-web")
    samples = probe(HostExecutor("client"), ProbeSpec(front.url, every=0.05, count=2, marks=("Content-Length", "X-By")))
    assert [sample.marks for sample in samples] == [(0,), (0,)]
