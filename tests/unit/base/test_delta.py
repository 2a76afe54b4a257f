"""Deltas are made of two real trees and applied by a real sh in a temporary root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from vboxlab.base import tree
from vboxlab.base.delta import (
    NOT_APPLICABLE,
    STATUS,
    Manifest,
    PackageDelta,
    added_lines,
    apply_delta_script,
    archive_paths,
    make_manifest,
)

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")

BEFORE = {
    "etc/passwd": "root:x:0:0::/root:/bin/bash\n",
    "etc/group": "root:x:0:\n",
    "etc/shadow": "root:*:1::::::\n",
    "etc/ld.so.cache": "one library",
    "usr/bin/tool": "version 1",
    "usr/share/old": "goes away",
    "var/lib/dpkg/status": "Package: apache2\n",
    "var/log/dpkg.log": "noise",
}


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def lines(root: Path) -> dict[str, str]:
    return {path: (root / path).read_text() for path in tree.MERGED if (root / path).is_file()}


def install(root: Path) -> None:
    """Do to a tree what installing a package does."""
    with (root / "etc/passwd").open("a") as passwd:
        passwd.write("hacluster:x:103:110::/var/lib/ha:/bin/false\n")
    with (root / "etc/group").open("a") as group:
        group.write("haclient:x:110:\n")
    with (root / "etc/shadow").open("a") as shadow:
        shadow.write("hacluster:!:2::::::\n")
    write(root, {"etc/ld.so.cache": "two libraries", "etc/ha.d/it's here": "$(touch /tmp/never)", "usr/bin/new": "new"})
    write(root, {STATUS: "Package: apache2\nPackage: heartbeat\n", "usr/lib/tmpfiles.d/ha.conf": "d /run/ha"})
    (root / "usr/bin/new").chmod(0o4755)
    (root / "usr/share/old").unlink()
    (root / "etc/awk").unlink()
    (root / "etc/awk").symlink_to("/usr/bin/gawk")
    write(root, {"var/log/dpkg.log": "more noise"})


@pytest.fixture
def make_delta(tmp_path: Path) -> Callable[[], PackageDelta]:
    def make() -> PackageDelta:
        root = tmp_path / "native"
        write(root, BEFORE)
        (root / "etc/awk").symlink_to("/usr/bin/mawk")
        before, old = tree.index(root), lines(root)
        install(root)
        after = tree.index(root, before)
        found = tree.difference(before, after)
        manifest = make_manifest(found, before, after, old, lines(root))
        assert manifest is not None
        archive = tmp_path / "delta.tar.zst"
        argv = ["tar", "--create", "--zstd", "--no-recursion", f"--directory={root}", f"--file={archive}"]
        subprocess.run([*argv, *archive_paths(found)], check=True)
        return PackageDelta(archive, Manifest.from_data(asdict(manifest)), ("heartbeat",))

    return make


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    root = tmp_path / "guest"
    write(root, {**BEFORE, "etc/shadow": "root:changed:1::::::\n", "etc/hostname": "srv-web"})
    (root / "etc/awk").symlink_to("/usr/bin/mawk")
    return root


def apply(delta: PackageDelta, root: Path) -> subprocess.CompletedProcess[str]:
    with delta.archive.open("rb") as archive:
        return subprocess.run(
            ["sh", "-c", apply_delta_script(delta)], stdin=archive, capture_output=True, text=True, check=False,
            env={**os.environ, "VBOXLAB_ROOT": str(root)},
        )  # fmt: skip


def content(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_difference_tells_what_happened_and_skips_passing_files(make_delta: Callable[[], PackageDelta]) -> None:
    manifest = make_delta().manifest
    assert [path for _digest, path in manifest.same] == ["etc/ld.so.cache", STATUS, "usr/share/old"]
    assert manifest.links == (("/usr/bin/mawk", "etc/awk"),)
    assert manifest.absent == ("etc/ha.d/it's here",)
    assert manifest.removed == ("usr/share/old",)
    assert manifest.lines == (
        ("etc/passwd", "hacluster:x:103:110::/var/lib/ha:/bin/false"),
        ("etc/group", "haclient:x:110:"),
        ("etc/shadow", "hacluster:!:2::::::"),
    )
    assert manifest.tmpfiles == ("usr/lib/tmpfiles.d/ha.conf",)


def test_rewriting_the_same_content_is_no_change(tmp_path: Path) -> None:
    write(tmp_path, BEFORE)
    before = tree.index(tmp_path)
    write(tmp_path, {"usr/bin/tool": "version 1"})
    assert tree.difference(before, tree.index(tmp_path, before)) == tree.Difference((), (), ())
    (tmp_path / "usr/bin/tool").chmod(0o700)
    assert tree.difference(before, tree.index(tmp_path, before)).changed == ("usr/bin/tool",)


def test_the_package_database_is_unpacked_last(make_delta: Callable[[], PackageDelta]) -> None:
    argv = ["tar", "--list", "--file", str(make_delta().archive)]
    names = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert names[-1] == STATUS
    assert not set(names) & set(tree.MERGED)


def test_applying_gives_the_installed_tree_and_keeps_the_machines_own(
    make_delta: Callable[[], PackageDelta], guest: Path, tmp_path: Path
) -> None:
    done = apply(make_delta(), guest)
    assert (done.returncode, done.stderr) == (0, "")
    native = content(tmp_path / "native")
    expected = {**native, "etc/hostname": "srv-web", "var/log/dpkg.log": "noise"}
    expected["etc/shadow"] = "root:changed:1::::::\nhacluster:!:2::::::\n"
    assert content(guest) == expected
    assert oct((guest / "usr/bin/new").stat().st_mode & 0o7777) == "0o4755"


def test_a_second_application_is_refused(make_delta: Callable[[], PackageDelta], guest: Path) -> None:
    delta = make_delta()
    apply(delta, guest)
    before = content(guest)
    assert apply(delta, guest).returncode == NOT_APPLICABLE
    assert content(guest) == before


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        (STATUS, "Package: nano\n", "files differ"),
        ("etc/ld.so.cache", "other", "files differ"),
        ("etc/ha.d/it's here", "the student's own", "etc/ha.d/it's here exists"),
        ("etc/passwd", "other:x:103:7::/:/bin/sh\n", "taken in etc/passwd"),
        ("etc/group", "haclient:x:7:\n", "taken in etc/group"),
    ],
)
def test_a_machine_that_differs_is_left_as_it_is(
    make_delta: Callable[[], PackageDelta], guest: Path, path: str, text: str, why: str
) -> None:
    write(guest, {path: text})
    before = content(guest)
    done = apply(make_delta(), guest)
    assert (done.returncode, done.stderr.strip()) == (NOT_APPLICABLE, f"not applicable: {why}")
    assert content(guest) == before


def test_a_changed_line_of_an_existing_user_makes_no_delta() -> None:
    assert added_lines({"etc/group": "adm:x:4:\n"}, {"etc/group": "adm:x:4:debian\n"}) is None
    assert added_lines({"etc/group": "adm:x:4:\n"}, {"etc/group": "adm:x:4:\n"}) == ()
