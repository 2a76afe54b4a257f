"""`base add`: bases from the user's own VMs, appliances and disks."""

from __future__ import annotations

import os
from pathlib import Path

from vboxlab.base.added import NewBase, Origin
from vboxlab.base.store import BaseStore
from vboxlab.credentials import known
from vboxlab.errors import BaseError, UsageError, said_by_system
from vboxlab.hypervisor.registry import open_driver
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.base import progress_of
from vboxlab.operations.door import Door
from vboxlab.settings import load_settings


@dataclass(frozen=True)
class AddRequest:
    """A base to add: from one of `vm`, `ova` and `disk`, whose guest `user` logs in to with a password or a key.

    A user of None: nobody logs in, its machines are left alone. Passwords are named by where they come from: `prompt`,
    env:VARIABLE or a file. `with_management`: its guest has vboxlab's address already.
    """

    name: str
    user: str | None
    vm: str | None = None
    snapshot: str | None = None
    ova: str | None = None
    disk: str | None = None
    password_from: str | None = None
    key: str | None = None
    root_password_from: str | None = None
    with_management: bool = False
    driver: str | None = None


@dataclass(frozen=True)
class Added:
    """A base that was added; `outcome` says what was done."""

    name: str
    driver: str
    origin: str
    outcome: str


def add(request: AddRequest, door: Door) -> Added:
    """Add a base, all or nothing.

    Raises UsageError for a request that contradicts itself or a secret that is not where it is said to be, and as
    BaseStore.add does.
    """
    origin = _origin(request)
    new = NewBase(
        request.name,
        origin,
        request.user or "",
        key_file=_key(request),
        password=_secret(request.password_from, _("password of {user}").format(user=request.user), door),
        root_password=_secret(request.root_password_from, _("password of root"), door),
        stock=request.user is not None and not request.with_management,
    )
    settings = load_settings()
    driver = open_driver(settings, request.driver).driver
    try:
        outcome = BaseStore(settings).add(new, driver, progress_of(door.show))
    finally:
        driver.close()
    return Added(request.name, driver.name, str(origin), outcome)


def _origin(request: AddRequest) -> Origin:
    given = [value for value in (request.vm, request.ova, request.disk) if value]
    if len(given) != 1:
        raise UsageError(_("give one of --vm, --ova and --disk: what the base is made of"))
    if request.snapshot and not request.vm:
        raise UsageError(_("--snapshot goes with --vm only"))
    if request.vm:
        return Origin("vm", request.vm, request.snapshot or "")
    file = Path(given[0]).expanduser().absolute()
    if not file.is_file():
        text = _("{file}: a folder") if file.is_dir() else _("{file}: no such file")
        raise BaseError(text.format(file=file), resolution=_("give the path of the appliance or disk file"))
    return Origin("ova" if request.ova else "disk", str(file))


def _key(request: AddRequest) -> Path | None:
    key = request.key
    if request.user is None:
        if key or request.password_from or request.root_password_from or request.with_management:
            raise UsageError(_("--no-login goes without passwords, --key and --with-management: nobody logs in"))
        return None
    if bool(key) == bool(request.password_from):
        raise UsageError(_("give --password-from or --key: how the user logs in in the guest"))
    if key is None:
        return None
    file = Path(key).expanduser().absolute()
    try:
        start = file.read_text(encoding="ascii", errors="replace")[:100]
    except OSError as error:
        raise UsageError(
            _("--key {file}: it cannot be read").format(file=key), details=[said_by_system(error)]
        ) from error
    if "PRIVATE KEY" not in start:
        raise UsageError(
            _("--key {file}: it is no private key").format(file=key), resolution=_("give the file without `.pub`")
        )
    return file


def _secret(source: str | None, what: str, door: Door) -> str | None:
    """Return a secret from where the user says it is. Raises UsageError when there is none."""
    if source is None:
        return None
    if source == "prompt":
        secret = door.ask_secret(what)
    elif source.startswith("env:"):
        secret = os.environ.get(source[4:], "")
        if not secret:
            raise UsageError(_("{what}: the variable {variable} is not set").format(what=what, variable=source[4:]))
    else:
        try:
            secret = Path(source).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                _("{what}: {file} cannot be read").format(what=what, file=source),
                details=[said_by_system(error) if isinstance(error, OSError) else _("expected text in UTF-8")],
                resolution=_("expected prompt, env:VARIABLE or a file"),
            ) from error
    if not secret or "\n" in secret:
        raise UsageError(
            _("{what}: expected one line").format(what=what), resolution=_("give prompt, env:VARIABLE or a file")
        )
    return known(secret)
