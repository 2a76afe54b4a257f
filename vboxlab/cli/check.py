"""`vboxlab check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_OK
from vboxlab.language import C_, N_, NC_, _, n_

if TYPE_CHECKING:
    from vboxlab.operations.check import Checked
    from vboxlab.operations.request import Which
    from vboxlab.operations.run_copies import CopyResult

_SEVERITIES = {
    "error": NC_("severity", "error"),
    "warning": NC_("severity", "warning"),
    "hint": NC_("severity", "hint"),
}


@click.command()
@click.argument("lab")
@click.argument("machine", required=False)
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.as_json
@click.option("--stage", metavar=N_("STAGE"), help=N_("Compare with this stage of the topology (default: the last)."))
def check(
    lab: str,
    machine: str | None,
    values: dict[str, str],
    which: Which,
    driver: str | None,
    jobs: int | None,
    stage: str | None,
    *,
    as_json: bool,
) -> int:
    """Compare LAB (a lab or topology name), or one MACHINE of it, with its topology, and change nothing.

    Says what is otherwise, where, and what is expected; common slips are called by their name. Exits 0 when there is
    nothing but hints, 1 when something was found, 8 when a copy could not be checked.
    """
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.check import CheckRequest
    from vboxlab.operations.check import check as compare

    request = CheckRequest(
        lab=lab, machine=machine, values=values, which=which, driver=driver, jobs=jobs, stage=stage
    )  # fmt: skip
    found = compare(request, Terminal(quiet=as_json))
    if isinstance(found, list):
        return _report(found, as_json=as_json)
    if as_json:
        output.say_json(found.record())
    else:
        for line in _lines(found):
            output.say(line)
    return EXIT_OK if found.is_fine else EXIT_CHECK_FAILED


def _report(outcomes: Sequence[CopyResult[Checked]], *, as_json: bool) -> int:
    """Show what was found in each copy, then one line a copy; return the exit code."""
    from vboxlab.cli import summary

    code = summary.report_whole(
        outcomes, lambda each: each.record(), lambda each: [f"{each.lab}", *_lines(each), ""], _sum, as_json=as_json
    )
    found = any(outcome.value is not None and not outcome.value.is_fine for outcome in outcomes)
    return EXIT_CHECK_FAILED if code == EXIT_OK and found else code


def _lines(checked: Checked) -> list[str]:
    lines = []
    for result in checked.machines:
        if not result.findings:
            if result.guest_seen:
                text = _("{machine}: as the topology says")
            else:
                text = _("{machine}: as the topology says (guest not looked at)")
            lines.append(text.format(machine=result.machine))
            continue
        lines.append(_("{machine}:").format(machine=result.machine))
        for each in checked.told(result):
            severity = C_("severity", _SEVERITIES[each.finding.severity])
            found, expected = _("found: {what}").format(what=each.found), _("expected: {what}")
            lines += [f"  {severity}  {each.place}  [{each.finding.code}]", f"      {found}"]
            lines += [f"      {expected.format(what=each.expected)}"] if each.expected else []
    return [*lines, _sum(checked)]


def _sum(checked: Checked) -> str:
    """Return how many findings of each severity there are."""
    severities: list[str] = [finding.severity for result in checked.machines for finding in result.findings]
    errors, warnings, hints = (severities.count(severity) for severity in _SEVERITIES)
    counts = (
        n_("{count} error(s)", "{count} error(s)", errors).format(count=errors),
        n_("{count} warning(s)", "{count} warning(s)", warnings).format(count=warnings),
        n_("{count} hint(s)", "{count} hint(s)", hints).format(count=hints),
    )
    return ", ".join(counts)
