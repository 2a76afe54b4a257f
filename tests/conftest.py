"""What concerns all tests: those that boot guests come last, so that quick ones say first what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import settings

# No example is failed for being slow: machines are busy, and no test of ours is about time.
settings.register_profile("vboxlab", deadline=None)
settings.load_profile("vboxlab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("guests") is not None)
