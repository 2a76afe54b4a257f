"""Bases that were not built here but added: the user's own VM, an appliance or a disk, with the login of its guest.

bases/NAME/ holds the record and, each in a file that only the user can read, the passwords. The disks stay where the
driver has them.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vboxlab.base.keys import ensure_key, key_file
from vboxlab.base.model import ADDING, GONE, Base, Login
from vboxlab.errors import BaseError
from vboxlab.files import flush_folder, make_private_folder, publish, write_durably
from vboxlab.hypervisor.driver import Driver, Progress
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass

if TYPE_CHECKING:
    from pydantic import TypeAdapter

RECORD = "added.json"
PASSWORD = "password"  # noqa: S105 -- the name of a file
ROOT_PASSWORD = "root-password"  # noqa: S105 -- the name of a file
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,38}")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
Kind = Literal["vm", "ova", "disk"]
# What a base is added from: the word that its record has, and how users are told.
_WORDS: dict[Kind, str] = {"vm": "VM", "ova": "appliance", "disk": "disk"}
_ORIGINS = {"VM": N_("VM {name}"), "appliance": N_("appliance {name}"), "disk": N_("disk {name}")}


@dataclass(frozen=True)
class Origin:
    """What a base is added from: a VM (name or UUID, and its snapshot if not the current one) or a file."""

    kind: Kind
    what: str
    snapshot: str = ""

    def __str__(self) -> str:
        return f"{_WORDS[self.kind]} {self.what}"


@dataclass(frozen=True)
class NewBase:
    """A base to add; `user` is "" where nobody logs in. Passwords are values on their way into files; never shown."""

    name: str
    origin: Origin
    user: str
    key_file: Path | None = None
    password: str | None = field(default=None, repr=False)
    root_password: str | None = field(default=None, repr=False)
    stock: bool = True

    def check(self) -> None:
        """Raise BaseError for a name or user that cannot be."""
        if not NAME.fullmatch(self.name):
            raise BaseError(
                _("{name!r} cannot be a base's name").format(name=self.name),
                details=[_("expected up to 39 of a-z, 0-9, `.`, `_` and `-`, the first a letter or digit")],
            )
        if self.user and not USER.fullmatch(self.user):
            raise BaseError(_("{user!r} cannot be a user's name in a Debian guest").format(user=self.user))


@dataclass(frozen=True)
class AddedBase:
    """A base that was added, as it is recorded."""

    name: str
    driver: str  # the one that has its disks
    origin: str  # as str(Origin) has it
    user: str  # "" where nobody logs in
    key_file: str  # "" for this home's own key
    stock: bool
    added: float  # seconds since the epoch

    @property
    def image(self) -> str:
        """Return the name of its image within the driver."""
        return self.name

    @property
    def origin_told(self) -> str:
        """Return what it was added from, in the language spoken."""
        word, _space, name = self.origin.partition(" ")
        return _(_ORIGINS[word]).format(name=name) if word in _ORIGINS else self.origin


def elsewhere(added: AddedBase, driver: str) -> BaseError:
    """Return the error for a base whose image a driver does not have: another driver has it, or nobody any more."""
    if added.driver != driver:
        text = _("base {name} ({origin}) was added to {driver}, and this is {other}")
        resolution = _("choose the driver with --driver {driver} or VBOXLAB_DRIVER")
    else:
        text = _("base {name} is gone: {driver} has no {origin} with its snapshot any more")
        resolution = _("`vboxlab base remove {name}`, then add it again")
    values = {"name": added.name, "origin": added.origin_told, "driver": added.driver, "other": driver}
    return BaseError(text.format(**values), resolution=resolution.format(**values))


@cache
def _codec() -> TypeAdapter[AddedBase]:
    from pydantic import TypeAdapter

    return TypeAdapter(AddedBase)


def _check(own: bool) -> None:
    if not own:
        raise ValueError(_("it is the record of another base"))


class AddedBases:
    """The records of added bases below one home. Callers hold the lock of the home's bases where they change them."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._directory = home / "bases"

    def all(self) -> tuple[AddedBase, ...]:
        """Return the added bases, sorted by name. Raises BaseError for a record that cannot be read."""
        return tuple(map(self._read, sorted(self._directory.glob(f"[!.]*/{RECORD}"))))

    def find(self, name: str) -> AddedBase | None:
        """Return one added base, None if there is none of that name. Raises BaseError for a record that is damaged."""
        path = self._directory / name / RECORD
        return self._read(path) if name and Path(name).name == name and path.exists() else None

    @staticmethod
    def _read(path: Path) -> AddedBase:
        try:
            found = _codec().validate_json(path.read_bytes(), strict=True)
            _check(found.name == path.parent.name)
        except (OSError, ValueError) as error:
            name, folder = path.parent.name, path.parent
            resolution = _(
                "put the file right, or remove {folder}, with the passwords in it, and add the base again "
                "(`vboxlab base add`)"
            )
            raise BaseError(
                _("the record of the base {name} cannot be read: {path}").format(name=name, path=path),
                details=[line.strip() for line in str(error).splitlines()[:3]],
                resolution=resolution.format(folder=folder),
            ) from error
        return found

    def base(self, added: AddedBase) -> Base:
        """Return what the rest of vboxlab sees of an added base."""
        if not added.user:
            return Base(added.name, Login(""), added.image, prepared=False, digest="")
        directory = self._directory / added.name
        passwords = [path if path.exists() else None for path in (directory / PASSWORD, directory / ROOT_PASSWORD)]
        key = Path(added.key_file) if added.key_file else key_file(self._home)
        return Base(
            added.name, Login(added.user, key, *passwords), added.image, prepared=False, digest="", stock=added.stock
        )

    def write(self, new: NewBase, driver: str) -> AddedBase:
        """Record a base, with its passwords in files that only this user can read."""
        ensure_key(self._home)  # clones of a base with a password get it at the first contact
        key = str(new.key_file.absolute()) if new.key_file else ""
        added = AddedBase(new.name, driver, str(new.origin), new.user, key, new.stock, time.time())
        draft = self._directory / ADDING
        shutil.rmtree(draft, ignore_errors=True)
        make_private_folder(draft)
        try:
            for name, secret in ((PASSWORD, new.password), (ROOT_PASSWORD, new.root_password)):
                if secret is not None:
                    write_durably(draft / name, secret + "\n")
            write_durably(draft / RECORD, json.dumps(added.__dict__))
            publish(draft, self._directory / new.name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return added

    def forget(self, added: AddedBase) -> None:
        """Remove a record with its passwords, such that a killed process leaves no half one under its name."""
        gone = self._directory / GONE
        shutil.rmtree(gone, ignore_errors=True)
        (self._directory / added.name).rename(gone)
        flush_folder(self._directory)
        shutil.rmtree(gone)


def hand_over(new: NewBase, driver: Driver, progress: Progress) -> str:
    """Let the driver have a base's image, and say what was done."""
    origin = new.origin
    if origin.kind == "vm":
        return driver.adopt_image(new.name, origin.what, snapshot=origin.snapshot, progress=progress)
    if origin.kind == "ova":
        driver.import_appliance(new.name, Path(origin.what), progress)
    else:
        driver.import_image(new.name, Path(origin.what), progress=progress)
    return _("{name} was imported from {file}").format(name=new.name, file=origin.what)
