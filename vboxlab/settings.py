"""Settings of this host and user: where things are kept, which driver, mirror and proxy to use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vboxlab.credentials import Address, known
from vboxlab.errors import SettingsInvalid
from vboxlab.language import N_, Language, _
from vboxlab.pydantic_words import told
from vboxlab.settings_file import DEFAULT_PATIENCE, ENVIRONMENT_PREFIX, default_home, settings_path, values_in_force

CALLS = 8  # at once; more gain nothing, as VirtualBox's service does most of a call alone
DEFAULT_MIRROR = "http://deb.debian.org/debian"  # Debian's public one, which its own sources name


class Settings(BaseModel):
    """What a user may set in settings.yaml or through VBOXLAB_… variables (the variable wins)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    home: Path = Field(default_factory=default_home)
    driver: Literal["auto", "virtualbox", "qemu", "memory"] = "auto"
    jobs: int | None = Field(
        default=None,
        ge=1,
        description=N_("concurrent actions; default: number of processors, at least 2, or 8 where no guest is started"),
    )
    mirror: str | None = Field(default=None, repr=False, description=N_("Debian mirror for base build and guests"))
    proxy: str | None = Field(default=None, repr=False, description=N_("HTTP proxy for apt in the guests"))
    language: Language | None = Field(default=None, description=N_("of what is told; default: the locale's"))
    vbox_python: Path | None = Field(default=None, description=N_("interpreter that loads VirtualBox's binding"))
    lock_patience: float = Field(
        default=DEFAULT_PATIENCE, ge=0, description=N_("seconds to wait for a VM that another program has locked")
    )
    time_scale: float | None = Field(
        default=None, gt=0, description=N_("of verifications and waits; default: as slow as the guests are")
    )

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

    @property
    def calls(self) -> int:
        """Return how many actions may run at once that no guest runs for: they mostly wait for the hypervisor."""
        return self.jobs or max(CALLS, self.concurrency)


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read settings.yaml (it may be absent) and the VBOXLAB_… variables over it.

    Raises SettingsInvalid naming the file or variable, what was expected and the keys that exist.
    """
    path = path or settings_path(environ)
    values = values_in_force(path, Settings.model_fields, environ)
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
