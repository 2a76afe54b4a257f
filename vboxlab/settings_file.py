"""The user's settings file as keys and values, read without what judges them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_config_path, user_data_path

from vboxlab.errors import SettingsInvalid
from vboxlab.language import _
from vboxlab.yaml_words import what_is_wrong

ENVIRONMENT_PREFIX = "VBOXLAB_"
DEFAULT_PATIENCE = 20.0  # seconds to wait for a VM that another program has locked


def default_home() -> Path:
    """Return where vboxlab keeps its things unless the user says otherwise."""
    return user_data_path("vboxlab", appauthor=False)


def settings_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's settings file is looked for."""
    return Path(environ.get("VBOXLAB_SETTINGS") or user_config_path("vboxlab", appauthor=False) / "settings.yaml")


def read_settings(path: Path) -> dict[str, Any]:
    """Return what a settings file says; nothing when there is none. Raises SettingsInvalid when it cannot be read."""
    if not path.is_file():
        return {}
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsInvalid(_("{path}: cannot be read").format(path=path), details=[str(error)]) from error
    # PyYAML lets through what its constructors raise, such as ValueError for a date that does not exist.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise SettingsInvalid(_("{path}: not valid YAML").format(path=path), details=[what_is_wrong(error)]) from error
    if loaded is not None and not isinstance(loaded, dict):
        raise SettingsInvalid(_("{path}: expected keys and values at the top level").format(path=path))
    return {str(key): value for key, value in (loaded or {}).items()}


def values_in_force(path: Path, keys: Iterable[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what a settings file says, and the VBOXLAB_… variables of these keys over it. Raises as read_settings."""
    values = read_settings(path)
    given = {key: environ.get(ENVIRONMENT_PREFIX + key.upper()) for key in keys}
    return {**values, **{key: value for key, value in given.items() if value}}
