"""`vboxlab ssh`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output
from vboxlab.language import N_


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("machine")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--lab", metavar=N_("LAB"), help=N_("Lab or topology name (default: the only lab there is)."))
@options.copy
@options.driver
def ssh(machine: str, command: tuple[str, ...], lab: str | None, copy: str | None, driver: str | None) -> int:
    """Open a shell on MACHINE, or run COMMAND there (after `--`) and pass its exit code on.

    A COMMAND of one word, quoted, is a line for the guest's shell: vboxlab ssh srv-web -- 'ip a | grep 5'.
    """
    from vboxlab import programs
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.ssh import Client, SshRequest
    from vboxlab.operations.ssh import ssh as reach

    result = reach(SshRequest(machine, command, lab, copy, driver), Terminal(quiet=True))
    if isinstance(result, Client):
        return programs.run(result.argv).returncode
    if result.stdout:
        output.say(result.stdout.rstrip("\n"))
    if result.stderr:
        output.remark(result.stderr.rstrip("\n"))
    return result.exit_code
