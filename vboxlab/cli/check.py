"""`vboxlab check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_OK

if TYPE_CHECKING:
    from vboxlab.language import Language
    from vboxlab.operations.check import Checked
    from vboxlab.operations.request import Which
    from vboxlab.operations.run_copies import CopyResult

_SEVERITIES = {
    "error": ("error", "erreur"),
    "warning": ("warning", "attention"),
    "hint": ("hint", "remarque"),
}
_WORDS = {
    "fine": ("as the topology says", "conforme à la topologie"),
    "unseen": ("guest not looked at", "invité non examiné"),
    "found": ("found", "trouvé"),
    "expected": ("expected", "attendu"),
    "sum": ("{} error(s), {} warning(s), {} hint(s)", "{} erreur(s), {} avertissement(s), {} remarque(s)"),
}


@click.command()
@click.argument("lab")
@click.argument("machine", required=False)
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.lang
@options.as_json
@click.option("--stage", metavar="STAGE", help="Compare with this stage of the topology (default: the last).")
def check(
    lab: str,
    machine: str | None,
    values: dict[str, str],
    which: Which,
    driver: str | None,
    jobs: int | None,
    lang: str | None,
    stage: str | None,
    *,
    as_json: bool,
) -> int:
    """Compare LAB (a lab or topology name), or one MACHINE of it, with its topology, and change nothing.

    Says what is otherwise, where, and what is expected; common slips are called by their name. Exits 0 when there is
    nothing but hints, 1 when something was found, 8 when a copy could not be checked.
    """
    from vboxlab.cli.language import language
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.check import CheckRequest
    from vboxlab.operations.check import check as compare
    from vboxlab.settings import load_settings

    chosen = language(lang, load_settings())
    request = CheckRequest(
        lab=lab, machine=machine, values=values, which=which, driver=driver, jobs=jobs, stage=stage
    )  # fmt: skip
    found = compare(request, Terminal(quiet=as_json))
    if isinstance(found, list):
        return _report(found, chosen, as_json=as_json)
    if as_json:
        output.say_json(found.record(chosen))
    else:
        for line in _lines(found, chosen):
            output.say(line)
    return EXIT_OK if found.is_fine else EXIT_CHECK_FAILED


def _report(outcomes: Sequence[CopyResult[Checked]], language: Language, *, as_json: bool) -> int:
    """Show what was found in each copy, then one line a copy; return the exit code."""
    from vboxlab.cli import summary
    from vboxlab.operations.run_copies import exit_code

    checked = [outcome.value for outcome in outcomes if outcome.value is not None]
    if as_json:
        output.say_json([each.record(language) for each in checked])
        code = exit_code(outcomes)
    else:
        for each in checked:
            for line in (f"{each.lab}", *_lines(each, language), ""):
                output.say(line)
        code = summary.report(outcomes, lambda each: _lines(each, language)[-1])
    found = any(not each.is_fine for each in checked)
    return EXIT_CHECK_FAILED if code == EXIT_OK and found else code


def _lines(checked: Checked, language: Language) -> list[str]:
    index = int(language == "fr")
    words = {key: texts[index] for key, texts in _WORDS.items()}
    colon = " :" if language == "fr" else ":"
    lines = []
    for result in checked.machines:
        if not result.findings:
            unseen = "" if result.guest_seen else f" ({words['unseen']})"
            lines.append(f"{result.machine}{colon} {words['fine']}{unseen}")
            continue
        lines.append(f"{result.machine}{colon}")
        for each in checked.told(result, language):
            severity = _SEVERITIES[each.finding.severity][index]
            lines.append(f"  {severity}  {each.place}  [{each.finding.code}]")
            lines.append(f"      {words['found']}{colon} {each.found}")
            if each.expected:
                lines.append(f"      {words['expected']}{colon} {each.expected}")
    counts = [sum(f.severity == severity for r in checked.machines for f in r.findings) for severity in _SEVERITIES]
    return [*lines, words["sum"].format(*counts)]
