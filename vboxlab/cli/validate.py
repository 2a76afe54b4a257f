"""`vboxlab validate`: check topology and snapshot-set files without touching any lab."""

from __future__ import annotations

import click

from vboxlab.cli import options
from vboxlab.language import N_, _


@click.command()
@click.argument("files", metavar=N_("FILE..."), nargs=-1, required=True)
@options.set_values
@click.option("--json", "as_json", is_flag=True, help=N_("Print the problems as JSON."))
def validate(files: tuple[str, ...], values: dict[str, str], as_json: bool) -> int:
    """Check topology and snapshot-set files and report every problem in all of them.

    FILE is a path, or the name of a topology as `vboxlab list` shows it. A value given with --set is used by the
    topologies that declare the parameter. Exit code 3 when there is any problem;
    warnings are none.
    """
    from vboxlab.cli import output
    from vboxlab.errors import EXIT_INVALID, EXIT_OK
    from vboxlab.operations.validate import ValidateRequest
    from vboxlab.operations.validate import validate as find_problems

    found = find_problems(ValidateRequest(files, values))
    if as_json:
        output.say_json({str(path): found.lines(path) for path in found.problems})
    else:
        for path in found.problems:
            for line in found.lines(path) or [_("{path}: no problem found").format(path=path)]:
                output.say(line)
    return EXIT_OK if found.is_fine else EXIT_INVALID
