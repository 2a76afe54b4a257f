"""How programs are found and started: never by way of the current folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.planted import PlantedFolder
from vboxlab import programs
from vboxlab.hypervisor.virtualbox import readiness

posix = pytest.mark.skipif(os.name == "nt", reason="files are programs by their rights on POSIX only")


def program(path: Path, text: str = "#!/bin/sh\necho told\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("path", ["", ".", "bin", os.pathsep, f"..{os.pathsep}.{os.pathsep}bin", "./bin"])
def test_relative_entries_of_a_path_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    for place in (tmp_path, tmp_path / "bin", tmp_path.parent):
        program(place / "planted")
        program(place / "planted.exe")
    monkeypatch.chdir(tmp_path)
    for windows in (False, True):
        assert programs.absolute_entries(path) == []
        assert programs.find("planted", path=path, windows=windows) is None
    real = program(tmp_path / "real" / "planted")
    assert programs.find("planted", path=f"{path}{os.pathsep}{real.parent}") == str(real)


@posix
def test_a_name_with_a_folder_is_a_program_only_where_it_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = program(tmp_path / "bin" / "tool")
    (tmp_path / "bin" / "text").touch()
    monkeypatch.chdir(tmp_path)
    assert programs.find(str(made)) == str(made)
    assert programs.find("bin/tool") is None
    assert programs.find("./bin/tool") is None
    assert programs.find(str(tmp_path / "bin" / "text")) is None
    assert programs.find("text", path=str(tmp_path / "bin")) is None
    assert programs.find("bin", path=str(tmp_path)) is None
    with pytest.raises(FileNotFoundError, match="tool"):
        programs.run(["bin/tool"])


def test_on_windows_only_programs_are_found(tmp_path: Path) -> None:
    for name in ("tool.bat", "tool", "tool.exe.bat"):
        program(tmp_path / name)
    assert programs.find("tool", path=str(tmp_path), windows=True) is None
    made = program(tmp_path / "tool.exe")
    assert programs.find("tool", path=str(tmp_path), windows=True) == str(made)
    assert programs.find("tool.exe", path=str(tmp_path), windows=True) == str(made)


@posix
def test_what_a_program_starts_finds_nothing_there_either(tmp_path: Path) -> None:
    planted = PlantedFolder(tmp_path)
    environ = planted.environment({"PYTHONPATH": f"{os.pathsep}.{os.pathsep}{tmp_path}"})
    script = f"qemu-img --version; {sys.executable} -P -c 'import sys, json; print(json.dumps(sys.path))'"
    done = programs.run(["sh", "-c", script], env=environ, cwd=planted.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (str(tmp_path) in found, str(planted.folder) in found, planted.ran) == (True, False, [])
    assert programs.environment({"PYTHONPATH": "."}).get("PYTHONPATH") is None
    assert programs.environment({})["NoDefaultCurrentDirectoryInExePath"] == "1"


@posix
def test_a_module_of_ours_runs_with_its_arguments_and_no_other_stands_for_it(tmp_path: Path) -> None:
    planted = PlantedFolder(tmp_path)
    command = programs.module("vboxlab.base.tether", "sh", "-c", 'echo "$0 $1"', "a b", "c")
    with programs.start(command, cwd=planted.folder, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "a b c\n"
    assert (process.returncode, planted.ran) == (0, [])
    help_text = programs.run(
        programs.module("vboxlab", "--help"), cwd=planted.folder, capture_output=True, text=True
    ).stdout
    assert "doctor" in help_text
    assert planted.ran == []


@pytest.mark.parametrize("name", ["x" * 300, "/" + "x" * 300, "/dev/null/python"])
def test_what_cannot_be_looked_at_is_no_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert programs.find(name) is None
    monkeypatch.setenv("PATH", os.pathsep.join(["/" + "x" * 300, os.environ["PATH"]]))
    assert programs.find("sh" if os.name != "nt" else "cmd") is not None
    monkeypatch.setenv("VBOX_PROGRAM_PATH", "/" + "x" * 300)
    assert readiness.find_installation() is None or "x" * 300 not in str(readiness.find_installation())
    assert readiness.find_interpreter(name) is None
