"""`make prove-practicals` goes on where it stopped: what passed with the same commit is not done again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.prove_practicals import CHANGED, passed


@pytest.mark.parametrize(
    ("kept", "commit", "is_done"),
    [
        ({"passed": True, "commit": "abc"}, "abc", True),
        ({"passed": True, "commit": "abc"}, "def", False),
        ({"passed": False, "commit": "abc"}, "abc", False),
        ({"passed": True, "commit": f"abc{CHANGED}"}, f"abc{CHANGED}", False),
    ],
)
def test_only_what_passed_with_this_very_commit_is_done(
    tmp_path: Path, kept: dict[str, object], commit: str, *, is_done: bool
) -> None:
    result = tmp_path / "web.json"
    result.write_text(json.dumps(kept), encoding="utf-8")
    assert passed(result, commit) is is_done


def test_a_result_that_was_never_written_or_is_damaged_is_no_pass(tmp_path: Path) -> None:
    result = tmp_path / "web.json"
    assert not passed(result, "abc")
    result.write_text("{", encoding="utf-8")
    assert not passed(result, "abc")
