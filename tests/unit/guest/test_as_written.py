"""Resources that are brought about as they are written: in a real POSIX sh, on files of a temporary directory."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.guest.test_script import GROUP, SHELLS, USER, program, run
from vboxlab.guest.reasons import in_words
from vboxlab.guest.resources import Argv, Command, File, Resource, Restart, Service, Sysctl
from vboxlab.guest.script import compile_script
from vboxlab.language import speaking

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
REFUSED = "its check refuses it, so what is there stays: "
SKIPPED = ("skipped", "something before it failed")


def written(path: Path, content: str, restarts: tuple[str, ...] = (), check: Argv = (), **options: bool) -> File:
    return File(str(path), content, 0o644, USER, GROUP, restarts, as_written=True, check=check, **options)


def command(run: str, unless: str, name: str = "it", timeout: int = 300) -> Command:
    return Command(name, ("sh", "-c", run), ("sh", "-c", unless), as_written=True, timeout=timeout)


@pytest.fixture
def systemd(tmp_path: Path) -> Path:
    """A folder with a systemctl for which every service runs, and that logs what it is asked to do."""
    folder = tmp_path / "programs"
    folder.mkdir()
    shown = "LoadState=loaded\nActiveState=active\nUnitFileState=static"
    log = f'echo "$*" >>{tmp_path}/asked'
    text = (
        f'case "$*" in\nshow*) for u; do case $u in *.service) echo "{shown}"; echo ;; esac; done ;;\n*) {log} ;;\nesac'
    )
    program(folder, "systemctl", text)
    program(folder, "journalctl", "exit 0")
    return folder


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[], list[str]]:
    """Return what tells what systemctl was asked to do since it was last told."""

    def of() -> list[str]:
        log = tmp_path / "asked"
        said = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return said

    return of


@pytest.fixture
def own_root(tmp_path: Path) -> str:
    """Where the scripts of one test keep what they remember of a guest."""
    return f"VBOXLAB_ROOT={tmp_path / 'root'}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_each_comes_after_what_is_written_before_it(tmp_path: Path, shell: str) -> None:
    first, copy, last = tmp_path / "first", tmp_path / "copy", tmp_path / "last"
    resources: list[Resource] = [
        written(first, "1\n"),
        command(f"test ! -e {last} && cp {first} {copy}", f"test -e {copy}"),
        written(last, "2\n"),
        command(f"cat {last} >>{copy}", f"grep -q 2 {copy}", "more"),
    ]
    assert run(resources, changes=False, shell=shell)[1] == [
        ("would-change", "does not exist"),
        ("would-change", "not done"),
        ("would-change", "does not exist"),
        ("would-change", "not done"),
    ]
    assert not first.exists()
    assert run(resources, shell=shell)[1] == [
        ("changed", "does not exist"),
        ("changed", "was not done"),
        ("changed", "does not exist"),
        ("changed", "was not done"),
    ]
    assert copy.read_text() == "1\n2\n"
    assert run(resources, shell=shell) == (0, [("unchanged", "")] * 4)


def test_a_file_that_a_command_before_it_makes_is_written_over(tmp_path: Path) -> None:
    made, kept = tmp_path / "made", list[list[str]]()
    resources: list[Resource] = [
        command(f"echo theirs >{made}; touch {tmp_path}/done", f"test -e {tmp_path}/done"),
        written(made, "ours\n"),
    ]
    assert run(resources, kept=kept) == (0, [("changed", "was not done"), ("changed", "content differs")])
    assert made.read_text() == "ours\n"
    assert kept == []  # nobody's work


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_after_what_failed_is_done(tmp_path: Path, shell: str) -> None:
    resources: list[Resource] = [
        written(tmp_path / "before", "1\n"),
        command("echo no such data >&2; exit 4", "false"),
        written(tmp_path / "after", "2\n"),
        Command("of another role", ("touch", str(tmp_path / "other")), ("test", "-e", str(tmp_path / "other"))),
    ]
    code, results = run(resources, shell=shell)
    assert (code, results) == (1, [("changed", "does not exist"), ("failed", "no such data"), SKIPPED, SKIPPED])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_that_leaves_its_test_failing_has_failed(tmp_path: Path, shell: str) -> None:
    said = "echo seen; echo still not there >&2; exit 3"
    resources = [command("echo working", said)]
    assert run(resources, shell=shell)[1] == [
        ("failed", "was done, but is not so afterwards: working; seen;still not there")
    ]
    assert run([command("true", "exit 3")], shell=shell)[1] == [
        ("failed", "was done, but is not so afterwards: exit code 3")
    ]
    assert run([command("exit 5", "false")], shell=shell)[1] == [("failed", "exit code 5")]


def test_a_command_that_takes_too_long_is_ended() -> None:
    code, results = run([command("echo begun; sleep 30", "false", timeout=1)])
    assert (code, results) == (1, [("failed", "did not end within 1 s: begun")])
    with speaking("en"):
        assert in_words("did not end within 1 s:") == "did not end within 1 s:"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("in_place", [False, True])
def test_a_file_that_its_check_refuses_is_not_put_there(
    tmp_path: Path, systemd: Path, asked: Callable[[], list[str]], own_root: str, shell: str, in_place: bool
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    path, tested = folder / "conf", "{}"
    program(systemd, "proved", 'cat "$1" >>"${0%/*}/../seen"; grep -q good "$1" || { echo "$1: syntax"; exit 1; }')
    check = ("proved", str(path) if in_place else tested)

    def resources(content: str) -> list[Resource]:
        return [
            written(path, content, ("app",), check, check_in_place=in_place),
            Service("app", enabled=None, as_written=True),
            written(tmp_path / "after", "x\n"),
        ]

    assert run(resources("bad\n"), changes=False, path=systemd, shell=shell, prelude=own_root)[1] == [
        ("would-change", "does not exist"),
        ("would-change", "its configuration changed"),
        ("would-change", "does not exist"),
    ]
    assert not (tmp_path / "seen").exists()
    name = path if in_place else f"{path}.vboxlab-new"
    refused = ("failed", f"{REFUSED}{name}: syntax")
    code, results = run(resources("bad\n"), path=systemd, shell=shell, prelude=own_root)
    assert (code, results) == (1, [refused, SKIPPED, SKIPPED])
    assert list(folder.iterdir()) == []
    code, results = run(resources("good 1\n"), path=systemd, shell=shell, prelude=own_root)
    assert (code, [status for status, _why in results]) == (0, ["changed", "changed", "changed"])
    assert asked() == ["--quiet restart app"]
    code, results = run(resources("bad\n"), path=systemd, shell=shell, prelude=own_root)
    assert (code, results) == (1, [refused, SKIPPED, SKIPPED])
    assert (path.read_text(), [each.name for each in folder.iterdir()]) == ("good 1\n", ["conf"])
    assert asked() == []
    assert run(resources("good 1\n"), path=systemd, shell=shell, prelude=own_root)[0] == 0
    assert asked() == []


def test_what_somebody_changed_is_kept_once_its_successor_is_accepted(tmp_path: Path, own_root: str) -> None:
    path, kept = tmp_path / "conf", list[list[str]]()
    path.write_text("theirs\n")
    check = ("grep", "-q", "good", "{}")
    assert run([written(path, "bad\n", (), check)], kept=kept, prelude=own_root)[0] == 1
    assert (path.read_text(), kept) == ("theirs\n", [])
    assert run([written(path, "good\n", (), check)], kept=kept, prelude=own_root)[0] == 0
    assert [Path(each[1]).read_text() for each in kept] == ["theirs\n"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_service_that_stands_before_its_file_is_restarted_at_the_end(
    tmp_path: Path, systemd: Path, asked: Callable[[], list[str]], own_root: str, shell: str
) -> None:
    resources: list[Resource] = [
        Service("app", enabled=None, as_written=True),
        written(tmp_path / "conf", "1\n", ("app",)),
        Restart("app"),
        Restart("other"),
        command(f"touch {tmp_path}/last", f"test -e {tmp_path}/last"),
    ]
    assert run(resources, path=systemd, shell=shell, prelude=own_root)[1] == [
        ("unchanged", ""),
        ("changed", "does not exist"),
        ("changed", "its configuration changed"),
        ("unchanged", ""),
        ("changed", "was not done"),
    ]
    assert asked() == ["--quiet restart app"]
    again = [*resources[1:3], Service("app", enabled=None, as_written=True)]
    again[0] = written(tmp_path / "conf", "2\n", ("app",))
    assert [status for status, _why in run(again, path=systemd, shell=shell, prelude=own_root)[1]] == [
        "changed",
        "unchanged",
        "changed",
    ]
    assert asked() == ["--quiet restart app"]  # once, where it stands


@pytest.mark.parametrize("shell", SHELLS)
def test_a_restart_that_a_failure_prevented_is_made_by_the_next_run(
    tmp_path: Path, systemd: Path, asked: Callable[[], list[str]], own_root: str, shell: str
) -> None:
    def resources(works: str) -> list[Resource]:
        return [
            written(tmp_path / "conf", "1\n", ("app",)),
            command(f"{works} && touch {tmp_path}/done", f"test -e {tmp_path}/done"),
            Service("app", enabled=None, as_written=True),
        ]

    assert run(resources("false"), path=systemd, shell=shell, prelude=own_root)[0] == 1
    assert asked() == []
    code, results = run(resources("true"), path=systemd, shell=shell, prelude=own_root)
    assert (code, results[2]) == (0, ("changed", "its configuration changed"))
    assert asked() == ["--quiet restart app"]
    assert run(resources("true"), path=systemd, shell=shell, prelude=own_root) == (0, [("unchanged", "")] * 3)


@pytest.mark.skipif(not Path("/proc/sys/net/ipv4/ip_local_port_range").exists(), reason="needs Linux's /proc")
def test_a_setting_of_several_numbers_is_compared_as_the_kernel_says_it(tmp_path: Path) -> None:
    name, file = "net.ipv4.ip_local_port_range", tmp_path / "90-lab.conf"
    now = " ".join(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    file.write_text(f"{name}={now}\n")
    assert run([Sysctl(name, now, str(file), as_written=True)], changes=False) == (0, [("unchanged", "")])
    other = f"1{now}"
    assert run([Sysctl(name, other, str(file), as_written=True)], changes=False)[1] == [("would-change", f"is {now}")]


def test_programs_see_the_rights_that_the_new_file_will_have(tmp_path: Path) -> None:
    check = ("sh", "-c", 'test "$(stat -c %a "$1")" = 640', "sh", "{}")
    file = File(str(tmp_path / "conf"), "x\n", 0o640, USER, GROUP, as_written=True, check=check)
    assert run([file]) == (0, [("changed", "does not exist")])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_that_leaves_a_program_running_is_not_waited_for(tmp_path: Path, shell: str) -> None:
    """The program has the command's output for its own, as `python3 -m http.server &` does."""
    left = command(f"sleep 60 & echo $! >{tmp_path}/pid; echo begun", f"test -e {tmp_path}/pid")
    began = time.monotonic()
    try:
        assert run([left], shell=shell) == (0, [("changed", "was not done")])
        assert time.monotonic() - began < 50
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    assert list(Path(tempfile.gettempdir()).glob("vboxlab-said.*")) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_program_says_over_its_own_line_is_told_to_the_end(tmp_path: Path, shell: str) -> None:
    said = r"printf '  0   0\r 50  50\rcurl: (7) Failed\n' >&2; exit 7"
    assert run([command(said, "false")], shell=shell)[1] == [("failed", "  0   0; 50  50;curl: (7) Failed".strip())]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_folder_in_the_place_of_a_file_is_said_and_left_alone(tmp_path: Path, own_root: str, shell: str) -> None:
    folder, kept = tmp_path / "conf", list[list[str]]()
    (folder / "inside").mkdir(parents=True)
    code, results = run([written(folder, "x\n")], shell=shell, prelude=own_root, kept=kept)
    assert (code, results) == (1, [("failed", f"{folder} is a folder: move it away, a file belongs there")])
    assert ([each.name for each in tmp_path.iterdir() if each.name != "root"], kept) == (["conf"], [])


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("was_there", [False, True])
def test_what_a_trial_that_was_cut_short_left_in_place_is_tried_again(
    tmp_path: Path, own_root: str, shell: str, *, was_there: bool
) -> None:
    path = tmp_path / "conf"
    if was_there:
        path.write_text("theirs\n")
    cut = ("sh", "-c", 'kill -9 "-$(cat "$1")"', "sh", str(tmp_path / "shell"))
    file = written(path, "bad\n", (), cut, check_in_place=True)
    script = f"echo $$ >{tmp_path}/shell\n{own_root}" + compile_script([file], changes=True, secrets={})
    argv = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(argv, input=script.encode(), capture_output=True, check=False, start_new_session=True)
    assert done.returncode == -9
    assert path.read_text() == "bad\n"  # which nothing has accepted
    refusing = written(path, "bad\n", (), ("grep", "-q", "good", str(path)), check_in_place=True)
    code, results = run([refusing], shell=shell, prelude=own_root)
    assert (code, results) == (1, [("failed", f"{REFUSED}exit code 1")])
    left = {each.name: each.read_text() for each in tmp_path.iterdir() if "conf" in each.name}
    assert left == ({"conf": "theirs\n"} if was_there else {})


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.skipif(not os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK), reason="needs to set the kernel")
def test_a_setting_is_a_line_of_its_own_whatever_the_file_ends_with(tmp_path: Path, own_root: str, shell: str) -> None:
    path = tmp_path / "sysctl.conf"
    path.write_text("vm.swappiness=10")
    current = Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()
    wanted = Sysctl("net.ipv4.ip_forward", current, str(path), as_written=True)
    assert run([wanted], shell=shell, prelude=own_root)[0] == 0
    assert path.read_text() == f"vm.swappiness=10\nnet.ipv4.ip_forward={current}\n"
    nowhere = Sysctl("net.ipv4.ip_forward", current, str(tmp_path / "none/90.conf"), as_written=True)
    code, results = run([nowhere], shell=shell, prelude=own_root)
    assert (code, results[0][0]) == (0, "changed")
    assert (tmp_path / "none/90.conf").read_text() == f"net.ipv4.ip_forward={current}\n"
    (tmp_path / "file").write_text("")
    bad = Sysctl("net.ipv4.ip_forward", current, str(tmp_path / "file/90.conf"), as_written=True)
    assert run([bad], shell=shell, prelude=own_root)[1][0][0] == "failed"
