"""Settings of this host and user: where things are kept, which driver, mirror and proxy to use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from platformdirs import user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vboxlab.errors import SettingsInvalid

ENVIRONMENT_PREFIX = "VBOXLAB_"
DEFAULT_MIRROR = "http://deb.debian.org/debian"  # Debian's public one, which its own sources name
Language = Literal["en", "fr"]


class Settings(BaseModel):
    """What a user may set in settings.yaml or through VBOXLAB_… variables (the variable wins)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    home: Path = Field(default_factory=lambda: user_data_path("vboxlab", appauthor=False))
    driver: Literal["auto", "virtualbox", "qemu", "memory"] = "auto"
    jobs: int | None = Field(
        default=None, ge=1, description="concurrent actions; default: number of processors, at least 2"
    )
    mirror: str | None = Field(default=None, description="Debian mirror for base build and guests")
    proxy: str | None = Field(default=None, description="HTTP proxy for apt in the guests")
    language: Language | None = Field(default=None, description="of explain and check; default: the locale's")
    vbox_python: Path | None = Field(default=None, description="interpreter that loads VirtualBox's binding")
    lock_patience: float = Field(
        default=20.0, ge=0, description="seconds to wait for a VM that another program has locked"
    )
    time_scale: float = Field(default=1.0, gt=0)

    @field_validator("home", "vbox_python")
    @classmethod
    def _can_be_a_path(cls, value: Path | None) -> Path | None:
        if value is not None and "\0" in str(value):
            raise ValueError("a path has no NUL in it")
        return value

    @property
    def concurrency(self) -> int:
        """Return how many actions may run at once."""
        return self.jobs or max(2, os.cpu_count() or 2)


def settings_path() -> Path:
    """Return where the user's settings file is looked for."""
    return user_config_path("vboxlab", appauthor=False) / "settings.yaml"


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read settings.yaml (it may be absent) and the VBOXLAB_… variables over it.

    Raises SettingsInvalid naming the file or variable, what was expected and the keys that exist.
    """
    path = path or Path(environ.get("VBOXLAB_SETTINGS", settings_path()))
    values: dict[str, Any] = {}
    if path.is_file():
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsInvalid(f"{path}: cannot be read", details=[str(error)]) from error
        # PyYAML lets through what its constructors raise, such as ValueError for a date that does not exist.
        except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise SettingsInvalid(f"{path}: not valid YAML", details=[str(error)]) from error
        if loaded is not None and not isinstance(loaded, dict):
            raise SettingsInvalid(f"{path}: expected keys and values at the top level")
        values.update({str(key): value for key, value in (loaded or {}).items()})
    for key in Settings.model_fields:
        variable = ENVIRONMENT_PREFIX + key.upper()
        if environ.get(variable):
            values[key] = environ[variable]
    try:
        return Settings(**values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise SettingsInvalid(
            "settings are not valid",
            details=problems,
            resolution=f"edit {path} or the {ENVIRONMENT_PREFIX}… variables; keys: {', '.join(Settings.model_fields)}",
        ) from error
