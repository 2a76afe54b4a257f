"""Nothing of the current folder runs, whatever it is called there: every verb is tried among files that would tell."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.planted import COMMANDS, PlantedFolder
from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from vboxlab.cli.main import VERBS
from vboxlab.errors import EXIT_BUG
from vboxlab.topology.loader import load_topology


@pytest.fixture
def planted(tmp_path: Path) -> PlantedFolder:
    return PlantedFolder(tmp_path / "planted")


@pytest.fixture
def mirror() -> Iterator[str]:
    """Serve a mirror that answers everything with nothing: far enough for mmdebstrap to be started."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 -- the server's name for it

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/debian"
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with a base and its layers, whose disks are empty."""
    made = tmp_path / "home"
    members: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}
    put_layers(put_base(made), load_topology(ROOT / "topologies" / "failover.yaml"), members)
    for disk in made.rglob("disk.qcow2"):
        disk.unlink()
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"], check=True)
        for name in ("vmlinuz", "initrd.img", "cmdline"):
            (disk.parent / name).touch()
    return made


def test_every_verb_is_tried() -> None:
    assert {words[0] for words in COMMANDS} == set(VERBS)


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img not installed")
def test_nothing_planted_runs_under_any_verb(planted: PlantedFolder, home: Path, mirror: str) -> None:
    for words in COMMANDS:
        done = planted.vboxlab(
            *words, VBOXLAB_HOME=str(home), VBOXLAB_SETTINGS=str(home / "none.yaml"), VBOXLAB_DRIVER="qemu",
            VBOXLAB_MIRROR=mirror, VBOXLAB_TIME_SCALE="0.1",
        )  # fmt: skip
        assert done.returncode != EXIT_BUG, (words, done.stderr)
        assert planted.ran == [], words
        if words[0] in ("up", "destroy"):
            assert done.returncode == 0, (words, done.stderr)
