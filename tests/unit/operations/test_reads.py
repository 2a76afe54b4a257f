"""Each topology, part and snapshot set is read once in a verb, however many copies and topologies on the way it has."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from vboxlab.cli.main import run
from vboxlab.topology.loader import load_topology

_watching: list[Counter[str]] = []  # an audit hook cannot be taken away again


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watching and isinstance(arguments[0], str | os.PathLike):
        path = Path(arguments[0]).absolute()
        if path.suffix == ".yaml" and path.parent.name in ("topologies", "parts", "snapshots"):
            _watching[0][f"{path.parent.name}/{path.stem}"] += 1


sys.addaudithook(_hook)


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Counter[str]]:
    """Return what runs a verb on a host with a lab `ha`, made of failover, and counts how often each file is opened."""
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(ROOT)
    members: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}
    base = put_base(tmp_path)
    for name in ("failover", "loadbalancing"):
        put_layers(base, load_topology(ROOT / "topologies" / f"{name}.yaml"), members)
    assert run(["up", "failover", "--until", "created"]) == 0
    assert run(["snapshot", "take", "monday"]) == 0

    def count(*words: str, code: int) -> Counter[str]:
        found: Counter[str] = Counter()
        _watching.append(found)
        try:
            assert run(list(words)) == code
        finally:
            _watching.clear()
        return found

    return count


PARTS = {"parts/firewall", "parts/dns", "parts/client"}
FAILOVER = {"topologies/failover", "snapshots/apache-base", *PARTS}
BOTH = {*FAILOVER, "topologies/loadbalancing"}


@pytest.mark.parametrize(
    ("words", "code", "files"),
    [
        ("up failover --until created", 0, FAILOVER),
        ("up loadbalancing --until created", 0, BOTH),
        ("up topologies/failover.yaml --until created --set student=zoe", 0, FAILOVER),
        ("up failover --copies alice,bob,3-5 --until created", 0, FAILOVER),
        ("up loadbalancing --copies alice,bob --until created", 0, BOTH),
        ("plan failover", 2, FAILOVER),
        ("plan loadbalancing", 2, BOTH),
        ("plan loadbalancing --copies 1-3", 2, BOTH),
        ("verify failover", 7, FAILOVER),
        ("verify failover --copies 1-3", 8, FAILOVER),
        ("check failover", 1, FAILOVER),
        ("explain loadbalancing", 0, BOTH),
        ("graph", 0, FAILOVER),
        ("status", 0, FAILOVER),
        ("snapshot restore monday --yes", 0, FAILOVER),
        ("snapshot restore monday --yes --all", 0, FAILOVER),
        ("snapshot diff monday", 0, FAILOVER),
        ("reset --to monday --yes --no-up", 0, FAILOVER),
        ("down", 0, FAILOVER),
        ("destroy failover --yes", 0, FAILOVER),
    ],
)
def test_each_file_is_read_once(reads: Callable[..., Counter[str]], words: str, code: int, files: set[str]) -> None:
    assert reads(*words.split(), code=code) == Counter(files)
