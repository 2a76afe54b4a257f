"""Kernel modules: what counts as there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.guest.test_script import SHELLS, program, run
from vboxlab.guest.resources import Command
from vboxlab.roles.modules.guest import IN_GUEST
from vboxlab.roles.modules.role import ModulesRole

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


def loading(name: str) -> list[Command]:
    wanted = IN_GUEST.resources(ModulesRole(role="modules", names=(name,)), None)  # type: ignore[arg-type]
    return [each for each in wanted if isinstance(each, Command)]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_built_into_the_kernel_is_there(tmp_path: Path, shell: str) -> None:
    """It has a folder below /sys only when it has parameters."""
    program(tmp_path, "modinfo", 'echo "name: $1"; echo "filename:       (builtin)"')
    assert run(loading("vboxlab-test"), path=tmp_path, shell=shell) == (0, [("unchanged", "")])


def test_what_is_not_loaded_is_loaded_and_missed_where_it_is_not_there_then(tmp_path: Path) -> None:
    program(tmp_path, "modinfo", 'echo "filename: /lib/modules/x/$1.ko"')
    program(tmp_path, "modprobe", f'echo "$*" >>{tmp_path}/asked')
    assert run(loading("vboxlab-test"), path=tmp_path, changes=False)[1] == [("would-change", "not done")]
    assert run(loading("vboxlab-test"), path=tmp_path)[1] == [
        ("failed", "was done, but is not so afterwards: exit code 1")
    ]
    assert (tmp_path / "asked").read_text() == "vboxlab-test\n"
