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
    from vboxlab.cli import session
    from vboxlab.lab.access import way_in
    from vboxlab.lab.observe import observe

    with session.opened(driver, quiet=True) as context:
        target = session.only_lab(context, lab, copy)
        observed = observe(context.driver, target.lab)
        for name, machine in sorted(observed.machines.items()):
            if machine.management_port is not None:
                entry = way_in(context, target.lab, machine, session.base_of(target, name))
                output.say(entry.client_configuration())
