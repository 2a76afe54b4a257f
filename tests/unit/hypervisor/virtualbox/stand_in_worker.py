"""What stand-ins for VirtualBox's worker say, as lines of the protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker.protocol import Failure, Greeting, Message, Progressed, encode, failed
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatim


def put_worker(folder: Path, script: str) -> Path:
    """Put what stands for an installation of VirtualBox and for a worker into a folder, and return the worker."""
    (folder / "VBoxSVC").touch()
    worker = folder / "worker.py"
    worker.write_text(script)
    worker.chmod(0o755)
    return worker


def line(message: Message) -> str:
    """Return the line of a message, without its end."""
    return encode(message).decode().strip()


def failure(kind: str, text: str, *, holder: int | None = None) -> dict[str, Any]:
    """Return the fields of a failure, to be said with the id of a call."""
    fields: dict[str, Any] = json.loads(line(failed(0, Failure(kind, verbatim(text), holder=holder))))
    return fields


def begins(doing: Told) -> str:
    """Return the line of a worker that begins something before it can be called."""
    return line(Progressed(0, doing, None))


GREETING = line(Greeting("7.2.4", "7_2", "3.11.7", "python3", "vboxapi", 1))
