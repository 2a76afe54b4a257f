"""The executor against a real sshd on loopback, run as the test's own user."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.listening import serve_each
from vboxlab.base.model import Base, Login
from vboxlab.base.store import BaseStore
from vboxlab.errors import GuestError, WaitTimeout
from vboxlab.guest.hostkeys import forget, pin, pinned_key
from vboxlab.guest.readiness import _Banner
from vboxlab.guest.resources import Await, File, Resource
from vboxlab.guest.ssh import Access, SshExecutor, _whole
from vboxlab.lab.access import SshGuests
from vboxlab.lab.directory import LabDirectory
from vboxlab.planning.observed import AdapterState, Attachment, Forward, ObservedMachine, PowerState
from vboxlab.settings import Settings
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import MANAGEMENT_SLOT
from vboxlab.waiting import Deadline

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd on this host")


@dataclass
class Sshd:
    """A running sshd and what is needed to get in."""

    port: int
    key_file: Path
    host_key: str
    known_hosts: Path
    log: Path
    process: subprocess.Popen[bytes]

    def executor(self, *, first_contact: bool = False, key_file: Path | None = None) -> SshExecutor:
        access = Access(port=self.port, user=getpass.getuser(), key_file=key_file or self.key_file)
        return SshExecutor("srv-web", access, self.known_hosts, first_contact=first_contact, connect_within=5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    make_key(folder / "host")
    make_key(folder / "user")
    shutil.copy(folder / "user.pub", folder / "authorized")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's privilege separation directory
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"StrictModes no\nLogLevel VERBOSE\nUsePAM no\nPermitRootLogin yes\nPidFile {folder}/pid\n"
        "PasswordAuthentication no\n"
    )
    log = folder / "log"
    process = subprocess.Popen([str(SSHD), "-D", "-E", str(log), "-f", str(folder / "config")])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    known_hosts = folder / "known_hosts"
    pin(known_hosts, "srv-web", host_key)
    yield Sshd(port, folder / "user", host_key, known_hosts, log, process)
    process.terminate()
    process.wait(10)


@pytest.fixture
def executor(server: Sshd) -> Iterator[SshExecutor]:
    executor = server.executor()
    yield executor
    executor.close()


def test_output_error_output_and_exit_code_come_back(executor: SshExecutor) -> None:
    done = executor.run("echo out; echo 'é' >&2; exit 7")
    assert (done.exit_code, done.stdout, done.stderr) == (7, "out\n", "é\n")


def test_standard_input_is_the_data_and_never_the_script(executor: SshExecutor) -> None:
    data = bytes(range(256)) * 4096
    done = executor.run("sha256sum; echo after", stdin=data)
    digest = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout.decode()
    assert done.stdout == digest + "after\n"


def test_a_script_longer_than_any_command_line_runs_and_is_in_no_command_line(executor: SshExecutor) -> None:
    script = "# " + "x" * 300_000 + "\necho secret-in-script >/dev/null; tr '\\0' ' ' </proc/$$/cmdline; echo; cat"
    done = executor.run(script, stdin=b"tail")
    assert done.stdout.splitlines()[-1] == "tail"
    assert "secret-in-script" not in done.stdout


def test_administrators_programs_are_found(executor: SshExecutor) -> None:
    found = executor.run("command -v sysctl; echo $PATH").stdout.splitlines()
    assert found[0].endswith("/sbin/sysctl")
    assert found[1].endswith(":/usr/local/sbin:/usr/sbin:/sbin")


def test_much_output_on_both_sides_does_not_block(executor: SshExecutor) -> None:
    done = executor.run("head -c 6000000 /dev/zero | tr '\\0' e >&2; head -c 6000000 /dev/zero | tr '\\0' o")
    assert (done.stdout, done.stderr) == ("o" * 6_000_000, "e" * 6_000_000)


def test_a_command_that_does_not_end_times_out_and_says_what_it_said_last(executor: SshExecutor) -> None:
    with pytest.raises(WaitTimeout) as caught:
        executor.run("echo working; sleep 60", timeout=4)
    assert caught.value.brief == "srv-web: a command in the guest did not end within 4 s"
    assert caught.value.details == ("working",)
    assert executor.run("echo again").stdout == "again\n"


def test_a_stream_gives_lines_as_they_come_and_ends_when_left(executor: SshExecutor) -> None:
    with executor.stream("echo $$; while sleep 0.1; do echo tick; done", stdin=b"") as stream:
        lines = stream.lines()
        pid = next(lines)
        assert next(lines) == "tick"
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_commands_run_at_the_same_time(executor: SshExecutor) -> None:
    executor.connect()
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(executor.run(f"sleep 2; echo {n}").stdout)) for n in range(5)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [f"{n}\n" for n in range(5)]
    assert time.monotonic() - began < 9


def test_after_close_the_next_call_connects_again(executor: SshExecutor) -> None:
    executor.run("true")
    executor.close()
    assert executor.run("echo back").stdout == "back\n"


def test_a_connection_that_is_not_needed_any_more_is_closed(executor: SshExecutor) -> None:
    executor.connect()
    spare = socket.create_connection((executor.access.host, executor.access.port))
    executor.connect(spare)
    assert spare.fileno() == -1
    assert executor.run("echo still here").stdout == "still here\n"


def test_a_wrong_host_key_is_refused_before_anything_is_sent(server: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    known_hosts = tmp_path / "known_hosts"
    pin(known_hosts, "srv-web", (tmp_path / "other.pub").read_text())
    executor = SshExecutor("srv-web", server.executor().access, known_hosts)
    with pytest.raises(GuestError) as caught:
        executor.run("touch " + str(tmp_path / "sent"))
    assert "does not have its host key" in caught.value.brief
    assert not (tmp_path / "sent").exists()


def test_an_unknown_host_key_passes_only_at_first_contact(server: Sshd, tmp_path: Path) -> None:
    access = server.executor().access
    with pytest.raises(GuestError, match="no host key of it is known"):
        SshExecutor("srv-web", access, tmp_path / "none").run("true")
    first = SshExecutor("srv-web", access, tmp_path / "none", first_contact=True)
    assert first.run("echo hello").stdout == "hello\n"
    first.close()


def test_first_contact_forgets_the_key_of_a_machine_that_is_no_more(server: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    known_hosts = tmp_path / "known_hosts"
    pin(known_hosts, "srv-web", (tmp_path / "other.pub").read_text())
    executor = SshExecutor("srv-web", server.executor().access, known_hosts, first_contact=True)
    assert executor.run("echo hello").stdout == "hello\n"
    pin(known_hosts, "srv-web", server.host_key)
    executor.close()
    assert executor.run("echo pinned").stdout == "pinned\n"
    pin(known_hosts, "srv-web", (tmp_path / "other.pub").read_text())
    executor.close()
    with pytest.raises(GuestError, match="does not have its host key"):
        executor.run("true")


def test_a_refused_login_says_which_user_and_what_with(server: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    executor = server.executor(key_file=tmp_path / "stranger")
    with pytest.raises(GuestError) as caught:
        executor.run("true")
    assert caught.value.brief == f"srv-web: {getpass.getuser()} may not log in with the key of its base"


@pytest.mark.skipif(os.getuid() != 0, reason="becomes root in the guest")
def test_a_look_into_a_guest_is_one_connection_one_login_and_one_command(server: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "page"
    file.write_text("page\n")
    file.chmod(0o644)
    base = Base("debian12", Login(getpass.getuser(), server.key_file), "debian12", prepared=True, digest="")
    forward = Forward(server.port, 22)
    adapter = AdapterState(MANAGEMENT_SLOT, Attachment("nat", forwards=(forward,)), "080027000001")
    machine = ObservedMachine("id", "srv-web", PowerState.RUNNING, 1, 64, "", (adapter,), {"machine": "srv-web"})
    directory = LabDirectory(tmp_path / "home", LabName("ha"))
    pin(directory.known_hosts, "srv-web", server.host_key)
    guests = SshGuests(Settings(home=tmp_path / "home"), BaseStore(Settings(home=tmp_path)), lambda _handle: True)
    before = len(server.log.read_text().splitlines())
    resources: list[Resource] = [File(str(file), "page\n"), Await("there", ("test", "-e", str(file)))]
    report = guests.configure(directory, machine, base, resources, changes=False, installed=())
    guests.close()
    assert report.summary == "2 unchanged"
    said = server.log.read_text().splitlines()[before:]
    counted = [
        sum(line.startswith(word) for line in said)
        for word in ("Connection from", "Accepted publickey", "Starting session: command", "Failed")
    ]
    assert counted == [1, 1, 1, 0], said


def test_a_script_that_is_cut_short_does_nothing(server: Sshd, tmp_path: Path) -> None:
    sent = _whole(f"touch {tmp_path}/one\ntouch {tmp_path}/two")
    ended = subprocess.run(["sh"], input=sent[:-20], capture_output=True, check=False)
    assert ended.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_a_command_does_not_take_the_rest_of_the_script_for_its_input(executor: SshExecutor) -> None:
    assert executor.run("cat\necho end # of it").stdout == "end\n"


def test_nobody_there_is_said_with_address_and_port(tmp_path: Path) -> None:
    port = free_port()
    access = Access(port=port, user="debian", key_file=tmp_path / "none")
    executor = SshExecutor("srv-web", access, tmp_path / "none", connect_within=0.2)
    with pytest.raises(GuestError) as caught:
        executor.run("true")
    assert caught.value.brief == f"srv-web: its SSH server does not answer on 127.0.0.1 port {port}"


def test_a_server_that_is_slow_to_greet_is_given_the_time() -> None:
    """As sshd on a busy computer, which starts a process for each connection: those that give way cost it more."""

    greeting: list[threading.Thread] = []

    def greet(client: socket.socket) -> None:
        time.sleep(2)
        with client, contextlib.suppress(OSError):  # it gave way
            client.sendall(b"SSH-2.0-slow\r\n")

    def answer(client: socket.socket) -> None:
        greeting.append(threading.Thread(target=greet, args=(client,)))
        greeting[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = serve_each(listener, answer)
        executor = SshExecutor("srv-web", Access(listener.getsockname()[1], user="debian"), Path("none"))
        connection = _Banner(executor, lambda: True, lambda _stage: None, first_gap=0.1).wait(Deadline.after(30))
        assert connection.recv(12) == b"SSH-2.0-slow"
        connection.close()
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()
    for thread in greeting:
        thread.join()


def test_the_banner_is_found_behind_a_forward_that_hangs_at_first(server: Sshd) -> None:
    """A forward that swallows its first connection, as a hypervisor's does while the guest boots."""
    listener = socket.create_server(("127.0.0.1", 0))
    silent: list[socket.socket] = []

    def serve() -> None:
        silent.append(listener.accept()[0])
        client = listener.accept()[0]
        backend = socket.create_connection(("127.0.0.1", server.port))
        for source, target in ((client, backend), (backend, client)):
            threading.Thread(target=copy, args=(source, target), daemon=True).start()

    def copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            target.close()

    threading.Thread(target=serve, daemon=True).start()
    access = Access(port=listener.getsockname()[1], user=getpass.getuser(), key_file=server.key_file)
    executor = SshExecutor("srv-web", access, server.known_hosts)
    stages: list[str] = []
    began = time.monotonic()
    connection = _Banner(executor, lambda: True, stages.append).wait(Deadline.after(30))
    assert time.monotonic() - began < 15
    executor.connect(connection)
    assert executor.run("echo through").stdout == "through\n"
    assert stages == ["process", "tcp"]
    executor.close()
    listener.close()
    for connection in silent:
        connection.close()


def test_each_stage_that_is_not_reached_has_its_own_reason(tmp_path: Path) -> None:
    access = Access(port=free_port(), user="debian", key_file=tmp_path / "none")
    executor = SshExecutor("srv-web", access, tmp_path / "none")
    with pytest.raises(GuestError, match="not running any more"):
        _Banner(executor, lambda: False, lambda _stage: None).wait(Deadline.after(5))
    with pytest.raises(WaitTimeout, match="nothing listens on"):
        _Banner(executor, lambda: True, lambda _stage: None).wait(Deadline.after(0.5))
    with socket.create_server(("127.0.0.1", access.port)), pytest.raises(WaitTimeout, match="no SSH server answers"):
        _Banner(executor, lambda: True, lambda _stage: None).wait(Deadline.after(0.5))


def test_keys_are_pinned_replaced_and_forgotten_by_name(tmp_path: Path) -> None:
    known_hosts = tmp_path / "lab" / "known_hosts"
    pin(known_hosts, "srv-web", "ssh-ed25519 AAAA comment")
    pin(known_hosts, "srv-web-bis", "ssh-ed25519 BBBB")
    pin(known_hosts, "srv-web", "ssh-ed25519 CCCC")
    assert pinned_key(known_hosts, "srv-web") == "ssh-ed25519 CCCC"
    forget(known_hosts, "srv-web")
    assert pinned_key(known_hosts, "srv-web") is None
    assert known_hosts.read_text() == "srv-web-bis ssh-ed25519 BBBB\n"


def test_paramiko_is_imported_only_when_a_connection_is_made() -> None:
    code = "import sys, vboxlab.guest.ssh, vboxlab.guest.readiness; print('paramiko' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
