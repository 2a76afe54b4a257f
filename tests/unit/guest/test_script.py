"""Compiled scripts run in a real POSIX sh, on files of a temporary directory."""

from __future__ import annotations

import getpass
import grp
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vboxlab.errors import GuestError
from vboxlab.guest.resources import (
    AbsentFile,
    Await,
    Command,
    File,
    Hostname,
    Interface,
    Package,
    Password,
    Resource,
    SecretText,
    Service,
    Sysctl,
)
from vboxlab.guest.script import EXIT_PACKAGES_MISSING, AptOptions, compile_script, words

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
USER, GROUP = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
GUEST_ROOT = tempfile.TemporaryDirectory()  # where the scripts keep what they remember of a guest
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


def run(
    resources: Sequence[Resource],
    *,
    changes: bool = True,
    secrets: Mapping[str, str] | None = None,
    shell: str = "sh",
    path: Path | None = None,
    stop: bool = False,
    prelude: str = "",
    apt: AptOptions | None = None,
    fresh: bool = False,
    kept: list[list[str]] | None = None,
) -> tuple[int, list[tuple[str, str]]]:
    """Return the exit code and (status, reason) of each resource, in the order of the resources.

    What is kept beside is added to `kept`: the file, and the file that it is kept as.
    """
    script = compile_script(
        resources, changes=changes, secrets=secrets or {}, apt=apt, stop_at_missing_packages=stop, fresh=fresh
    )
    prelude = f"VBOXLAB_ROOT=${{VBOXLAB_ROOT-{GUEST_ROOT.name}}}\n{prelude}"
    argv = [shell, "sh"] if shell == "busybox" else [shell]
    if path is not None:  # programs of the test go before the system's
        script = script.replace("PATH=/usr/local/sbin", f"PATH={path}:/usr/local/sbin", 1)
    done = subprocess.run(argv, input=(prelude + script).encode(), capture_output=True, check=False)
    assert done.stderr == b"", done.stderr.decode()
    found = {}
    for line in done.stdout.decode().splitlines():
        index, status, reason, *place = line.split("\t")
        if status == "kept":
            if kept is not None:
                kept.append([reason, *place])
            continue
        found[int(index.removeprefix("@"))] = (status, reason.strip())
    return done.returncode, [found[index] for index in sorted(found)]


def file(path: Path, content: str | SecretText, mode: int = 0o644, notifies: tuple[str, ...] = ()) -> File:
    return File(str(path), content, mode, USER, GROUP, notifies)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory for stand-ins of the system's programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


hostile = st.text(
    st.one_of(st.sampled_from("'\"\\$`!#&;|<>()*?[]{}~\n\t\r %=-:\u00e9"), st.characters(exclude_categories=["Cs"])),
    max_size=300,
).filter(lambda text: "\0" not in text)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=hostile, secret=hostile, argument=hostile)
def test_hostile_text_arrives_byte_for_byte_and_nothing_of_it_runs(
    tmp_path: Path, content: str, secret: str, argument: str
) -> None:
    folder = tmp_path / "case"
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "deep" / "file"
    received = folder / "argument"
    bait = "$(touch PWNED)`touch PWNED`';touch PWNED;'\nVBOXLAB_END_OF_DATA\ntouch PWNED\n".replace(
        "PWNED", str(folder / "pwned")
    )
    save = ("sh", "-c", 'printf %s "$1" >"$2"', "sh", argument + bait, str(received))
    resources: list[Resource] = [
        file(target, content + bait),
        file(folder / "secret", SecretText("key <secret>\n", "name"), 0o600),
        Command("save", run=save, unless=("test", "-e", str(received))),
    ]
    code, results = run(resources, secrets={"name": secret + bait})
    assert (code, [status for status, _ in results]) == (0, ["changed"] * 3)
    assert target.read_bytes() == (content + bait).encode()
    assert (folder / "secret").read_bytes() == f"key {secret}{bait}\n".encode()
    assert received.read_bytes() == (argument + bait).encode()
    assert not (folder / "pwned").exists()
    code, results = run(resources, secrets={"name": secret + bait})
    assert (code, [status for status, _ in results]) == (0, ["unchanged"] * 3)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_way_a_file_can_differ_is_said_and_put_right(tmp_path: Path, shell: str) -> None:
    names = ("missing", "content", "mode", "link", "right")
    resources = [file(tmp_path / name, f"{name}\n", 0o640) for name in names]
    for name in ("content", "mode", "right"):
        (tmp_path / name).write_text(f"{name}\n" if name != "content" else "other")
        (tmp_path / name).chmod(0o644 if name == "mode" else 0o640)
    (tmp_path / "elsewhere").write_text("link\n")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    expected = [
        ("would-change", "does not exist"),
        ("would-change", "content differs"),
        ("would-change", "mode is 0644 instead of 0640"),
        ("would-change", "is not a regular file"),
        ("unchanged", ""),
    ]
    assert run(resources, changes=False, shell=shell) == (0, expected)
    assert not (tmp_path / "missing").exists()
    code, results = run(resources, shell=shell)
    assert (code, [status for status, _ in results]) == (0, ["changed"] * 4 + ["unchanged"])
    assert run(resources, shell=shell) == (0, [("unchanged", "")] * 5)
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "link\n"
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.endswith("-new")] == []


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to another owner")
def test_a_wrong_owner_is_said_and_put_right(tmp_path: Path) -> None:
    resources = [File(str(tmp_path / "f"), "x", 0o600, "daemon", "root")]
    (tmp_path / "f").write_text("x")
    (tmp_path / "f").chmod(0o600)
    assert run(resources) == (0, [("changed", f"owner is {USER}:{GROUP} instead of daemon:root")])
    assert run(resources) == (0, [("unchanged", "")])


def test_a_failed_file_skips_its_service_and_the_waiting_but_nothing_else(tmp_path: Path, programs: Path) -> None:
    program(programs, "systemctl", "printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=static\\n'")
    (tmp_path / "taken").mkdir()
    resources: list[Resource] = [
        file(tmp_path / "taken" / "file", "x"),
        file(tmp_path / "taken", "a directory stands here", notifies=("apache2",)),
        Service("apache2"),
        Await("page", ("true",)),
    ]
    code, results = run(resources, path=programs)
    assert code == 1
    assert results[0] == ("changed", "does not exist")
    assert results[1][0] == "failed"
    assert results[1][1] == f"{tmp_path}/taken is a folder: move it away, a file belongs there"
    assert results[2] == ("skipped", "a file of it could not be written")
    assert results[3] == ("skipped", "not waited for, because something failed")


def test_where_all_is_right_a_guest_is_asked_in_few_processes(tmp_path: Path, programs: Path) -> None:
    """Under emulation each process costs some 20 ms: what can be asked for at once is, and what is known is not."""
    log = tmp_path / "log"
    answers = {
        "dpkg-query": "printf 'apache2 installed\\nheartbeat installed\\n'",
        "systemctl": "printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=static\\n\\n'; "
        "printf 'LoadState=loaded\\nActiveState=inactive\\nUnitFileState=disabled\\n'",
        "ip": "echo 'lo UP 127.0.0.1/8'; echo 'default via 192.168.200.254 dev lo onlink'",
    }
    for name in ("sha256sum", "stat", "cat", "head", "grep", "sh", "base64", *answers):
        program(programs, name, f"echo {name} >>{log}\n" + answers.get(name, f'exec {shutil.which(name)} "$@"'))
    (tmp_path / "sysctl.conf").write_text("#net.ipv4.ip_forward=1\nkernel.pid_max = VALUE\n")
    value = Path("/proc/sys/kernel/pid_max").read_text().strip()
    settings_file = tmp_path / "sysctl.conf"
    settings_file.write_text(settings_file.read_text().replace("VALUE", value))
    left = 'systemctl --quiet is-active heartbeat || ! systemctl --quiet is-active "$1"'
    resources: list[Resource] = [
        file(tmp_path / "a", "one"),
        file(tmp_path / "b", "two"),
        Package("apache2"),
        Package("heartbeat"),
        Interface("lo", "127.0.0.1/8", "192.168.200.254"),
        Sysctl("kernel.pid_max", value, str(settings_file)),
        Service("heartbeat"),
        Service("apache2", enabled=False, running=False),
        Command("handed over", ("false",), ("sh", "-c", left, "sh", "apache2")),
        Await("settled", ("sh", "-c", '[ -d "$1" ]', "sh", str(tmp_path))),
    ]
    for name, content in (("a", "one"), ("b", "two")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o644)
    for changes in (False, True):
        log.unlink(missing_ok=True)
        assert run(resources, changes=changes, path=programs) == (0, [("unchanged", "")] * len(resources))
        assert log.read_text().split() == ["sha256sum", "stat", "dpkg-query", "ip", "systemctl"]


def test_a_unit_is_asked_about_again_once_something_was_changed(tmp_path: Path, programs: Path) -> None:
    started = tmp_path / "started"
    program(
        programs,
        "systemctl",
        f"case $* in show*) printf 'LoadState=loaded\\nActiveState=inactive\\nUnitFileState=static\\n';; "
        f"*start*) touch {started};; *is-active*) [ -e {started} ];; esac",
    )
    running = Await("running", ("sh", "-c", 'systemctl --quiet is-active "$1"', "sh", "server"), 1)
    assert run([running, Service("server")], changes=False, path=programs) == (
        0,
        [("would-change", "is not so now"), ("would-change", "not running (inactive)")],
    )
    code, results = run([running, Service("server")], path=programs)
    assert (code, results) == (0, [("unchanged", ""), ("changed", "not running (inactive)")])


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("kernel.pid_max=VALUE", True),
        ("\t kernel.pid_max = VALUE \t", True),
        ("#kernel.pid_max=VALUE", False),
        ("kernel.pid_max=VALUE0", False),
        ("xkernel.pid_max=VALUE", False),
        ("kernel-pid_max=VALUE", False),
        ("kernel.pid_max=VALUE=VALUE", False),
        ("kernel.pid_max VALUE", False),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_setting_is_in_its_file_where_a_line_says_so(tmp_path: Path, line: str, right: bool, shell: str) -> None:
    value = Path("/proc/sys/kernel/pid_max").read_text().strip()
    (tmp_path / "conf").write_text("# a = b\n" + line.replace("VALUE", value))
    expected = ("unchanged", "") if right else ("would-change", f"not in {tmp_path}/conf")
    resources = [Sysctl("kernel.pid_max", value, str(tmp_path / "conf"))]
    assert run(resources, changes=False, shell=shell) == (0, [expected])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_condition_of_the_shell_has_its_arguments_and_breaks_nothing(tmp_path: Path, shell: str) -> None:
    conditions = {
        ("sh", "-c", '[ "$1" = "a b" ] && [ $# = 2 ]; exit', "sh", "a b", "'"): "unchanged",
        ("sh", "-c", "exit 3", "sh"): "would-change",
        ("sh", "-c", "apply=1 changing=7 failures=9; false", "sh"): "would-change",
        ("sh", "-c", "if then", "sh"): "would-change",
        ("sh", "-c", '[ "$0" = name ]', "name"): "unchanged",
        ("sh", "-c", "true"): "unchanged",
    }
    resources = [Command(str(number), ("false",), argv) for number, argv in enumerate(conditions)]
    code, results = run(resources, changes=False, shell=shell)
    assert (code, [status for status, _reason in results]) == (0, list(conditions.values()))


def test_the_script_shadows_no_program_but_systemctl() -> None:
    """What a role's condition calls is the program: a function of that name would be taken for it."""
    functions = re.findall(r"^(\w+)\(\)", compile_script([], changes=True, secrets={}), re.MULTILINE)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert [name for name in functions if shutil.which(name, path=path)] in ([], ["systemctl"])
    assert not {"apt", "ip", "service", "sysctl"} & set(functions)


def test_services_are_asked_about_once_and_only_those_notified_restart(tmp_path: Path, programs: Path) -> None:
    log = tmp_path / "log"
    program(
        programs,
        "systemctl",
        f'echo "$*" >>{log}\n'
        '[ "$1" = show ] || exit 0\n'
        'for unit; do case $unit in -p|*State) continue;; show) continue;; esac; [ -z "$first" ] || echo; first=no\n'
        "printf 'LoadState=loaded\\nActiveState=%s\\nUnitFileState=static\\n' active; done",
    )
    resources: list[Resource] = [
        file(tmp_path / "a.conf", "a", notifies=("service-a", "service-c")),
        Service("service-a"),
        Service("service-b"),
        Service("service-c", enabled=None, running=None),
        Service("service-d", enabled=None, running=False),
    ]
    code, results = run(resources, path=programs)
    assert code == 0
    assert results[1:] == [
        ("changed", "its configuration changed"),
        ("unchanged", ""),
        ("changed", "its configuration changed"),
        ("changed", "running"),
    ]
    asked = log.read_text().splitlines()
    units = " ".join(f"service-{letter}.service" for letter in "abcd")
    assert asked == [
        f"show -p LoadState -p ActiveState -p UnitFileState {units}",
        "--quiet restart service-a",
        "--quiet restart service-c",
        "--quiet stop service-d",
    ]
    log.unlink()
    assert run(resources[:3], path=programs) == (0, [("unchanged", "")] * 3)
    log.unlink()
    (tmp_path / "a.conf").unlink()
    began = time.monotonic()
    assert run([resources[0], Service("service-a", pause=1)], path=programs)[0] == 0
    assert time.monotonic() - began >= 1
    assert log.read_text().splitlines()[1:] == ["--quiet stop service-a", "--quiet start service-a"]


def test_a_service_that_cannot_start_says_what_systemd_said(tmp_path: Path, programs: Path) -> None:
    program(
        programs,
        "systemctl",
        '[ "$1" != show ] || { printf "LoadState=loaded\\nActiveState=failed\\nUnitFileState=static\\n"; exit; }\n'
        "echo Job failed >&2; exit 1",
    )
    program(programs, "journalctl", "echo Address already in use")
    code, results = run([Service("apache2")], path=programs)
    assert (code, results) == (1, [("failed", "systemctl start apache2: Address already in use")])


def test_missing_packages_go_into_one_apt_run_and_only_then(tmp_path: Path, programs: Path) -> None:
    log = tmp_path / "log"
    program(programs, "dpkg-query", "printf 'have installed\\n'")
    program(programs, "apt-get", f'echo "$*" >>{log}\ncase "$*" in *--no-download*) exit 1;; esac')
    program(programs, "ip", "exit 0")
    program(programs, "getent", "exit 0")
    resources = [Package("have"), Package("lack"), Package("other")]
    preview = [("unchanged", ""), ("would-change", "not installed"), ("would-change", "not installed")]
    assert run(resources, changes=False, path=programs) == (0, preview)
    code, results = run(resources, path=programs, stop=True)
    assert code == EXIT_PACKAGES_MISSING
    assert results == [("unchanged", ""), ("missing", "not installed"), ("missing", "not installed")]
    assert not log.exists()
    code, results = run(resources, path=programs)
    assert (code, [status for status, _ in results]) == (0, ["unchanged", "changed", "changed"])
    called = log.read_text().splitlines()
    assert len(called) == 3
    assert "DPkg::Lock::Timeout=300" in called[2]
    assert called[2].endswith("--no-install-recommends install lack other")
    assert " update" in called[1]
    log.unlink()
    assert run(resources[:1], path=programs) == (0, [("unchanged", "")])
    assert not log.exists()


def without_packages(folder: Path, programs: Path, *, getent: str) -> tuple[Path, Path]:
    """Make a guest that has to fetch packages; return its resolv.conf, and where apt keeps what it saw of that."""
    resolver, seen = folder / "etc" / "resolv.conf", folder / "seen"
    resolver.parent.mkdir()
    resolver.write_text("search mlif.local\nnameserver 192.168.100.10\n")
    program(programs, "dpkg-query", "exit 1")
    program(programs, "getent", getent)
    program(programs, "apt-get", f'case "$*" in *--no-download*) exit 1;; *update*) cat {resolver} >{seen};; esac')
    return resolver, seen


def test_packages_are_found_where_the_guests_name_server_does_not_answer_yet(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VBOXLAB_ROOT", str(tmp_path))
    resolver, seen = without_packages(tmp_path, programs, getent="exit 2")
    assert run([Package("lack")], path=programs) == (0, [("changed", "not installed")])
    assert seen.read_text().splitlines() == [
        "search mlif.local", "nameserver 192.168.100.10", "nameserver 10.0.2.3", "options timeout:2",
    ]  # fmt: skip
    assert resolver.read_text() == "search mlif.local\nnameserver 192.168.100.10\n"


@pytest.mark.parametrize(
    ("apt", "asked"),
    [
        (AptOptions(), "deb.debian.org"),
        (AptOptions(proxy="http://proxy.example:3142"), "proxy.example"),
    ],
)
def test_only_the_host_that_packages_come_from_has_to_be_known(
    apt: AptOptions, asked: str, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VBOXLAB_ROOT", str(tmp_path))
    _resolver, seen = without_packages(tmp_path, programs, getent=f'[ "$*" = "-s dns ahostsv4 {asked}" ]')
    assert run([Package("lack")], path=programs, apt=apt) == (0, [("changed", "not installed")])
    assert seen.read_text() == "search mlif.local\nnameserver 192.168.100.10\n"


def test_proxy_and_mirror_reach_apt_quoted_and_nonsense_is_refused() -> None:
    apt = AptOptions(mirror="http://mirror.example/debian", proxy="http://proxy.example:3142")
    script = compile_script([Package("apache2")], changes=True, secrets={}, apt=apt)
    assert 'Acquire::http::Proxy "http://proxy.example:3142";' in script
    assert "deb http://mirror.example/debian bookworm main" in script
    assert "apt_host=proxy.example\n" in script
    direct = AptOptions(mirror="http://mirror.example/debian")
    assert "apt_host=mirror.example\n" in compile_script([Package("lack")], changes=True, secrets={}, apt=direct)
    with pytest.raises(GuestError, match="is not an address that apt can use"):
        compile_script([Package("apache2")], changes=True, secrets={}, apt=AptOptions(proxy="http://x;reboot"))


def test_passwords_of_proxy_and_mirror_reach_apt_in_files_of_root_that_go_with_the_script(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_ROOT", str(tmp_path))
    without_packages(tmp_path, programs, getent="exit 0")
    seen = tmp_path / "seen"
    program(
        programs,
        "apt-get",
        f'for word in "$@"; do case $word in -c=*) folder=${{word#-c=}}; cd "${{folder%/*}}";; esac; done\n'
        f'{{ echo "$@"; head -n 99 *; stat -c "%n %a" . *; }} >>{seen}',
    )
    apt = AptOptions(mirror="http://me:m%40word@mirror.example/debian", proxy="http://me:p-word@proxy.example:3142")
    assert run([Package("lack")], path=programs, apt=apt) == (0, [("changed", "not installed")])
    text = seen.read_text()
    commands = [line for line in text.splitlines() if line.startswith("-q")]
    assert commands
    assert not any("m@word" in line or "p-word" in line for line in commands)
    assert "machine http://mirror.example/debian login me password m@word\n" in text
    assert 'Acquire::http::Proxy "http://me:p-word@proxy.example:3142";\n' in text
    assert "deb http://mirror.example/debian bookworm main\n" in text
    assert {". 700", "apt.conf 600", "logins 600"} <= set(text.splitlines())
    assert not list(tmp_path.glob("tmp.*"))


def test_interfaces_are_compared_with_what_the_kernel_has(tmp_path: Path, programs: Path) -> None:
    loopback = "lo" if Path("/sys/class/net/lo").exists() else pytest.skip("no /sys/class/net")
    log = tmp_path / "log"
    program(
        programs,
        "ip",
        '[ "$*" != "-br -4 -batch -" ] || while read -r what; do case $what in '
        f'addr) echo "{loopback} UP 192.168.200.51/24 192.168.200.5/24";; '
        '*default*) echo "default via 192.168.200.254 dev lo onlink";; esac; done',
    )
    for name in ("ifup", "ifdown"):
        program(programs, name, f'echo {name} "$*" >>{log}')
    right = Interface(loopback, "192.168.200.51/24", "192.168.200.254")
    assert run([right], path=programs) == (0, [("unchanged", "")])
    assert not log.exists()
    for wanted, reason in (
        (
            Interface(loopback, "192.168.201.11/24"),
            "has 192.168.200.51/24 192.168.200.5/24 instead of 192.168.201.11/24",
        ),
        (Interface(loopback, "192.168.200.51/24", "192.168.200.1"), "no default route through 192.168.200.1"),
    ):
        assert run([wanted], path=programs) == (0, [("changed", reason)])
    assert log.read_text().splitlines() == ["ifdown --force lo", "ifup lo"] * 2
    code, results = run([Interface("enp0s77", "dhcp")], path=programs)
    assert (code, results[0][0]) == (1, "failed")
    assert results[0][1].startswith("the guest has no enp0s77 (it has: ")


def test_a_command_runs_only_when_its_condition_fails_and_says_why_it_failed(tmp_path: Path) -> None:
    marker = tmp_path / "it's done"
    done = Command("once", run=("touch", str(marker)), unless=("test", "-e", str(marker)))
    assert run([done], changes=False) == (0, [("would-change", "not done")])
    assert run([done]) == (0, [("changed", "was not done")])
    assert run([done]) == (0, [("unchanged", "")])
    broken = Command("broken", run=("sh", "-c", "echo one; echo two >&2; exit 3"), unless=("false",))
    assert run([broken]) == (1, [("failed", "one;two")])


def test_a_state_is_waited_for_and_given_up_with_what_was_last_said(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    later = ("sh", "-c", 'echo x >>"$1"; [ "$(wc -l <"$1")" -ge 3 ]', "sh", str(counter))
    code, results = run([Await("later", later, 20)])
    assert (code, results[0][0]) == (0, "changed")
    never = Await("never", ("sh", "-c", "echo still not; false"), 1)
    assert run([never]) == (1, [("failed", "did not come about within 1 s: still not")])
    assert run([never], changes=False) == (0, [("would-change", "is not so now")])


def test_a_state_that_does_not_come_about_is_explained_with_what_its_unit_logged(tmp_path: Path) -> None:
    journalctl = tmp_path / "journalctl"
    journalctl.write_text(
        '#!/bin/sh\nfor unit; do :; done; echo "$unit: Giving up resources"; echo "[7]: debug: notify_world: SIG_DFL"\n'
    )
    journalctl.chmod(0o755)
    never = Await("page", ("sh", "-c", "echo no route; false"), 1, unit="heartbeat")
    reason = "did not come about within 1 s: no route;heartbeat: Giving up resources"
    assert run([never], path=tmp_path) == (1, [("failed", reason)])


def test_a_state_that_stays_away_is_nudged_until_it_comes(tmp_path: Path) -> None:
    asked = tmp_path / "asked for it"
    nudge = ("sh", "-c", 'echo x >>"$1"', "sh", str(asked))
    wanted = Await("address", ("test", "-e", str(asked)), 20, nudge=nudge, nudge_after=1)
    code, results = run([wanted])
    assert (code, results[0][0]) == (0, "changed")
    assert asked.read_text() == "x\n"
    assert run([wanted]) == (0, [("unchanged", "")])
    twice = ("sh", "-c", '[ "$(wc -l <"$1")" -ge 3 ]', "sh", str(asked))
    assert run([Await("twice", twice, 20, nudge=nudge, nudge_after=1)])[1][0][0] == "changed"
    assert asked.read_text() == "x\nx\nx\n"
    assert run([Await("never", ("false",), 3, nudge=nudge, nudge_after=2)])[0] == 1
    assert asked.read_text() == "x\nx\nx\nx\n"


def test_the_time_scale_stretches_what_is_waited_for() -> None:
    script = compile_script([Await("page", ("true",), 30)], changes=True, secrets={}, time_scale=4)
    assert "await 0 120 - -\n" in script
    nudged = [Await("page", ("true",), 30, nudge=("true",), nudge_after=10, unit="heartbeat")]
    assert "await 0 120 40 heartbeat\n" in compile_script(nudged, changes=True, secrets={}, time_scale=4)


def test_a_setting_replaces_its_commented_line_and_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "sysctl.conf"
    path.write_text("# Uncomment the next line\n#net.ipv4.ip_forward=1\nother=2\n")
    current = Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()
    wanted = Sysctl("net.ipv4.ip_forward", current, str(path))
    assert run([wanted], changes=False) == (0, [("would-change", f"not in {path}")])
    if os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK):
        assert run([wanted]) == (0, [("changed", f"not in {path}")])
        assert path.read_text() == f"# Uncomment the next line\nnet.ipv4.ip_forward={current}\nother=2\n"
        assert run([wanted]) == (0, [("unchanged", "")])


def test_an_unwanted_file_is_removed_once(tmp_path: Path) -> None:
    (tmp_path / "old").symlink_to("nowhere")
    assert run([AbsentFile(str(tmp_path / "old"))]) == (0, [("changed", "existed")])
    assert run([AbsentFile(str(tmp_path / "old"))]) == (0, [("unchanged", "")])


@pytest.mark.parametrize(
    "resource",
    [
        File("/etc/a b", "x"),
        File("/etc/$(id)", "x"),
        File("relative", "x"),
        File("/etc/x", "nul\0"),
        File("/etc/x", "half \ud800"),
        File("/etc/x", "x", owner="a;b"),
        Package("a b"),
        Package("-o"),
        Service("a;reboot"),
        Sysctl("net.$(id)", "1"),
        Interface("enp0s3;id", "dhcp"),
        Command("nul", run=("echo", "\0"), unless=("false",)),
        Hostname("nul\0"),
    ],
)
def test_what_no_script_can_carry_is_refused(resource: Resource) -> None:
    with pytest.raises(GuestError):
        compile_script([resource], changes=True, secrets={})


def test_a_missing_secret_is_named_and_a_known_one_is_in_no_report() -> None:
    wanted = File("/etc/key", SecretText("<secret>", "heartbeat"))
    with pytest.raises(GuestError, match="the secret 'heartbeat' is not known"):
        compile_script([wanted, Password("root", "heartbeat")], changes=True, secrets={"other": "x"})
    script = compile_script([wanted, Password("root", "heartbeat")], changes=True, secrets={"heartbeat": "s3cr3t"})
    assert "s3cr3t" not in script


@given(st.lists(hostile, min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_words_are_words_again_in_the_shell(argv: list[str]) -> None:
    done = subprocess.run(["sh"], input=f"printf '%s\\0' {words(argv)}".encode(), capture_output=True, check=True)
    assert done.stdout == b"".join(word.encode() + b"\0" for word in argv)


@pytest.mark.parametrize(
    ("wanted", "status", "reason"),
    [
        (Service("ldirectord", enabled=False, running=False), "unchanged", ""),
        (Service("ldirectord"), "failed", "systemd says that the unit is not-found"),
    ],
)
def test_a_service_that_is_not_installed_is_off(programs: Path, wanted: Service, status: str, reason: str) -> None:
    program(programs, "systemctl", "printf 'LoadState=not-found\\nActiveState=inactive\\nUnitFileState=\\n'")
    assert run([wanted], path=programs)[1] == [(status, reason)]


# --- what somebody changed is kept beside


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """The folder of a guest's own records: what was written in it, and what its packages bring."""
    root = tmp_path / "guest"
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    return root


def in_guest(root: Path, resource: Resource, **options: Any) -> tuple[list[str], list[list[str]]]:
    """Return the statuses, and what was kept, of one run."""
    kept: list[list[str]] = []
    code, results = run([resource], prelude=f"VBOXLAB_ROOT={root}\n", kept=kept, **options)
    assert code == 0, results
    return [status for status, _ in results], kept


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_that_somebody_changed_is_kept_beside_and_what_we_wrote_is_not(
    tmp_path: Path, guest: Path, shell: str
) -> None:
    path = tmp_path / "ha.cf"
    assert in_guest(guest, file(path, "ours\n"), shell=shell) == (["changed"], [])
    assert in_guest(guest, file(path, "ours, changed\n"), shell=shell) == (["changed"], [])
    assert in_guest(guest, file(path, "ours\n"), shell=shell) == (["changed"], [])  # written by us before, too
    path.write_text("theirs\n")
    path.chmod(0o640)
    statuses, ((was, place),) = in_guest(guest, file(path, "ours\n"), changes=False, shell=shell)
    assert (statuses, was) == (["would-change"], str(path))
    assert path.read_text() == "theirs\n"
    statuses, ((was, place),) = in_guest(guest, file(path, "ours\n"), shell=shell)
    assert (statuses, was) == (["changed"], str(path))
    assert re.fullmatch(rf"{re.escape(str(path))}\.vboxlab-\d{{8}}-\d{{6}}", place)
    assert (Path(place).read_text(), Path(place).stat().st_mode & 0o777) == ("theirs\n", 0o640)
    assert path.read_text() == "ours\n"
    assert in_guest(guest, file(path, "ours\n"), shell=shell) == (["unchanged"], [])
    assert (guest / "var/lib/vboxlab/written").stat().st_mode & 0o777 == 0o600


def test_two_changes_within_a_second_are_both_kept(tmp_path: Path, guest: Path, programs: Path) -> None:
    program(programs, "date", "echo 20261128-100000")
    path = tmp_path / "hosts"
    for content in ("first\n", "second\n"):
        path.write_text(content)
        in_guest(guest, file(path, "ours\n"), path=programs)
    assert sorted(p.read_text() for p in tmp_path.glob("hosts.vboxlab-*")) == ["first\n", "second\n"]


def test_in_a_folder_that_programs_read_whole_the_kept_file_is_hidden(tmp_path: Path, guest: Path) -> None:
    path = tmp_path / "interfaces.d" / "lan"
    path.parent.mkdir()
    path.write_text("theirs\n")
    _, ((_, place),) = in_guest(guest, file(path, "ours\n"))
    assert Path(place).parent == path.parent
    assert Path(place).name.startswith(".lan.vboxlab-")


@pytest.mark.parametrize("brought", ["info", "status", "obsolete", "fresh", "empty", "same"])
def test_what_is_nobodys_work_is_not_kept(tmp_path: Path, guest: Path, brought: str) -> None:
    path = tmp_path / "index.html"
    path.write_text("" if brought == "empty" else "ours\n" if brought == "same" else "It works!\n")
    path.chmod(0o600)
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    if brought == "info":
        (guest / "var/lib/dpkg/info/apache2.md5sums").write_text(f"{digest}  usr/share/apache2/index.html\n")
    elif brought != "fresh":
        end = " obsolete" if brought == "obsolete" else ""
        (guest / "var/lib/dpkg/status").write_text(f"Conffiles:\n /etc/other {digest}{end}\n")
    assert in_guest(guest, file(path, "ours\n"), fresh=brought == "fresh") == (["changed"], [])
    assert path.read_text() == "ours\n"
    assert list(tmp_path.glob("*.vboxlab-*")) == []


def test_a_file_that_cannot_be_kept_is_not_overwritten(tmp_path: Path, guest: Path, programs: Path) -> None:
    program(programs, "cp", "echo 'No space left on device' >&2; exit 1")
    path = tmp_path / "hosts"
    path.write_text("theirs\n")
    code, results = run([file(path, "ours\n")], path=programs, prelude=f"VBOXLAB_ROOT={guest}\n")
    assert (code, results) == (
        1, [("failed", f"{path} cannot be kept, so it stays as it is: No space left on device")],
    )  # fmt: skip
    assert path.read_text() == "theirs\n"
    assert list(tmp_path.glob("*.vboxlab-*")) == []


def test_links_settings_and_files_that_must_go_are_kept_too(tmp_path: Path, guest: Path) -> None:
    link, gone, settings_file = tmp_path / "link", tmp_path / "gone", tmp_path / "sysctl.conf"
    link.symlink_to("elsewhere")
    gone.write_text("theirs\n")
    settings_file.write_text("kernel.hostname=theirs\n")
    for resource in (file(link, "ours\n"), AbsentFile(str(gone))):
        statuses, ((_, place),) = in_guest(guest, resource)
        assert statuses == ["changed"]
        assert Path(place).is_symlink() or Path(place).read_text() == "theirs\n"
    assert not gone.exists()
    wanted = Sysctl("kernel.pid_max", Path("/proc/sys/kernel/pid_max").read_text().strip(), str(settings_file))
    statuses, ((_, place),) = in_guest(guest, wanted, changes=False)
    assert (statuses, Path(place).name.split(".vboxlab")[0]) == (["would-change"], "sysctl.conf")
