"""Facts that a guest tells of folders and programs, asked by the real script."""

from __future__ import annotations

from pathlib import Path

from tests.unit.guest.guest_root import RootedExecutor
from vboxlab.guest.facts import parse_facts
from vboxlab.guest.facts_script import facts_script


def asked(root: Path, *questions: str) -> list[str]:
    script = "\n".join([facts_script(()).rpartition("file /etc/hostname")[0], *questions])
    return RootedExecutor("guest", root=root).run(script).stdout.splitlines()


def test_the_files_of_a_folder_are_told_byte_by_byte(tmp_path: Path) -> None:
    folder = tmp_path / "etc/sysctl.d"
    folder.mkdir(parents=True)
    (folder / "99-b.conf").write_bytes(b"b=\xff1\r\n")
    (folder / "10-a.conf").write_bytes(b"a=1\n")
    (folder / "README").write_bytes(b"no")
    (folder / "sub.conf").mkdir()
    found = parse_facts(asked(tmp_path, "folder /etc/sysctl.d '*.conf'", "folder /etc/none '*'"))
    assert [(file.path, file.data) for file in found.files_in("/etc/sysctl.d")] == [
        ("/etc/sysctl.d/10-a.conf", b"a=1\n"),
        ("/etc/sysctl.d/99-b.conf", b"b=\xff1\r\n"),
    ]


def test_a_program_answers_with_its_code_its_words_and_its_complaint(tmp_path: Path) -> None:
    lines = asked(
        tmp_path, r"answer said sh -c 'printf $1; echo oh >&2; exit 3' sh 'one\n\ntwo\t\n\n'", "answer none nosuch"
    )
    answers = parse_facts(lines).answers
    assert (answers["said"].exit_code, answers["said"].output, answers["said"].complaint) == (
        3, "one\n\ntwo\t\n\n", "oh\n",
    )  # fmt: skip
    assert answers["none"].exit_code == 127
