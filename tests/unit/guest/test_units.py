"""What the configuration script does with units of systemd: in a real POSIX sh, with a systemctl that keeps states."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.guest.test_as_written import written
from tests.unit.guest.test_script import SHELLS, program, run
from vboxlab.guest.resources import Resource, Restart, Service

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
OFF = Service("app", enabled=False, running=False, as_written=True)
ON = Service("app", enabled=None, running=True, as_written=True)

# One folder of states: LoadState, ActiveState, UnitFileState; what the unit's file says now is in "file".
_SYSTEMCTL = """\
cd "{states}" || exit
case "$*" in
show*)
    printf 'LoadState=%s\\nActiveState=%s\\nUnitFileState=%s\\n' "$(cat load)" "$(cat active)" "$(cat enabled)"
    exit ;;
esac
echo "$*" >>asked
while case $1 in -*) ;; *) false ;; esac; do shift; done
case $1 in
daemon-reload) cp file load ;;
unmask) [ "$(cat file)" != bound ] || exit 0; echo loaded >load; echo loaded >file; echo disabled >enabled ;;
start | restart) [ "$(cat load)" = loaded ] || { echo "Unit is $(cat load)" >&2; exit 1; }; echo active >active ;;
stop) echo inactive >active ;;
enable) [ "$(cat enabled)" != alias ] || { echo 'Refusing to operate on alias name' >&2; exit 1; } ;;
esac
"""
Units = Callable[..., Callable[[], list[str]]]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with that systemctl, and a journal of the unit."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program(folder, "systemctl", _SYSTEMCTL.replace("{states}", str(tmp_path / "states")))
    program(folder, "journalctl", "echo the journal of the unit")
    return folder


@pytest.fixture
def unit(tmp_path: Path) -> Units:
    """Return what sets the unit's states; that returns what tells what systemctl was asked to do since."""
    folder = tmp_path / "states"
    folder.mkdir()

    def of(load: str, active: str, enabled: str, file: str = "loaded") -> Callable[[], list[str]]:
        for name, value in {"load": load, "active": active, "enabled": enabled, "file": file}.items():
            (folder / name).write_text(f"{value}\n")

        def asked() -> list[str]:
            log = folder / "asked"
            said = log.read_text().splitlines() if log.exists() else []
            log.unlink(missing_ok=True)
            return said

        return asked

    return of


def own(tmp_path: Path) -> str:
    return f"VBOXLAB_ROOT={tmp_path / 'root'}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_masked_unit_is_off(programs: Path, unit: Units, shell: str) -> None:
    asked = unit("masked", "inactive", "masked", file="masked")
    for changes in (False, True):
        assert run([OFF], path=programs, shell=shell, changes=changes) == (0, [("unchanged", "")])
    assert asked() == []
    unit("masked", "active", "masked", file="masked")
    assert run([OFF], path=programs, shell=shell)[1] == [("changed", "running")]
    assert asked() == ["--quiet stop app"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_masked_unit_that_shall_run_is_unmasked(programs: Path, unit: Units, shell: str) -> None:
    asked = unit("masked", "inactive", "masked", file="masked")
    assert run([ON], path=programs, shell=shell, changes=False)[1] == [("would-change", "masked")]
    assert asked() == []
    assert run([ON], path=programs, shell=shell)[1] == [("changed", "masked, not running (inactive)")]
    assert asked() == ["--quiet unmask app", "--quiet start app"]
    assert run([ON], path=programs, shell=shell) == (0, [("unchanged", "")])


def test_a_unit_that_its_package_masks_cannot_run(programs: Path, unit: Units) -> None:
    asked = unit("masked", "inactive", "masked", file="bound")
    assert run([ON], path=programs) == (1, [("failed", "systemd says that the unit is masked")])
    assert asked() == ["--quiet unmask app"]


def test_a_masked_unit_is_not_restarted(tmp_path: Path, programs: Path, unit: Units) -> None:
    asked = unit("masked", "inactive", "masked", file="masked")
    resources: list[Resource] = [written(tmp_path / "conf", "1\n", ("app",)), Restart("app")]
    assert run(resources, path=programs, prelude=own(tmp_path))[1] == [
        ("changed", "does not exist"),
        ("unchanged", ""),
    ]
    assert asked() == []


@pytest.mark.parametrize("state", ["static", "indirect"])
@pytest.mark.parametrize("enabled", [True, False])
def test_what_can_be_neither_enabled_nor_disabled_is_as_wanted(
    programs: Path, unit: Units, state: str, *, enabled: bool
) -> None:
    unit("loaded", "inactive", state)
    wanted = Service("app", enabled=enabled, running=False, as_written=True)
    assert run([wanted], path=programs) == (0, [("unchanged", "")])


def test_why_a_unit_cannot_be_enabled_is_what_systemctl_says(programs: Path, unit: Units) -> None:
    unit("loaded", "active", "enabled")
    program(programs, "systemctl", 'case $* in show*) printf "LoadState=loaded\\nActiveState=active\\n" ;;\n*enable*) '
            "echo 'Refusing to operate on alias name' >&2; exit 1 ;;\nesac")  # fmt: skip
    code, results = run([Service("app", as_written=True)], path=programs)
    assert (code, results) == (1, [("failed", "systemctl enable app: Refusing to operate on alias name")])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_unit_is_read_anew_once_its_file_is_put_right(
    tmp_path: Path, programs: Path, unit: Units, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    asked = unit("bad-setting", "inactive", "static")
    path = tmp_path / "etc/systemd/system/app.service"
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\n")
    resources: list[Resource] = [written(path, "[Service]\nExecStart=/bin/true\n", ("app",)), ON]
    # What stands below the folder of a test is as good as what stands below /.
    prelude = own(tmp_path)
    assert run(resources, path=programs, shell=shell, prelude=prelude)[1] == [
        ("changed", "content differs"),
        ("changed", "not running (inactive)"),
    ]
    assert asked() == ["daemon-reload", "--quiet start app"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_unit_that_systemd_has_not_read_since_it_was_put_right_is_read_anew(
    programs: Path, unit: Units, shell: str
) -> None:
    """An earlier run may have put its file right, and ended before systemd was told."""
    asked = unit("bad-setting", "inactive", "static")
    assert run([ON], path=programs, shell=shell, changes=False)[1] == [
        ("failed", "systemd says that the unit is bad-setting")
    ]
    assert asked() == []
    assert run([ON], path=programs, shell=shell)[1] == [("changed", "not running (inactive)")]
    assert asked() == ["daemon-reload", "--quiet start app"]
