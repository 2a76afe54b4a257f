from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vboxlab.base.sharing import Shared


def test_the_first_enters_and_the_last_leaves() -> None:
    said: list[str] = []

    @contextmanager
    def enter(name: str) -> Iterator[str]:
        said.append(f"enter {name}")
        yield name
        said.append("leave")

    shared = Shared(enter)
    together = threading.Barrier(2)

    def other() -> None:
        with shared.having("other") as got:
            said.append(got)
            together.wait()
            together.wait()

    with shared.having("first"):
        thread = threading.Thread(target=other)
        thread.start()
        together.wait()
    assert said == ["enter first", "first"]
    together.wait()
    thread.join()
    assert said == ["enter first", "first", "leave"]
    with shared.having("again"):
        pass
    assert said[3:] == ["enter again", "leave"]


def test_what_cannot_be_entered_is_nobodys() -> None:
    @contextmanager
    def enter(works: bool) -> Iterator[None]:
        if not works:
            raise OSError
        yield

    shared = Shared(enter)
    with pytest.raises(OSError), shared.having(works=False):
        pass
    with shared.having(works=True):
        pass
