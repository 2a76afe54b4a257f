"""What a verb's driver needs before its first call, begun while the verb is loaded."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from vboxlab.errors import SettingsInvalid
from vboxlab.home import claim_home
from vboxlab.hypervisor import registry
from vboxlab.settings_file import DEFAULT_PATIENCE, default_home, settings_path, values_in_force

_KEYS = ("home", "driver", "vbox_python", "lock_patience")

_begun_at: list[float] = []  # the one moment


def looked_since() -> float | None:
    """Return since when machines may have been looked at (seconds since the epoch), None where they were not."""
    return _begun_at[-1] if _begun_at else None


def begun(driver: str | None) -> AbstractContextManager[None]:
    """Return the block to run a verb in that works with this driver (None: the settings').

    Settings are taken as they are: to judge them is for who opens the driver, and takes longer. Raises nothing.
    """
    try:
        values = values_in_force(settings_path(os.environ), _KEYS, os.environ)
        return _begun(driver or str(values.get("driver", "auto")), values)
    except (SettingsInvalid, OSError, ValueError, TypeError):  # told when they are judged
        return nullcontext()


def _begun(name: str, values: dict[str, Any]) -> AbstractContextManager[None]:
    home, python = (Path(values[key]) if values.get(key) else None for key in ("home", "vbox_python"))
    home = home or default_home()
    claim_home(home)
    _begun_at.append(time.time())
    return registry.begun(name, home, python=python, patience=float(values.get("lock_patience", DEFAULT_PATIENCE)))
