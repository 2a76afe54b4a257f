"""Archives of packages: what apt prints is read, and the script installs them in a guest whose apt keeps a diary."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

from vboxlab.base.archives import PackageArchives, along, fetched_files, install_script

PRINTED = """\
Reading package lists...
The following NEW packages will be installed:
  libsensors5 sl
'http://mirror.example/pool/main/libsensors5_3.6.0-7.1_amd64.deb' libsensors5_1%3a3.6.0-7.1_amd64.deb 34 M:0
'http://mirror.example/pool/main/s/sl/sl_5.02-1+b1_amd64.deb' sl_5.02-1+b1_amd64.deb 15664 MD5Sum:00
'http://mirror.example/pool/evil' ../../etc/passwd.deb 15664 MD5Sum:00
"""
STATUS = """\
Package: libsnmp-base
Status: install ok installed
Priority: optional

Package: libsensors5
Status: deinstall ok config-files
"""
APT = """#!/bin/sh
for word; do case $word in *.deb) echo "$(basename "$word") $(cat "$word")" >>"$DIARY" ;; esac; done
if grep -qs broken "$DIARY"; then echo "E: Sub-process dpkg returned an error code (1)"; exit 100; fi
"""


def test_the_names_of_the_archives_are_those_that_apt_gives_them() -> None:
    assert fetched_files(PRINTED) == ("libsensors5_1%3a3.6.0-7.1_amd64.deb", "sl_5.02-1+b1_amd64.deb")


def test_what_comes_along_is_what_the_guest_lacks_and_nobody_asked_for() -> None:
    files = ("libsensors5_1%3a3.6.0-7.1_amd64.deb", "libsnmp-base_5.9_all.deb", "sl_5.02-1+b1_amd64.deb")
    assert along(files, ["sl"], STATUS) == ("libsensors5",)


def installed(folder: Path, *archives: tuple[str, str]) -> tuple[subprocess.CompletedProcess[bytes], list[str]]:
    """Run the script with these archives where apt-get keeps a diary; return what came of it, and the diary."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, text in archives:
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    programs, diary, temporary = folder / "bin", folder / "diary", folder / "tmp"
    for made in (programs, temporary):
        made.mkdir()
    (programs / "apt-get").write_text(APT)
    (programs / "apt-mark").write_text('#!/bin/sh\necho "$*" >>"$DIARY"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    script = install_script(PackageArchives(("sl",), ("libsensors5",), content.getvalue()))
    script = script.replace("export PATH=", f"export PATH={programs}:")
    environment = {**os.environ, "DIARY": str(diary), "TMPDIR": str(temporary)}
    done = subprocess.run(
        ["sh", "-c", script], input=content.getvalue(), capture_output=True, env=environment, check=False
    )
    assert list(temporary.iterdir()) == []
    return done, diary.read_text().splitlines() if diary.exists() else []


def test_archives_are_numbered_and_what_comes_along_counts_as_automatic(tmp_path: Path) -> None:
    done, diary = installed(tmp_path, ("libsensors5_1%3a3.6.0-7.1_amd64.deb", "sensors"), ("sl_5.02-1_amd64.deb", "sl"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert diary == ["1.deb sensors", "2.deb sl", "auto libsensors5"]


def test_what_apt_says_of_a_failure_is_passed_on(tmp_path: Path) -> None:
    done, diary = installed(tmp_path, ("sl_5.02-1_amd64.deb", "broken"))
    assert done.returncode == 1
    assert done.stderr == b"E: Sub-process dpkg returned an error code (1)\n"
    assert diary == ["1.deb broken"]


def test_a_tar_that_is_none_changes_nothing(tmp_path: Path) -> None:
    script = install_script(PackageArchives(("sl",), (), b""))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(["sh", "-c", script], input=b"no" * 600, capture_output=True, env=environment, check=False)
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []
