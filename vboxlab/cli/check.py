"""`vboxlab check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_OK

if TYPE_CHECKING:
    from vboxlab.guest.findings import Severity
    from vboxlab.lab.check import MachineCheck
    from vboxlab.settings import Language

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


@click.command()
@click.argument("lab")
@click.argument("machine", required=False)
@options.set_values
@options.copy
@options.driver
@options.jobs
@options.lang
@options.as_json
@click.option("--stage", metavar="STAGE", help="Compare with this stage of the topology (default: the last).")
def check(
    lab: str,
    machine: str | None,
    values: dict[str, str],
    copy: str | None,
    driver: str | None,
    jobs: int | None,
    lang: str | None,
    stage: str | None,
    *,
    as_json: bool,
) -> int:
    """Compare LAB (a lab or topology name), or one MACHINE of it, with its topology, and change nothing.

    Says what is otherwise, where, and what is expected; common slips are called by their name. Exits 0 when there is
    nothing but hints, 1 when something was found.
    """
    from vboxlab.cli import session
    from vboxlab.cli.language import language
    from vboxlab.lab.check import check as compare

    with session.opened(driver, quiet=as_json) as context:
        target = session.target(context, lab, values, copy)
        chosen = language(lang, context.settings)
        limit = jobs or context.settings.concurrency
        results = compare(context, target.needed, target.lab, machine=machine, stage=stage, jobs=limit)
        topology = target.needed.topology.name
    fine = all(result.is_fine for result in results)
    if as_json:
        record = {"lab": target.lab.lab, "copy": target.lab.copy, "topology": topology, "fine": fine}
        output.say_json({**record, "machines": [_data(result, chosen) for result in results]})
    else:
        for line in _lines(results, chosen):
            output.say(line)
    return EXIT_OK if fine else EXIT_CHECK_FAILED


def _data(result: MachineCheck, language: Language) -> dict[str, object]:
    return {
        "machine": result.machine,
        "fine": result.is_fine,
        "guest_seen": result.guest_seen,
        "findings": [finding.data(language) for finding in result.findings],
    }


def _lines(results: list[MachineCheck], language: Language) -> list[str]:
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
