"""`vboxlab check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_OK

if TYPE_CHECKING:
    from vboxlab.cli.session import Target
    from vboxlab.guest.findings import Severity
    from vboxlab.lab.check import MachineCheck
    from vboxlab.lab.context import Context
    from vboxlab.operations.run_copies import CopyResult
    from vboxlab.settings import Language
    from vboxlab.topology.addressing import LabName

_SEVERITIES: dict[Severity, tuple[str, str]] = {
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


@dataclass(frozen=True)
class Checked:
    """What was found in one lab or copy."""

    lab: LabName
    topology: str
    results: Sequence[MachineCheck]

    @property
    def is_fine(self) -> bool:
        """Tell whether there is nothing but hints."""
        return all(result.is_fine for result in self.results)

    def data(self, language: Language) -> dict[str, object]:
        """Return it as plain data; keys are stable."""
        return {
            "lab": self.lab.lab,
            "copy": self.lab.copy,
            "topology": self.topology,
            "fine": self.is_fine,
            "machines": [_data(result, language) for result in self.results],
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
    which: options.Which,
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
    from vboxlab.cli import session, several
    from vboxlab.cli.language import language
    from vboxlab.lab.check import check as compare

    def one(context: Context, target: Target, limit: int) -> Checked:
        results = compare(context, target.needed, target.lab, machine=machine, stage=stage, jobs=limit)
        return Checked(target.lab, target.needed.topology.name, results)

    with session.opened(driver, quiet=as_json) as opened:
        chosen = language(lang, opened.settings)
        if which.several:
            context = several.many(opened)
            copies = several.choose(context, lab, which, parameters=True)
            outcomes = several.each(
                context,
                copies,
                lambda own, entry, share: one(own, entry.target(own, values), share),
                jobs=jobs,
                patience=None,
            )
        else:
            target = session.target(opened, lab, values, which.copy)
            alone = one(opened, target, jobs or opened.settings.concurrency)
    if which.several:
        return _report(outcomes, chosen, as_json=as_json)
    if as_json:
        output.say_json(alone.data(chosen))
    else:
        for line in _lines(alone.results, chosen):
            output.say(line)
    return EXIT_OK if alone.is_fine else EXIT_CHECK_FAILED


def _report(outcomes: Sequence[CopyResult[Checked]], language: Language, *, as_json: bool) -> int:
    """Show what was found in each copy, then one line a copy; return the exit code."""
    from vboxlab.cli import several
    from vboxlab.operations.run_copies import exit_code

    checked = [outcome.value for outcome in outcomes if outcome.value is not None]
    if as_json:
        output.say_json([each.data(language) for each in checked])
        code = exit_code(outcomes)
    else:
        for each in checked:
            for line in (f"{each.lab}", *_lines(each.results, language), ""):
                output.say(line)
        code = several.report(outcomes, lambda each: _lines(each.results, language)[-1])
    found = any(not each.is_fine for each in checked)
    return EXIT_CHECK_FAILED if code == EXIT_OK and found else code


def _data(result: MachineCheck, language: Language) -> dict[str, object]:
    return {
        "machine": result.machine,
        "fine": result.is_fine,
        "guest_seen": result.guest_seen,
        "findings": [finding.data(language) for finding in result.findings],
    }


def _lines(results: Sequence[MachineCheck], language: Language) -> list[str]:
    index = int(language == "fr")
    words = {key: texts[index] for key, texts in _WORDS.items()}
    colon = " :" if language == "fr" else ":"
    lines = []
    for result in results:
        if not result.findings:
            unseen = "" if result.guest_seen else f" ({words['unseen']})"
            lines.append(f"{result.machine}{colon} {words['fine']}{unseen}")
            continue
        lines.append(f"{result.machine}{colon}")
        for finding in result.findings:
            severity = _SEVERITIES[finding.severity][index]
            lines.append(f"  {severity}  {finding.place(language)}  [{finding.code}]")
            lines.append(f"      {words['found']}{colon} {finding.found(language)}")
            expected = finding.expected(language)
            if expected:
                lines.append(f"      {words['expected']}{colon} {expected}")
    counts = [sum(f.severity == severity for r in results for f in r.findings) for severity in _SEVERITIES]
    return [*lines, words["sum"].format(*counts)]
