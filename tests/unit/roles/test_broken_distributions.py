"""Distributions whose entry points are wrong in any way: each is named, and everything else works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.unit.roles.toy import ROLE, TOPOLOGY, python, vboxlab, write_role
from vboxlab.errors import EXIT_INVALID

OTHER = TOPOLOGY.replace('      - {role: motd, text: "Bonjour"}\n', "")


def distribution(
    folder: Path, entry_points: str | bytes, *, metadata: str | None = "Name: odd\nVersion: 2.0\n"
) -> None:
    info = folder / "odd-2.0.dist-info"
    info.mkdir()
    if metadata is not None:
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{metadata}")
    content = entry_points.encode() if isinstance(entry_points, str) else entry_points
    (info / "entry_points.txt").write_bytes(content)


def package(folder: Path, role: str) -> None:
    (folder / "odd").mkdir()
    (folder / "odd" / "__init__.py").touch()
    (folder / "odd" / "role.py").write_text(role, encoding="utf-8")


def topologies(folder: Path) -> tuple[Path, Path]:
    using, other = folder / "greeting.yaml", folder / "other.yaml"
    using.write_text(TOPOLOGY, encoding="utf-8")
    other.write_text(OTHER, encoding="utf-8")
    return using, other


def named(folder: Path) -> str:
    """Return the line of the role in a topology, once everything else was seen to work."""
    using, other = topologies(folder)
    done = vboxlab(folder, "validate", str(other))
    assert (done.returncode, done.stderr) == (0, "")
    assert vboxlab(folder, "explain", str(other)).returncode == 0
    assert "WebRole" in json.loads(vboxlab(folder, "schema").stdout)["$defs"]
    done = vboxlab(folder, "validate", str(using))
    assert (done.returncode, done.stderr) == (EXIT_INVALID, ""), done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{using}:9:16: [unusable-role] "), line
    return line


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("odd.role", "odd.role is not written as PACKAGE.role:CLASS"),
        ("!!!", "!!! is not written as PACKAGE.role:CLASS"),
        ("", " is not written as PACKAGE.role:CLASS"),
        ("odd.role:", "odd.role: is not written as PACKAGE.role:CLASS"),
        ("odd.other:MotdRole", "odd.other is no module role of a package"),
        ("nowhere.role:MotdRole", "ModuleNotFoundError: No module named 'nowhere'"),
        ("odd.role:Nobody", "has no attribute 'Nobody'"),
        ("odd.role:Field", "odd.role:Field is no class that derives from vboxlab.topology.roles.Role"),
    ],
)
def test_an_entry_point_that_names_no_role(value: str, why: str, tmp_path: Path) -> None:
    distribution(tmp_path, f"[vboxlab.roles]\nmotd = {value}\n")
    package(tmp_path, ROLE)
    line = named(tmp_path)
    assert "the role motd of odd 2.0 cannot be loaded: " in line
    assert why in line


@pytest.mark.parametrize(
    ("role", "why"),
    [
        ("import nothing_like_that", "ModuleNotFoundError: No module named 'nothing_like_that'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise BaseException('out')", "BaseException: out"),
        ("def broken(:", "SyntaxError: "),
        ("\0", "source code string cannot contain null bytes"),
        (
            ROLE + "    made_for: ClassVar[int] = 7\n",
            "it is made for version 7 of the interface of roles; this vboxlab has",
        ),
        (ROLE + "    text2: 'Nothing'\n", "PydanticUndefinedAnnotation"),
    ],
)
def test_a_role_that_does_not_load(role: str, why: str, tmp_path: Path) -> None:
    distribution(tmp_path, "[vboxlab.roles]\nmotd = odd.role:MotdRole\n")
    package(tmp_path, role)
    assert why in named(tmp_path)


def test_metadata_without_a_name(tmp_path: Path) -> None:
    distribution(tmp_path, "[vboxlab.roles]\nmotd = nowhere.role:MotdRole\n", metadata=None)
    assert "the role motd of an unknown distribution cannot be loaded" in named(tmp_path)


def test_entry_points_that_cannot_be_read_hide_no_other(tmp_path: Path) -> None:
    distribution(tmp_path, b"[vboxlab.roles]\nno equals sign\n\xff\xfe")
    write_role(tmp_path)
    using, _other = topologies(tmp_path)
    done = vboxlab(tmp_path, "validate", str(using))
    assert (done.returncode, done.stderr) == (0, "")
    found = doctor(tmp_path)
    assert any("of odd 2.0 cannot be loaded: entry_points.txt" in text for text in found), found


def doctor(folder: Path) -> list[str]:
    done = vboxlab(folder, "doctor", "--offline", "--json")
    return [each["text"] for each in json.loads(done.stdout)["findings"] if each["check"] == "roles"]


def test_the_doctor_names_the_broken_ones(tmp_path: Path) -> None:
    (told,) = doctor(tmp_path)
    assert re.fullmatch(r"[0-9]{2} roles", told)
    distribution(tmp_path, "[vboxlab.roles]\nmotd = odd.role:MotdRole\nother = !!!\n")
    package(tmp_path, "raise SystemExit")
    assert doctor(tmp_path) == [
        "the role motd of odd 2.0 cannot be loaded: SystemExit: ",
        "the role other of odd 2.0 cannot be loaded: !!! is not written as PACKAGE.role:CLASS",
    ]


def test_a_guest_s_side_that_fails_is_told_where_the_role_is_used(tmp_path: Path) -> None:
    write_role(tmp_path, guest="raise SystemExit(1)")
    assert "the role motd of toy-motd 1.0 cannot be loaded: SystemExit: 1" in named(tmp_path)
    assert doctor(tmp_path) == ["the role motd of toy-motd 1.0 cannot be loaded: SystemExit: 1"]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("def problems(subject):\n    return [1]", "its rules yield 1; expected problems of the subject"),
        ("def problems(subject):\n    raise ValueError('odd')", "ValueError: odd"),
    ],
)
def test_rules_that_fail_are_told_where_the_role_is_used(rules: str, why: str, tmp_path: Path) -> None:
    write_role(tmp_path, rules=rules)
    assert why in named(tmp_path)


def test_a_role_that_says_its_version_can_be_used(tmp_path: Path) -> None:
    write_role(tmp_path, role=ROLE + "    made_for: ClassVar[int] = 1\n")
    using, _other = topologies(tmp_path)
    assert vboxlab(tmp_path, "validate", str(using)).returncode == 0
    done = python(tmp_path, "-c", "from vboxlab.topology.roles import INTERFACE; print(INTERFACE)")
    assert done.stdout == "1\n"
