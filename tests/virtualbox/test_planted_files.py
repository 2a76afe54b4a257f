"""Nothing of the current folder runs on VirtualBox either: not in its worker, nor by its service."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.planted import COMMANDS, PlantedFolder
from tests.virtualbox.conftest import environment
from vboxlab.errors import EXIT_BUG


def test_nothing_planted_runs_under_any_verb(home: Path, tmp_path: Path) -> None:
    planted = PlantedFolder(tmp_path / "planted")
    base = ("base", "add", "mine", "--vm", "nobody", "--user", "debian", "--password-from", "env:PASSWORD")
    for words in (*COMMANDS, base):
        done = planted.vboxlab(*words, **{**environment(home), "VBOXLAB_MIRROR": "http://127.0.0.1:9/debian"})
        assert done.returncode != EXIT_BUG, (words, done.stderr)
        assert planted.ran == [], words
        if words[0] in ("up", "status", "destroy"):
            assert done.returncode == 0, (words, done.stderr)


def test_nothing_planted_runs_where_the_service_starts(home: Path, tmp_path: Path) -> None:
    planted = PlantedFolder(tmp_path / "planted")
    code = (
        "from pathlib import Path; from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver as D; import sys\n"
        "from vboxlab.hypervisor.virtualbox.worker.calls import AskFacts\n"
        "driver = D(Path(sys.argv[1])); print(driver.client.call(AskFacts()).home_folder); driver.close()"
    )
    done: subprocess.CompletedProcess[str] = planted.python("-c", code, str(home), **environment(home))
    assert (done.returncode, planted.ran) == (0, []), done.stderr
