from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.errors import UsageError
from vboxlab.settings import Settings
from vboxlab.topology.catalog import (
    find_snapshot_set,
    find_topology,
    list_topologies,
    packaged_folder,
    snapshot_set_names,
)

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project with the topology `mine`, below it the current folder; a user with `own` and a `failover`."""
    (tmp_path / "project" / "topologies").mkdir(parents=True)
    (tmp_path / "project" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "project" / "topologies" / "mine.yaml").write_text("lab: l1\ntitle: Mine\n")
    (tmp_path / "project" / "topologies" / "broken.yml").write_text("lab: [\n")
    (tmp_path / "project" / "snapshots").mkdir()
    (tmp_path / "project" / "snapshots" / "clean.yaml").write_text("lab: l1\n")
    (tmp_path / "home" / "topologies").mkdir(parents=True)
    (tmp_path / "home" / "topologies" / "own.yaml").write_text("lab: l2\n")
    (tmp_path / "home" / "topologies" / "mine.yaml").write_text("lab: hidden\n")
    monkeypatch.chdir(tmp_path / "project" / "deep" / "er")
    return Settings(home=tmp_path / "home")


def test_the_nearest_folder_wins(settings: Settings, tmp_path: Path) -> None:
    assert find_topology("mine", settings) == tmp_path / "project" / "topologies" / "mine.yaml"
    assert find_topology("own", settings) == tmp_path / "home" / "topologies" / "own.yaml"
    assert find_topology("failover", settings) == REPOSITORY / "topologies" / "failover.yaml"


def test_a_path_is_taken_as_it_is(settings: Settings, tmp_path: Path) -> None:
    assert find_topology("../../topologies/mine.yaml", settings) == Path("../../topologies/mine.yaml")
    with pytest.raises(UsageError, match=r"other\.yaml: there is no such topology file, or it cannot be read"):
        find_topology("other.yaml", settings)


def test_a_wrong_name_lists_those_that_exist(settings: Settings) -> None:
    with pytest.raises(UsageError) as caught:
        find_topology("failovr", settings)
    assert caught.value.brief == "there is no topology `failovr`"
    assert caught.value.details[0].startswith("those that exist: broken, failover, ")
    assert caught.value.resolution == "did you mean `failover`?"


def test_list_says_lab_title_origin_and_what_is_broken(settings: Settings) -> None:
    entries = {entry.name: entry for entry in list_topologies(settings)}
    mine, own, failover, broken = (entries[name] for name in ("mine", "own", "failover", "broken"))
    assert (mine.lab, mine.title, mine.origin, mine.problem) == ("l1", "Mine", "project", None)
    assert (own.lab, own.origin) == ("l2", "user")
    assert (failover.lab, failover.origin) == ("ha", "packaged")
    assert broken.problem is not None
    assert "[not-yaml]" in broken.problem


def test_snapshot_sets_are_looked_for_beside_the_topology_first(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    assert find_snapshot_set("clean", settings) == project / "snapshots" / "clean.yaml"
    assert find_snapshot_set("apache-base", settings) == REPOSITORY / "snapshots" / "apache-base.yaml"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no snapshot set `clean`"):
        find_snapshot_set("clean", settings)
    near = project / "topologies" / "mine.yaml"
    assert find_snapshot_set("clean", settings, near) == project / "snapshots" / "clean.yaml"
    assert {"clean", "apache-base"} <= snapshot_set_names(settings, near)


def test_a_checkout_is_its_own_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY / "tests")
    origins = {entry.name: entry.origin for entry in list_topologies(Settings(home=tmp_path))}
    assert origins["failover"] == "packaged"
    assert packaged_folder("snapshots") == REPOSITORY / "snapshots"


def test_folders_that_cannot_be_looked_into_have_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    entries = list_topologies(Settings(home=tmp_path / "nobody's"))
    assert {entry.origin for entry in entries} == {"packaged"}
    with pytest.raises(UsageError):
        find_topology("~no-such-user/x.yaml", Settings(home=tmp_path))
