"""`vboxlab trust`: agree that the code beside a topology may run."""

from __future__ import annotations

import click

from vboxlab.cli import options
from vboxlab.language import N_


@click.command()
@click.argument("topology")
@click.option("--revoke", is_flag=True, help=N_("Let the code run no more."))
@options.yes
def trust(topology: str, *, revoke: bool, yes: bool) -> None:
    """Let the roles and checks in the folders beside TOPOLOGY be used: show their files, and ask once.

    The code in the folders `roles` and `checks` runs with all your rights, so read it, or know who wrote it. Whatever
    changes in them asks anew.
    """
    from vboxlab.cli import output
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.trust import TrustRequest
    from vboxlab.operations.trust import trust as agree

    output.say(agree(TrustRequest(topology, revoke=revoke, yes=yes), Terminal()))
