"""`vboxlab base add`: bases from the user's own VMs, appliances and disks."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options

if TYPE_CHECKING:
    from vboxlab.base.added import Origin

SOURCE = "prompt, env:VARIABLE or a file"


@click.command("add")
@click.argument("name")
@click.option("--vm", help="An existing VM, by name or UUID. Only a snapshot is made for it when it has none.")
@click.option("--snapshot", help="With --vm: clone from this snapshot instead of the current one.")
@click.option("--ova", help="An appliance file (OVA or OVF) to import.")
@click.option("--disk", help="A disk file to import: VDI, VMDK, VHD, VHDX, qcow2 or raw.")
@click.option("--user", required=True, help="Who to log in as in its guest.")
@click.option("--password-from", metavar="SOURCE", help=f"Where the user's password comes from: {SOURCE}.")
@click.option("--key", help="The user's private key file, instead of a password.")
@click.option("--root-password-from", metavar="SOURCE", help="Root's password, for a user who may not use sudo.")
@click.option("--with-management", is_flag=True, help="Its guest has vboxlab's management address already.")
@options.driver
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def add(
    name: str,
    vm: str | None,
    snapshot: str | None,
    ova: str | None,
    disk: str | None,
    user: str,
    password_from: str | None,
    key: str | None,
    root_password_from: str | None,
    with_management: bool,
    driver: str | None,
    as_json: bool,
) -> None:
    """Add the base NAME: an existing VirtualBox VM, an appliance or a disk with Debian on it.

    A VM stays as it is, and stays when the base is removed. Its guest needs an SSH server, ifupdown and, on adapter 1,
    DHCP, as Debian's installer leaves it. Passwords are kept in files that only you can read.
    """
    from vboxlab.base.added import NewBase
    from vboxlab.base.store import BaseStore
    from vboxlab.cli import output
    from vboxlab.hypervisor.registry import open_driver
    from vboxlab.settings import load_settings

    origin = _origin(vm, ova, disk, snapshot)
    new = NewBase(
        name,
        origin,
        user,
        key_file=_key(key, password_from),
        password=_secret(password_from, f"password of {user}"),
        root_password=_secret(root_password_from, "password of root"),
        stock=not with_management,
    )
    settings = load_settings()
    opened = open_driver(settings, driver).driver
    try:
        said = BaseStore(settings).add(new, opened, output.timed_progress(time.monotonic()))
    finally:
        opened.close()
    if as_json:
        output.say_json({"name": name, "driver": opened.name, "origin": str(origin), "outcome": said})
    else:
        output.say(said)
        output.say(f"write `base: {name}` in a topology, or: vboxlab up failover --set base={name}")


def _origin(vm: str | None, ova: str | None, disk: str | None, snapshot: str | None) -> Origin:
    from vboxlab.base.added import Origin
    from vboxlab.errors import BaseError, UsageError

    given = [value for value in (vm, ova, disk) if value]
    if len(given) != 1:
        raise UsageError("give one of --vm, --ova and --disk: what the base is made of")
    if snapshot and not vm:
        raise UsageError("--snapshot goes with --vm only")
    if vm:
        return Origin("vm", vm, snapshot or "")
    file = Path(given[0]).expanduser().absolute()
    if not file.is_file():
        what = "a folder" if file.is_dir() else "no such file"
        raise BaseError(f"{file}: {what}", resolution="give the path of the appliance or disk file")
    return Origin("ova" if ova else "disk", str(file))


def _key(key: str | None, password_from: str | None) -> Path | None:
    from vboxlab.errors import UsageError

    if bool(key) == bool(password_from):
        raise UsageError("give --password-from or --key: how the user logs in in the guest")
    if key is None:
        return None
    file = Path(key).expanduser().absolute()
    try:
        start = file.read_text(encoding="ascii", errors="replace")[:100]
    except OSError as error:
        raise UsageError(f"--key {key}: it cannot be read", details=[str(error)]) from error
    if "PRIVATE KEY" not in start:
        raise UsageError(f"--key {key}: it is no private key", resolution="give the file without `.pub`")
    return file


def _secret(source: str | None, what: str) -> str | None:
    """Return a secret from where the user says it is. Raises UsageError when there is none."""
    from vboxlab.cli import output
    from vboxlab.credentials import known
    from vboxlab.errors import UsageError

    if source is None:
        return None
    if source == "prompt":
        secret = output.ask_secret(what)
    elif source.startswith("env:"):
        secret = os.environ.get(source[4:], "")
        if not secret:
            raise UsageError(f"{what}: the variable {source[4:]} is not set")
    else:
        try:
            secret = Path(source).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{what}: {source} cannot be read", details=[str(error)], resolution=f"expected {SOURCE}"
            ) from error
    if not secret or "\n" in secret:
        raise UsageError(f"{what}: expected one line", resolution=f"give {SOURCE}")
    return known(secret)
