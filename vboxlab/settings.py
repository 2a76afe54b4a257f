"""Settings of this host and user: where things are kept, which driver, mirror and proxy to use."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vboxlab.credentials import Address, known
from vboxlab.errors import SettingsInvalid
from vboxlab.files import make_private_folder
from vboxlab.language import N_, Language, _
from vboxlab.pydantic_words import told
from vboxlab.settings_file import ENVIRONMENT_PREFIX, read_settings, settings_path

DEFAULT_MIRROR = "http://deb.debian.org/debian"  # Debian's public one, which its own sources name
_ANOTHER_HOME = N_("set VBOXLAB_HOME to a folder of its own")


class Settings(BaseModel):
    """What a user may set in settings.yaml or through VBOXLAB_… variables (the variable wins)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    home: Path = Field(default_factory=lambda: user_data_path("vboxlab", appauthor=False))
    driver: Literal["auto", "virtualbox", "qemu", "memory"] = "auto"
    jobs: int | None = Field(
        default=None, ge=1, description=N_("concurrent actions; default: number of processors, at least 2")
    )
    mirror: str | None = Field(default=None, repr=False, description=N_("Debian mirror for base build and guests"))
    proxy: str | None = Field(default=None, repr=False, description=N_("HTTP proxy for apt in the guests"))
    language: Language | None = Field(default=None, description=N_("of what is told; default: the locale's"))
    vbox_python: Path | None = Field(default=None, description=N_("interpreter that loads VirtualBox's binding"))
    lock_patience: float = Field(
        default=20.0, ge=0, description=N_("seconds to wait for a VM that another program has locked")
    )
    time_scale: float = Field(default=1.0, gt=0)

    @field_validator("home", "vbox_python")
    @classmethod
    def _can_be_a_path(cls, value: Path | None) -> Path | None:
        if value is not None and "\0" in str(value):
            raise ValueError(_("a path has no NUL in it"))
        return value

    @field_validator("mirror", "proxy")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            _port = urlsplit(value).port
        except ValueError:  # its words may have a part of a password
            raise ValueError(
                _("no URL; in a user's name or password, write / : @ and % as %2F %3A %40 and %25")
            ) from None
        known(Address.of(value).password)
        return value

    @property
    def concurrency(self) -> int:
        """Return how many actions may run at once."""
        return self.jobs or max(2, os.cpu_count() or 2)


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read settings.yaml (it may be absent) and the VBOXLAB_… variables over it.

    Raises SettingsInvalid naming the file or variable, what was expected and the keys that exist.
    """
    path = path or settings_path(environ)
    values = read_settings(path)
    for key in Settings.model_fields:
        variable = ENVIRONMENT_PREFIX + key.upper()
        if environ.get(variable):
            values[key] = environ[variable]
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsInvalid(
            _("settings are not valid"),
            details=[
                _("{subject}: {problem}").format(subject=".".join(map(str, each["loc"])), problem=told(each))
                for each in error.errors()
            ],
            resolution=_("edit {path} or the {prefix}… variables; keys: {keys}").format(
                path=path, prefix=ENVIRONMENT_PREFIX, keys=", ".join(Settings.model_fields)
            ),
        ) from error


def claim_home(home: Path) -> None:
    """Close the home again when others may enter it; whoever makes it closes it from the first moment.

    On Windows a user's folders are his own anyway. Raises SettingsInvalid for a home that belongs to another user, or
    that is open and holds much more than vboxlab's things.
    """
    try:
        found = home.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsInvalid(
            _("{home} cannot be used").format(home=home), details=[str(error)], resolution=_(_ANOTHER_HOME)
        ) from error
    if sys.platform == "win32":
        return
    if found.st_uid != os.geteuid():
        raise SettingsInvalid(
            _("{home} belongs to another user (uid {uid})").format(home=home, uid=found.st_uid),
            details=[_("vboxlab keeps keys and secrets there that are each user's own")],
            resolution=_("run vboxlab as that user, or: {other}").format(other=_(_ANOTHER_HOME)),
        )
    if not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return
    if found.st_mode & stat.S_ISVTX or Path.home().is_relative_to(home.resolve()):
        raise SettingsInvalid(
            _("{home} is open to other users, and too much else is in it for vboxlab to close it").format(home=home),
            resolution=_(_ANOTHER_HOME),
        )
    make_private_folder(home)
