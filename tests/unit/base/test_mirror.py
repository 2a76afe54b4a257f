from __future__ import annotations

import socket
from pathlib import Path

import pytest

from vboxlab.base.mirror import Mirror, check_reachable, choose, find_mirror, read_sources
from vboxlab.errors import BaseError
from vboxlab.settings import DEFAULT_MIRROR, Settings

DEB822 = """\
Types: deb deb-src
# a comment within
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://other.example/debian
Suites: sid
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [signed-by=/usr/share/keyrings/x.gpg arch=amd64] https://tools.example/repository stable main
deb [trusted=yes] http://lines.example/debian trixie main contrib
deb-src http://sources.example/debian trixie main
"""


def test_both_formats_of_apt_sources_are_read() -> None:
    assert list(read_sources({"a.sources": DEB822, "b.list": ONE_LINE})) == [
        ("a.sources", "http://mirror.example/debian/", "bookworm"),
        ("a.sources", "http://mirror.example/debian/", "bookworm-updates"),
        ("a.sources", "http://mirror.example/debian-security", "bookworm-security"),
        ("b.list", "https://tools.example/repository", "stable"),
        ("b.list", "http://lines.example/debian", "trixie"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEB822, ("http://mirror.example/debian", "http://mirror.example/debian-security", "x.sources")),
        ("Types: deb\nURIs: http://archive.example/ubuntu\nSuites: noble\n", (None, None, "")),
        ("Types: deb\nURIs: file:/srv/debian\nSuites: bookworm\n", (None, None, "")),
    ],
)
def test_only_a_debian_archive_counts_as_mirror(text: str, expected: tuple[str | None, str | None, str]) -> None:
    assert choose(read_sources({"x.sources": text})) == expected


def test_a_third_partys_repository_is_no_mirror() -> None:
    assert choose(read_sources({"x.list": ONE_LINE})) == ("http://lines.example/debian", None, "x.list")


def test_the_setting_wins_over_the_host(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://host.example/debian bookworm main\n")
    assert find_mirror(Settings(home=tmp_path), tmp_path).uri == "http://host.example/debian"
    set_by_user = find_mirror(Settings(home=tmp_path, mirror="http://mine.example/debian/"), tmp_path)
    assert (set_by_user.uri, set_by_user.origin) == ("http://mine.example/debian", "the setting 'mirror'")


def test_without_any_source_the_public_default_is_used(tmp_path: Path) -> None:
    assert find_mirror(Settings(home=tmp_path), tmp_path).uri == DEFAULT_MIRROR


def test_sources_have_updates_and_security() -> None:
    assert Mirror("http://m/debian", "http://m/debian-security", "test").sources("bookworm") == (
        "deb http://m/debian bookworm main",
        "deb http://m/debian bookworm-updates main",
        "deb http://m/debian-security bookworm-security main",
    )


def test_an_unreachable_mirror_is_named_with_its_origin_and_the_setting() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}/debian"
        with pytest.raises(BaseError) as caught:
            check_reachable(Mirror(uri, None, "the setting 'mirror'"), "bookworm")
    assert caught.value == BaseError(
        "the Debian mirror cannot be reached",
        details=[f"mirror: {uri} (from the setting 'mirror')", "answer: [Errno 111] Connection refused"],
        resolution="check the network, or set another mirror: `mirror` in settings.yaml or VBOXLAB_MIRROR=URL",
    )


def test_the_password_of_a_proxy_is_not_shown() -> None:
    mirror = Mirror("http://192.0.2.1/debian", None, "test", proxy="http://me:secret@127.0.0.1:1")
    with pytest.raises(BaseError) as caught:
        check_reachable(mirror, "bookworm", timeout=2)
    assert "secret" not in str(caught.value)
    assert "through the proxy http://…@127.0.0.1:1" in caught.value.details
