"""A computer with other users: they cannot enter what is vboxlab's, and see no secret of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base
from tests.unit.lab_world import ROOT
from tests.watching import CommandLines, holding, open_to_others
from vboxlab.base import builder, layers
from vboxlab.base.mirror import Mirror, find_mirror
from vboxlab.base.native import LOGINS
from vboxlab.base.recipe import DEBIAN12, sources_files
from vboxlab.cli.main import run
from vboxlab.credentials import Address, known, redacted, without_secrets
from vboxlab.errors import BaseError, GuestError, SettingsInvalid
from vboxlab.home import claim_home
from vboxlab.hypervisor.doctor import examine
from vboxlab.lab.directory import shown_command
from vboxlab.settings import Settings, load_settings

PROXY = "planted-proxy-word"
MIRROR = "planted-mirror-word"
GUEST = "planted-guest-word"
ROOT_WORD = "planted-root-word"
HEARTBEAT = "planted-heartbeat-word"
SET = "planted-set-word"
PLANTED = (PROXY, MIRROR, GUEST, ROOT_WORD, HEARTBEAT)
unix = pytest.mark.skipif(os.name == "nt", reason="Windows knows no such modes")


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plant a secret wherever one can be given, and return the home."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f'proxy: "http://proxy:{PROXY}@127.0.0.1:9"\nmirror: "http://mirror:{MIRROR}@127.0.0.1:9/debian"\n'
    )
    home = tmp_path / "home"
    values = {
        "HOME": str(home), "SETTINGS": str(settings), "DRIVER": "qemu", "SECRET_HEARTBEAT": HEARTBEAT,
        "SECRET_HA": HEARTBEAT, "SECRET_ROOT": ROOT_WORD,
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(f"VBOXLAB_{name}", value)
    monkeypatch.setenv("PLANTED_PASSWORD", GUEST)
    monkeypatch.chdir(ROOT)
    return home


@unix
@pytest.mark.qemu
@pytest.mark.usefixtures("no_umask")
def test_every_verb_keeps_planted_secrets_and_its_files_to_itself(planted: Path, tmp_path: Path) -> None:
    """The real command line on real QEMU disks; no guest is booted."""
    password = tmp_path / "root-password"
    password.write_text(ROOT_WORD)
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "64M"], check=True)
    login = ("--user", "teacher", "--password-from", "env:PLANTED_PASSWORD", "--root-password-from", str(password))
    lab = ("failover", "--set", "base=mine")
    verbs: tuple[tuple[int, tuple[str, ...]], ...] = (
        (4, ("base", "build")),
        (0, ("base", "add", "mine", "--disk", str(disk), *login)),
        (2, ("plan", *lab, "--json")),
        (0, ("up", *lab, "--until", "created", "--set", f"student={SET}")),
        (0, ("snapshot", "take", "fresh")),
        (0, ("explain", *lab)),
        (0, ("ssh-config", "failover")),
        (7, ("verify", *lab)),
        (4, ("ssh", "srv-web", "--", "true")),
        (0, ("destroy", "failover", "--yes")),
    )
    said = ""
    with CommandLines(PLANTED) as watch:
        for code, words in verbs:
            done = subprocess.run(
                [sys.executable, "-m", "vboxlab", *words], capture_output=True, text=True, check=False
            )
            said += done.stdout + done.stderr
            assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
            assert open_to_others(planted) == {}, words
    assert watch.rounds
    assert watch.seen == set()
    assert [word for word in PLANTED if word in said] == []
    assert "http://…@127.0.0.1:9" in said
    assert holding(planted, PLANTED) == {"bases/mine/password", "bases/mine/root-password"}


@pytest.mark.usefixtures("planted")
def test_a_bug_shows_no_secret() -> None:
    """What an unexpected exception says may hold anything."""
    known(GUEST)
    code = "from vboxlab.settings import load_settings\nraise RuntimeError(load_settings().proxy, 'x')"
    program = f"import vboxlab.cli.main as m\nm.vboxlab.main = lambda *a, **k: exec({code!r})\nm.main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "RuntimeError" in done.stderr
    assert PROXY not in done.stderr
    assert GUEST not in without_secrets(f"KeyError: '{GUEST}'")


@unix
def test_a_home_is_closed_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    told = [finding.text for finding in examine(Settings(home=home), None) if finding.check == "user"]
    assert f"other users of this computer can look into {home}" in told
    claim_home(home)
    assert home.stat().st_mode & 0o777 == 0o700
    claim_home(tmp_path / "not" / "there")
    assert not (tmp_path / "not").exists()


@unix
def test_a_home_of_somebody_else_is_refused_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    os.chown(home, 65534, 65534)
    monkeypatch.setenv("VBOXLAB_HOME", str(home))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(ROOT)
    for words in (["base", "build"], ["plan", "failover"]):
        assert run(words) == 3
        assert f"{home} belongs to another user (uid 65534)" in capsys.readouterr().err
    assert list(home.iterdir()) == []
    assert home.stat().st_mode & 0o777 == 0o755


@unix
def test_a_folder_of_everybody_or_the_users_own_is_not_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    user = tmp_path / "user"
    user.mkdir()
    user.chmod(0o755)
    monkeypatch.setenv("HOME", str(user))
    for place in (shared, user, user.parent if user.parent.stat().st_mode & 0o077 else user):
        before = place.stat().st_mode
        with pytest.raises(SettingsInvalid, match="open to other users"):
            claim_home(place)
        assert place.stat().st_mode == before


def test_a_mirrors_password_goes_into_no_guest_and_no_representation(tmp_path: Path) -> None:
    sources = tmp_path / "sources.list"
    sources.write_text(
        f"deb http://u:{MIRROR}@host.example/debian bookworm main\n"
        f"deb http://u:{MIRROR}@host.example/debian-security bookworm-security main\n"
    )
    mirror = find_mirror(Settings(home=tmp_path, proxy=f"http://u:{PROXY}@proxy.example:3128"), tmp_path)
    assert MIRROR not in repr(mirror) + "".join(str(file.content) for file in sources_files(DEBIAN12, mirror))
    assert PROXY not in repr(mirror) + repr(Settings(home=tmp_path, proxy=f"http://u:{PROXY}@proxy.example:3128"))
    assert (mirror.uri, mirror.security) == ("http://host.example/debian", "http://host.example/debian-security")
    assert mirror.netrc == "".join(
        f"machine http://host.example/{name} login u password {MIRROR}\n" for name in ("debian", "debian-security")
    )


@unix
def test_mmdebstrap_is_given_passwords_where_nobody_sees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name says what it was started with."""
    programs, said = tmp_path / "programs", tmp_path / "said"
    programs.mkdir()
    place = tmp_path / "place" / "own"
    place.mkdir(parents=True)
    program = programs / "mmdebstrap"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "$http_proxy $https_proxy" >{said}; exit 0\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    proxy = f"http://u:{PROXY}@proxy.example:3128"
    mirror = Mirror.of(f"http://u:{MIRROR}@host.example/debian", None, "test", proxy)
    builder.make_tree(DEBIAN12, mirror, "ssh-ed25519 AAAA", place / "root.tar", lambda _text, _percent: None)
    *arguments, environment = said.read_text().splitlines()
    assert environment == f"{proxy} {proxy}"
    assert not any(PROXY in word or MIRROR in word for word in arguments)
    assert holding(place.parent, PLANTED) == {"own/logins.tar"}
    assert (place / "logins.tar").stat().st_mode & 0o777 == 0o600
    assert f'--customize-hook=rm "$1"{LOGINS}' in arguments


def test_the_worker_is_given_passwords_through_its_standard_input(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, proxy=f"http://u:{PROXY}@proxy.example:3128", mirror=f"http://u:{MIRROR}@host.example/debian"
    )
    store = put_base(tmp_path)
    (directory,) = store.directory.glob("debian12-*")
    (directory / "root.tar").touch()
    wanted = layers._Wanted(("apache2",), tmp_path / "layer", (), None)
    new = tmp_path / "new"
    new.mkdir()
    job = layers.Layers(settings)._job(
        DEBIAN12, layers._Source(directory / "root.tar", directory), wanted, tmp_path, new
    )
    assert not any(PROXY in option or MIRROR in option for option in job.apt_options)
    assert dict(job.environment)["http_proxy"] == settings.proxy
    assert MIRROR in job.logins
    assert not any(word in repr(job) for word in PLANTED)
    assert type(job).from_json(job.to_json()) == job


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("via http://me:p@ss@proxy:3128/x and ftp://you@host", "via http://…@proxy:3128/x and ftp://…@host"),
        ("mail me@example.org about http://host/path@2", "mail me@example.org about http://host/path@2"),
        ('"https://a:b@c"', '"https://…@c"'),
    ],
)
def test_users_and_passwords_in_urls_are_hidden(text: str, expected: str) -> None:
    assert redacted(text) == expected
    error = BaseError(text, details=[text], resolution=text)
    assert (error.brief, error.details, error.resolution) == (expected, (expected,), expected)
    assert str(GuestError(text)) == expected


def test_an_address_is_told_from_its_login() -> None:
    address = Address.of("https://me:a%40b@mirror.example:8080/debian")
    assert address == Address("https://mirror.example:8080/debian", "me", "a@b")
    assert address.headers == {"Authorization": "Basic bWU6YUBi"}
    assert Address.of("http://mirror.example/debian").netrc == ""


@pytest.mark.parametrize(
    "text",
    [f"proxy: http://me:{PROXY}@127.0.0.1: 3", f"proxy: http://me:{PROXY}/@host:1", f"proxy: [http://me:{PROXY}@host"],
)
def test_settings_that_are_wrong_are_not_quoted(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(file, {})
    assert PROXY not in str(caught.value)


def test_a_command_line_is_shown_without_parameters_values() -> None:
    words = ["up", "failover", "--set", "student=a b", "--set=key=s=x", "--copies", "1-3", "--wait=3", "it's"]
    assert shown_command(words) == (
        "vboxlab up failover --set student=… --set=key=… --copies 1-3 --wait=3 'it'\"'\"'s'"
    )
