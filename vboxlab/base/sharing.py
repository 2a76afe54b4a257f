"""A context that the threads of this process have in common: the first enters it, the last leaves it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Generic, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Shared(Generic[P, T]):
    """What `enter` gives, entered once for all threads that have it at the same time."""

    def __init__(self, enter: Callable[P, AbstractContextManager[T]]) -> None:
        self._enter = enter
        self._mutex = threading.Lock()
        self._held = ExitStack()
        self._value: list[T] = []
        self._count = 0

    @contextmanager
    def having(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """Have it; the arguments count for who enters it."""
        with self._mutex:
            if not self._count:
                self._value = [self._held.enter_context(self._enter(*args, **kwargs))]
            self._count += 1
        try:
            yield self._value[0]
        finally:
            with self._mutex:
                self._count -= 1
                if not self._count:
                    self._held.close()
