"""What became of several copies, for the terminal: a table of one line a copy, or JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vboxlab.cli import output
from vboxlab.errors import EXIT_OK
from vboxlab.language import C_, NC_, _

if TYPE_CHECKING:
    from vboxlab.operations.run_copies import CopyResult

T = TypeVar("T")
DETAILS = 8  # lines shown of each failure
_OUTCOMES = {
    "done": NC_("copy", "done"),
    "failed": NC_("copy", "FAILED"),
    "stopped": NC_("copy", "stopped"),
    "not begun": NC_("copy", "not begun"),
}


def report(results: Sequence[CopyResult[T]], words: Callable[[T], str], *, as_json: bool = False) -> int:
    """Print a summary, one line a copy, and return the exit code; `words` says what came out of a copy that is done."""
    from vboxlab.operations.run_copies import exit_code

    if as_json:
        output.say_json([_record(result, words) for result in results])
        return exit_code(results)
    headers = (
        C_("column", "COPY"), C_("column", "OUTCOME"), C_("column", "SECONDS"), C_("column", "AT STEP"),
        C_("column", "RESULT"),
    )  # fmt: skip
    rows = [
        (
            str(result.lab),
            C_("copy", _OUTCOMES[result.outcome]),
            f"{result.seconds:.1f}",
            result.step or "-",
            words(result.value) if result.value is not None else result.why or "-",
        )
        for result in results
    ]
    output.table(headers, rows)
    for result in results:
        if result.error is not None and result.error.details:
            output.say(_("{subject}:").format(subject=result.lab))
            for line in result.error.details[:DETAILS]:
                output.say(f"  {line}")
        if result.error is not None and result.error.resolution:
            advice = _("{subject}: {text}").format(subject=result.lab, text=result.error.resolution)
            output.say(f"  -> {advice}")
    done = sum(result.outcome == "done" for result in results)
    code = exit_code(results)
    text = _("{done} of {count} copies done") if code == EXIT_OK else _("{done} of {count} copies done, {others} not")
    output.say(text.format(done=done, count=len(results), others=len(results) - done))
    return code


def report_whole(
    results: Sequence[CopyResult[T]],
    record: Callable[[T], Any],
    lines: Callable[[T], Sequence[str]],
    words: Callable[[T], str],
    *,
    as_json: bool,
) -> int:
    """Print all that came out of each copy, then the summary, as JSON the records alone; return the exit code."""
    from vboxlab.operations.run_copies import exit_code

    values = [result.value for result in results if result.value is not None]
    if as_json:
        output.say_json([record(value) for value in values])
        return exit_code(results)
    for value in values:
        for line in lines(value):
            output.say(line)
    return report(results, words)


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
