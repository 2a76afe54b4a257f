"""What concerns all tests: those that boot guests come last, so that quick ones say first what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import catalogues
from vboxlab import language

ROOT = Path(__file__).parents[1]
# No example is failed for being slow: machines are busy, and no test of ours is about time. Where the checkout is
# read-only, as in VirtualBox's tree, no examples are kept.
settings.register_profile("vboxlab", deadline=None)
settings.register_profile("read-only", settings.get_profile("vboxlab"), database=None)
settings.load_profile("vboxlab" if os.access(ROOT, os.W_OK) else "read-only")


def pytest_configure(config: pytest.Config) -> None:
    os.environ["VBOXLAB_LANGUAGE"] = "en"  # whatever the locale of who runs the tests
    if os.access(ROOT, os.W_OK):
        catalogues.compile_all()
    config.addinivalue_line("markers", "apart: a test with guests that needs nothing of the shared lab: runs before it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("guests") is not None)


@pytest.fixture(autouse=True)
def _english_afterwards() -> Iterator[None]:
    yield
    if language.spoken() != "en":
        language.speak("en")
