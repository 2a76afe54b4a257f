"""`validate` as an operation: what it returns for a door to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab_world import ROOT
from vboxlab.errors import UsageError
from vboxlab.operations.validate import ValidateRequest, validate

BAD = "tests/golden/topology/bad/bad-hostname.yaml"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.chdir(ROOT)


def test_each_file_has_its_problems_in_the_order_named() -> None:
    found = validate(ValidateRequest((BAD, "snapshots/apache-base.yaml")))
    assert {path.name: len(problems) for path, problems in found.problems.items()} == {
        "bad-hostname.yaml": 2, "apache-base.yaml": 0,
    }  # fmt: skip
    assert not found.is_fine


def test_a_value_that_no_file_has_a_parameter_for_is_refused() -> None:
    with pytest.raises(UsageError, match="none of the files declares a parameter `nobody`"):
        validate(ValidateRequest(("failover",), {"student": "zoe", "nobody": "x"}))
