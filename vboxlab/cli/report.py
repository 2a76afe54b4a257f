"""`vboxlab report`."""

from __future__ import annotations

from pathlib import Path

import click

from vboxlab.cli import options, output


@click.command()
@click.argument("history", nargs=-1, required=True,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@options.as_json
@options.report_files
def report(history: tuple[Path, ...], files: options.ReportFiles, *, as_json: bool) -> int:
    """Make the report of a verification again from its HISTORY, which `verify` leaves in the lab's folder.

    The history is judged anew: the same figures, in the language and the forms asked for now. Several histories are
    several runs of one report, with the spread of each figure. Exits as `verify` did.
    """
    from vboxlab.operations.report import ReportRequest
    from vboxlab.operations.report import report as judged

    found = judged(ReportRequest(histories=history, form="json" if as_json else "text", files=files))
    output.say(found.report.rstrip("\n"))
    return found.exit_code
