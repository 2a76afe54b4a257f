"""Waiting on conditions with a deadline that is passed down, never re-counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryError, Retrying, retry_if_result, wait_fixed

from vboxlab.errors import WaitTimeout

T = TypeVar("T")


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
    retrying = Retrying(
        retry=retry_if_result(lambda value: not value),
        stop=lambda _state: deadline.expired,
        wait=wait_fixed(every),
        sleep=lambda seconds: time.sleep(deadline.capped(seconds)),
    )
    try:
        found: T | None = retrying(condition)
    except RetryError:
        raise WaitTimeout(f"{what} did not happen in time") from None
    assert found is not None  # noqa: S101 -- Retrying returns only true values
    return found
