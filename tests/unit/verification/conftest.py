"""A lab in whose place programs of this host answer, for the tests that carry scenarios out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.local_lab import FrontPage, LocalLab
from tests.unit.verification.test_runner import PAGES, topology


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    """Two web servers, of which the first one answers."""
    front = FrontPage(PAGES)
    front.hold("srv-web")
    yield LocalLab(topology(), front, commands=tmp_path)
    front.hold()
