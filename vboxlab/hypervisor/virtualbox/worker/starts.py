"""Which start of a machine was its last one, whoever made it: told by the log that each start begins anew.

IMachine::lastStateChange tells it not: its file has seconds only, and restoring a snapshot sets the two apart (7.2.22).
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

LOG = "VBox.log"  # the last run's; older ones have numbers (VirtualBox manual, "Collecting Debugging Information")
HEADER_BYTES = 1024
OPENED = re.compile(rb"Log opened (\S+)")


def last_power_change(machine: Any, settings: Path, *, running: bool) -> str:
    """Return a word that is another one after each start and each stop, and the same as long as there was none.

    `settings` is the machine's settings file.
    """
    # One call of the API less for each machine of a long list, where VirtualBox was not told to log elsewhere.
    logs = Path(str(machine.logFolder)) if "VBOX_USER_LOGHOME" in os.environ else settings.parent / "Logs"
    return f"{'on' if running else 'off'} {last_start(logs)}".strip()


def last_start(logs: Path) -> str:
    """Return when the machine whose logs are in a folder was last started, "" when it never was."""
    with contextlib.suppress(OSError), (logs / LOG).open("rb") as log:
        found = OPENED.search(log.read(HEADER_BYTES))
        return found[1].decode(errors="replace") if found else ""
    return ""
