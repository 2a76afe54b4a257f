"""The texts of a repository of offered packages."""

from __future__ import annotations

import hashlib

from vboxlab.base.offered import SOURCES_TEXT, Archive, asked_together, file_name, packages_index, release

APACHE = """\
Package: apache2
Version: 2.4.62-1~deb12u2
Architecture: amd64
Depends: apache2-bin (= 2.4.62-1~deb12u2)
Description: Apache HTTP Server
 The Apache HTTP Server Project's goal.
 .
 Size: of no field.
"""


def test_an_index_has_a_stanza_for_each_archive_with_what_apt_checks_it_by() -> None:
    index = packages_index(
        {
            "b_1_all.deb": Archive("Package: b\n", 7, "ff"),
            "apache2_2.4.62-1~deb12u2_amd64.deb": Archive(APACHE, 5, "ab"),
        }
    )
    first, second = index.split("\n\n")
    assert first == APACHE + "Filename: ./apache2_2.4.62-1~deb12u2_amd64.deb\nSize: 5\nSHA256: ab"
    assert second == "Package: b\nFilename: ./b_1_all.deb\nSize: 7\nSHA256: ff\n"


def test_what_an_archive_says_of_its_own_place_counts_for_nothing() -> None:
    said = "Package: b\nFilename: /etc/passwd\n more\nSHA256: 00\nSection: web\n"
    index = packages_index({"b_1_all.deb": Archive(said, 7, "ff")})
    assert index == "Package: b\nSection: web\nFilename: ./b_1_all.deb\nSize: 7\nSHA256: ff\n"


def test_a_release_says_what_its_index_is() -> None:
    index = "Package: é\n"
    digest = hashlib.sha256(index.encode()).hexdigest()
    said = release(index)
    assert "\nDate: Thu, 01 Jan 2015 00:00:00 UTC\n" in said
    assert said.splitlines()[-2:] == ["SHA256:", f" {digest} {len(index.encode())} Packages"]


def test_an_epoch_is_not_in_a_files_name() -> None:
    assert file_name("heartbeat_1%3a3.0.6-13_amd64.deb") == "heartbeat_3.0.6-13_amd64.deb"
    assert file_name("libperl5.36_5.36.0-7_amd64.deb") == "libperl5.36_5.36.0-7_amd64.deb"


def test_all_packages_are_asked_for_together_and_each_alone() -> None:
    assert asked_together(("b", "a", "b")) == (("a", "b"), ("a",), ("b",))
    assert asked_together(("a",)) == (("a",),)
    assert asked_together(()) == ()


def test_the_repository_is_a_flat_one_on_the_machines_own_disk() -> None:
    fields = dict(line.split(": ", 1) for line in SOURCES_TEXT.splitlines() if not line.startswith("#"))
    assert fields == {"Types": "deb", "URIs": "file:/var/cache/vboxlab/apt", "Suites": "./", "Trusted": "yes"}
