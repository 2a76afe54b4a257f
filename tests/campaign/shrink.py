"""Making a sequence that fails as short as it can be, and its troubles as early and as plain as they can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tests.campaign.steps import Step

Fails = Callable[[Sequence[Step]], bool]


def shrunk(steps: Sequence[Step], fails: Fails, *, tries: int = 150) -> list[Step]:
    """Return the shortest sequence found that still fails; `fails` is asked at most so many times."""
    best = list(steps)
    left = tries
    again = True
    while again:
        again = False
        for candidate in _simpler(best):
            if left <= 0:
                return best
            left -= 1
            if fails(candidate):
                best, again = candidate, True
                break
    return best


def _simpler(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield sequences that are a little simpler: big cuts first, those at the end of the sequence last."""
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps) - size, size):
            yield [*steps[:start], *steps[start + size :]]
        size //= 2
    for number, step in enumerate(steps):
        for simpler in _simpler_steps(step):
            yield [*steps[:number], simpler, *steps[number + 1 :]]


def _simpler_steps(step: Step) -> Iterator[Step]:
    if step.trouble is not None:
        yield replace(step, trouble=None)
        for at in sorted({1, step.trouble.at // 2, step.trouble.at - 1} - {0, step.trouble.at}):
            yield replace(step, trouble=replace(step.trouble, at=at))
    if step.answer == "y":
        yield replace(step, words=(*step.words, "--yes"), answer="")
    for option in ("--live", "--up", "--no-up", "--hard"):
        if option in step.words:
            yield replace(step, words=tuple(word for word in step.words if word != option))
    for option in ("--set", "--copy", "--machine", "--keep", "--until"):
        if option in step.words:
            place = step.words.index(option)
            yield replace(step, words=(*step.words[:place], *step.words[place + 2 :]))
