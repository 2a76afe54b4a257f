"""What concerns all tests: those that boot guests come last, so that quick ones say first what is wrong."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("guests") is not None)
