"""Sessions that several threads of a worker open at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROCESSES = 60
# Opens the first sessions of a process in eight threads at once, and says what each knows of its session.
OPENER = """
import os, threading
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
connection, together, known = Connection(), threading.Barrier(8), []
def open_one():
    connection.vbox
    together.wait()
    known.append(hasattr(connection.session(), "state"))
threads = [threading.Thread(target=open_one) for _ in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print(known.count(True), flush=True)
os._exit(0)
"""


@pytest.mark.usefixtures("world")
def test_the_first_sessions_of_several_threads_are_known_as_sessions() -> None:
    environment = {**os.environ, "VBOX_PROGRAM_PATH": "/usr/lib/virtualbox", "VBOX_SDK_PATH": "/usr/lib/virtualbox/sdk"}
    known = [
        subprocess.run(
            [sys.executable, "-c", OPENER], env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
        ).stdout.strip()
        for _ in range(PROCESSES)
    ]
    assert known == ["8"] * PROCESSES
