"""`vboxlab base add`: bases from the user's own VMs, appliances and disks."""

from __future__ import annotations

import time

import click

from vboxlab.cli import options
from vboxlab.language import N_, _


@click.command("add")
@click.argument("name")
@click.option("--vm", help=N_("An existing VM, by name or UUID. Only a snapshot is made for it when it has none."))
@click.option("--snapshot", help=N_("With --vm: clone from this snapshot instead of the current one."))
@click.option("--ova", help=N_("An appliance file (OVA or OVF) to import."))
@click.option("--disk", help=N_("A disk file to import: VDI, VMDK, VHD, VHDX, qcow2 or raw."))
@click.option("--user", help=N_("Who to log in as in its guest."))
@click.option("--password-from", metavar=N_("SOURCE"),
              help=N_("Where the user's password comes from: prompt, env:VARIABLE or a file."))  # fmt: skip
@click.option("--key", help=N_("The user's private key file, instead of a password."))
@click.option("--root-password-from", metavar=N_("SOURCE"),
              help=N_("Root's password, for a user who may not use sudo."))  # fmt: skip
@click.option("--with-management", is_flag=True, help=N_("Its guest has vboxlab's management address already."))
@click.option("--no-login", is_flag=True,
              help=N_("Nobody logs in, so it may be any system: for machines with `configured: false`."))  # fmt: skip
@options.driver
@click.option("--json", "as_json", is_flag=True, help=N_("Print the outcome as JSON."))
def add(
    name: str,
    vm: str | None,
    snapshot: str | None,
    ova: str | None,
    disk: str | None,
    user: str | None,
    password_from: str | None,
    key: str | None,
    root_password_from: str | None,
    with_management: bool,
    no_login: bool,
    driver: str | None,
    as_json: bool,
) -> None:
    """Add the base NAME: an existing VirtualBox VM, an appliance or a disk with Debian on it (any, with --no-login).

    A VM stays as it is, and stays when the base is removed. Its guest needs an SSH server, ifupdown and, on adapter 1,
    DHCP, as Debian's installer leaves it. Passwords are kept in files that only you can read.
    """
    from vboxlab.cli import output
    from vboxlab.cli.terminal import Terminal
    from vboxlab.errors import UsageError
    from vboxlab.operations.base_add import AddRequest
    from vboxlab.operations.base_add import add as add_base

    if (user is None) != no_login:
        raise UsageError(_("give --user, who logs in in its guest, or --no-login: one of them"))
    request = AddRequest(
        name, user, vm=vm, snapshot=snapshot, ova=ova, disk=disk, password_from=password_from, key=key,
        root_password_from=root_password_from, with_management=with_management, driver=driver,
    )  # fmt: skip
    added = add_base(request, Terminal(output.timed_progress(time.monotonic())))
    if as_json:
        output.say_json({"name": added.name, "driver": added.driver, "origin": added.origin, "outcome": added.outcome})
    else:
        output.say(added.outcome)
        advice = (
            _("write `base: {name}` and `configured: false` on a machine of a topology")
            if no_login
            else _("write `base: {name}` in a topology, or: vboxlab up failover --set base={name}")
        )
        output.say(advice.format(name=name))
