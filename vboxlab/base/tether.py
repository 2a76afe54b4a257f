"""`python -m vboxlab.base.tether COMMAND…`: a command that ends, with all it started, when standard input is closed.

The parent keeps the other end open for as long as it wants the command. So a parent that is killed takes it along,
which nothing else would do. As the first process of a process namespace, ours takes every process in it along.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from vboxlab import programs

GRACE = 10.0  # seconds between asking a process group to end and killing it


def main() -> int:
    """Run the command of our arguments and return its exit code."""
    process = programs.start(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_watch, args=(process,), daemon=True).start()
    return process.wait()


def _watch(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    if os.getpid() == 1:
        os._exit(1)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
