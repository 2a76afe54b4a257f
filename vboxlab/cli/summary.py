"""What became of several copies, for the terminal: a table of one line a copy, or JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vboxlab.cli import output
from vboxlab.errors import EXIT_OK

if TYPE_CHECKING:
    from vboxlab.operations.run_copies import CopyResult

T = TypeVar("T")
DETAILS = 8  # lines shown of each failure


def report(results: Sequence[CopyResult[T]], words: Callable[[T], str], *, as_json: bool = False) -> int:
    """Print a summary, one line a copy, and return the exit code; `words` says what came out of a copy that is done."""
    from vboxlab.operations.run_copies import exit_code

    if as_json:
        output.say_json([_record(result, words) for result in results])
        return exit_code(results)
    headers = ("COPY", "OUTCOME", "SECONDS", "AT STEP", "RESULT")
    rows = [
        (
            str(result.lab),
            "FAILED" if result.outcome == "failed" else result.outcome,
            f"{result.seconds:.1f}",
            result.step or "-",
            words(result.value) if result.value is not None else result.why or "-",
        )
        for result in results
    ]
    output.table(headers, rows)
    for result in results:
        if result.error is not None and result.error.details:
            output.say(f"{result.lab}:")
            for line in result.error.details[:DETAILS]:
                output.say(f"  {line}")
        if result.error is not None and result.error.resolution:
            output.say(f"  -> {result.lab}: {result.error.resolution}")
    done = sum(result.outcome == "done" for result in results)
    code = exit_code(results)
    output.say(f"{done} of {len(results)} copies done" + ("" if code == EXIT_OK else f", {len(results) - done} not"))
    return code


def _record(result: CopyResult[T], words: Callable[[T], str]) -> dict[str, Any]:
    error = result.error
    return {
        "lab": result.lab.lab,
        "copy": result.lab.copy,
        "outcome": result.outcome,
        "step": result.step or None,
        "why": result.why or None,
        "details": list(error.details) if error else [],
        "resolution": error.resolution if error else None,
        "seconds": round(result.seconds, 1),
        "result": words(result.value) if result.value is not None else None,
    }
