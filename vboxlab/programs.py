"""Other programs: found where the host keeps them, never in the current folder, and started so that none of it runs.

A folder that somebody works in holds files of others: a `qemu-img` or a `json.py` in it must never run. Every process
that vboxlab starts is started here (tests/unit/test_architecture.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vboxlab
from vboxlab.language import _

# System programs that ordinary users of Debian do not have on their path.
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")
# Variables that list folders to take programs or Python modules from.
_LISTS = ("PATH", "PYTHONPATH")
# Without it Windows looks into the current folder first (NeedCurrentDirectoryForExePath, Microsoft's API reference).
_WINDOWS_SWITCH = "NoDefaultCurrentDirectoryInExePath"
# Runs a module of this package as `python -m` does, whose way of finding it begins with the current folder. The
# package's own folder comes last: nothing beside it stands for a module of the standard library.
_MODULE = """
import sys
sys.path.append(sys.argv[1])
import runpy
del sys.argv[:2]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def absolute_entries(text: str) -> list[str]:
    """Return the folders of a list such as PATH that do not depend on the current folder, in their order."""
    entries = (entry.strip('"') if os.name == "nt" else entry for entry in text.split(os.pathsep))
    return [entry for entry in entries if Path(entry).is_absolute()]


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment (default: ours) in which no program and no module is taken from the current folder.

    The language that vboxlab speaks is its own: what programs say is read by vboxlab, or is in their user's language.
    """
    cleaned = dict(os.environ if environ is None else environ)
    cleaned.pop("LANGUAGE", None)
    for name in _LISTS:
        if name in cleaned:
            cleaned[name] = os.pathsep.join(absolute_entries(cleaned[name]))
            if name != "PATH" and not cleaned[name]:
                del cleaned[name]
    cleaned[_WINDOWS_SWITCH] = "1"
    return cleaned


def forget_current_folder() -> None:
    """Let this process, its libraries and all that they start take nothing from the current folder."""
    cleaned = environment()
    for name in (*_LISTS, _WINDOWS_SWITCH):
        if name in cleaned:
            os.environ[name] = cleaned[name]
        else:
            os.environ.pop(name, None)


def find(name: str, *, path: str | None = None, windows: bool = os.name == "nt") -> str | None:
    """Return the absolute path of a program by its name, None when the host has none.

    Looked for in PATH (or `path`), where relative entries do not count, and in the folders of system programs.
    On Windows only real programs are found: a batch file would hand its arguments to a shell.
    """
    if path is None:
        path = os.environ.get("PATH", "" if windows else os.defpath)
    names = [name] if not windows or name.lower().endswith(".exe") else [f"{name}.exe"]
    if Path(name).is_absolute():
        candidates = [Path(each) for each in names]
    elif Path(name).name != name:
        return None
    else:
        folders = [*absolute_entries(path), *(() if windows else SYSTEM_FOLDERS)]
        candidates = [Path(folder) / each for folder in folders for each in names]
    return next((str(each) for each in candidates if _may_be_run(each)), None)


def _may_be_run(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except OSError:  # a folder that this user may not look into, or a name that is too long
        return False


def resolved(argv: Sequence[str | Path]) -> list[str]:
    """Return a command whose program is an absolute path. Raises FileNotFoundError when there is none."""
    words = [str(word) for word in argv]
    program = find(words[0])
    if program is None:
        raise FileNotFoundError(2, _("no such program on this computer"), words[0])
    return [program, *words[1:]]


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package in an interpreter of its own, whatever the folder.

    Only the environment of whoever runs it can add to where modules come from (python(1), -P).
    """
    return [sys.executable, "-P", "-c", _MODULE, str(Path(vboxlab.__file__).parents[1]), name, *arguments]


def script(file: Path, *arguments: str) -> list[str]:
    """Return the command that runs a file of ours which needs the standard library alone (python(1), -S -E -P)."""
    return [sys.executable, "-S", "-E", "-P", str(file), *arguments]


def run(
    argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, check: bool = False, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a program to its end, as subprocess.run does. Raises FileNotFoundError when the host has none."""
    return subprocess.run(resolved(argv), env=environment(env), check=check, **options)


def start(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[Any]:
    """Start a program, as subprocess.Popen does. Raises FileNotFoundError when the host has none."""
    return subprocess.Popen(resolved(argv), env=environment(env), **options)
