"""The README's VirtualBox section, followed to the letter."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.unit.lab_world import ROOT
from tests.virtualbox.conftest import environment
from tests.virtualbox.test_foreign import add_teachers_vm
from tests.virtualbox.world import VirtualBoxWorld

CHANGES = 2
ANSWERS = {"password of teacher": "correct horse\n", "[y/N]": "y\n"}
SECONDS = 60.0


def commands() -> list[list[str]]:
    """Return the words of each command of the section's block."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("\n## VirtualBox\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```console\n(.*?)```", section, re.S)
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in block.splitlines()]


def at_a_terminal(argv: list[str], home: Path) -> tuple[int, str]:
    """Run a command at a terminal of its own, answering what it asks; return its exit code and what was shown."""
    terminal, end = pty.openpty()
    # The tests have no network, and `doctor` would wait for the mirror.
    variables = {**environment(home), "VBOXLAB_MIRROR": "http://127.0.0.1:9/debian"}
    with subprocess.Popen(
        argv, cwd=ROOT, env=variables, stdin=end, stdout=end, stderr=end, start_new_session=True
    ) as process:
        os.close(end)
        shown, answered = "", 0
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                part = os.read(terminal, 4096).decode(errors="replace")
            except OSError:  # Linux says so when the last program at the terminal has ended
                break
            shown += part
            for question, answer in ANSWERS.items():
                if question in shown[answered:]:
                    os.write(terminal, answer.encode())
                    answered = len(shown)
        os.close(terminal)
        return process.wait(10), shown


def test_the_section_is_right_to_the_letter(world: VirtualBoxWorld, empty_home: Path) -> None:
    handle = add_teachers_vm(world, "Debian 12")
    steps = commands()
    assert [words[:2] for words in steps][:2] == [["vboxlab", "doctor"], ["vboxlab", "base"]]
    shown = {}
    for words in steps:
        argv = [sys.executable, "-m", *words]
        code, said = at_a_terminal(argv, empty_home)
        # Without the kernel driver, doctor has something to say.
        assert code in {"plan": (CHANGES,), "doctor": (0, 1)}.get(words[1], (0,)), f"{words}: {code}\n{said}"
        assert "correct horse" not in said
        shown[" ".join(words[1:3])] = said
    assert "through" in shown["doctor"]
    assert "a snapshot was taken" in shown["base add"]
    assert "VM Debian 12" in shown["base list"]
    assert "first contact over adapter 1" in shown["plan failover"]
    assert "srv-web-bis" in shown["status failover"]
    assert "lab ha is gone: 5 machines removed" in shown["destroy failover"]
    (left,) = world.open().machines()
    assert (left.handle, left.name) == (handle, "Debian 12")
