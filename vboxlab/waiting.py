"""Waiting on conditions with a deadline that is passed down, never re-counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from vboxlab.errors import WaitTimeout
from vboxlab.language import _
from vboxlab.lazily import dataclass

T = TypeVar("T")
R = TypeVar("R")
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock by which something must have happened."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        """Tell whether the moment has passed."""
        return self.remaining == 0.0

    def capped(self, seconds: float) -> float:
        """Return the seconds left, at most the given number: for one step within a longer wait."""
        return min(seconds, self.remaining)


def wait_until(condition: Callable[[], T | None], deadline: Deadline, *, what: str, every: float = 0.1) -> T:
    """Call the condition every so many seconds until it returns something true, and return that.

    Raises WaitTimeout, naming what was waited for, at the deadline; errors of the condition pass through.
    """
    while not (found := condition()):
        if deadline.expired:
            raise WaitTimeout(_("{what} did not happen in time").format(what=what))
        time.sleep(deadline.capped(every))
    return found


def in_threads(
    work: Callable[[T], R],
    items: Iterable[T],
    *,
    width: int,
    name: str = "work",
    hurry: Callable[[], object] = lambda: None,
) -> list[R]:
    """Do the same to several things, at most `width` at once, and return what came of each, in their order.

    The first error passes through once what is under way has ended; what has not begun never does. `hurry` is called
    on Ctrl-C, for what is under way to end soon. Waits in short turns: on Windows no Ctrl-C is seen by a thread that
    waits for a lock (Python's threading, Lock.acquire: only "on POSIX"), as Future.result, Executor.map and leaving an
    executor do.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, width), thread_name_prefix=name)
    under_way: set[int] = set()  # threads: a Ctrl-C may come before the future of what has begun is in our hands

    def begin(item: T) -> R:
        under_way.add(threading.get_ident())
        try:
            return work(item)
        finally:
            under_way.discard(threading.get_ident())

    futures: list[Future[R]] = []
    ended: SimpleQueue[Future[R]] = SimpleQueue()
    try:
        for item in items:
            futures.append(pool.submit(begin, item))  # what was submitted before a Ctrl-C is known then
            futures[-1].add_done_callback(ended.put)
        for _each in futures:
            if _next(ended).exception() is not None:
                break
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        hurry()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        while under_way or not all(future.done() for future in futures):
            time.sleep(POLL_SECONDS / 10)
    failed = next((future for future in futures if not future.cancelled() and future.exception() is not None), None)
    return [failed.result()] if failed is not None else [future.result() for future in futures]


def _next(ended: SimpleQueue[Future[R]]) -> Future[R]:
    while True:
        with suppress(Empty):
            return ended.get(timeout=POLL_SECONDS)
