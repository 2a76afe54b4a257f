"""`vboxlab hint`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output
from vboxlab.language import N_, _


@click.command()
@click.argument("topology")
@click.argument("question", required=False, metavar=N_("[QUESTION]"))
@options.set_values
@options.copy
@options.driver
@options.patience
@options.as_json
@options.yes
def hint(
    topology: str,
    question: str | None,
    values: dict[str, str],
    copy: str | None,
    driver: str | None,
    patience: float | None,
    *,
    as_json: bool,
    yes: bool,
) -> None:
    """Give the next hint for QUESTION of TOPOLOGY's scheme, after asking when it costs points; without it, list them.

    What was given is kept with the lab until it is destroyed, and `grade` takes what it cost.
    """
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.hint import HintRequest, hints
    from vboxlab.operations.hint import hint as give
    from vboxlab.operations.request import which_of

    request = HintRequest(
        topology=topology, question=question, values=values, which=which_of(copy, None, everything=False),
        driver=driver, patience=patience, yes=yes,
    )  # fmt: skip
    door = Terminal(quiet=True)
    if question is not None:
        given = give(request, door)
        if as_json:
            output.say_json(given.record())
        for line in given.lines() if not as_json else ():
            output.say(line)
        return
    found = hints(request, door)
    if as_json:
        output.say_json([each.record() for each in found])
        return
    for each in found:
        for line in each.lines():
            output.say(line)
    if not found:
        output.say(_("{topology} has no hints").format(topology=topology))
