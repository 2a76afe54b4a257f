"""`status` as an operation: it can be looked again, and then sees what has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.operations.doors import RecordingDoor
from vboxlab.operations.request import Which
from vboxlab.operations.status import LabsState, LabState, StatusRequest, watching

TOPOLOGY = """\
lab: small
base: debian12
networks: {lan: {kind: internal, subnet: 10.1.0.0/24}}
machines: {MACHINE: {hostname: host, adapters: [{network: lan, address: 10.1.0.1/24}]}}
"""


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(tmp_path)


def test_a_look_reads_the_topology_anew(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    seen = []
    with watching(StatusRequest(lab=str(file)), RecordingDoor()) as look:
        for machine in ("first", "second"):
            file.write_text(TOPOLOGY.replace("MACHINE", machine), encoding="utf-8")
            found = look()
            assert isinstance(found, LabState)
            seen += [row.machine for row in found.machines]
    assert seen == ["first", "second"]


def test_labs_that_are_not_there_are_an_answer() -> None:
    with watching(StatusRequest(which=Which(everything=True)), RecordingDoor()) as look:
        assert look() == LabsState([], ())
