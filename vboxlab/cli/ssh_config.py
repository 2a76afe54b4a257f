"""`vboxlab ssh-config`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output


@click.command("ssh-config")
@click.argument("lab", required=False)
@options.copy
@options.driver
def ssh_config(lab: str | None, copy: str | None, driver: str | None) -> None:
    """Print an OpenSSH client configuration for LAB (default: the only one), for scp, rsync, editors and the like."""
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.ssh_config import SshConfigRequest
    from vboxlab.operations.ssh_config import ssh_config as blocks

    for block in blocks(SshConfigRequest(lab, copy, driver), Terminal(quiet=True)):
        output.say(block)
