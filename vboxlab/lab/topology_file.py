"""Where the file of a lab's topology lies, when it was brought up from one that its name does not find.

No state of the lab: its machines' marks say which topology it is in, and a file that is gone or says another lab is no
more than one that nobody finds.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from vboxlab.files import read_json, write_durably
from vboxlab.lab.directory import LabDirectory


def note_file(directory: LabDirectory, topology: str, file: Path | None) -> None:
    """Keep where the topology of a lab lies; None where its name finds it. Raises OSError."""
    if file is None:
        directory.topology.unlink(missing_ok=True)
    elif noted_file(directory, topology) != file:
        directory.ensure()
        write_durably(directory.topology, json.dumps({"version": 1, "topology": topology, "file": str(file)}) + "\n")


def noted_file(directory: LabDirectory, topology: str) -> Path | None:
    """Return where the topology of a lab lies, by its name; None where nothing else is known."""
    with suppress(OSError, ValueError):
        found = read_json(directory.topology)
        if isinstance(found, dict) and found.get("topology") == topology and isinstance(found.get("file"), str):
            return Path(found["file"])
    return None
