"""What is shown of a Ctrl-C that Python can raise nowhere."""

from __future__ import annotations

import subprocess
import sys

UNRAISABLE = """
from vboxlab.cli.main import hush_interruptions

class Ends:
    def __init__(self, error):
        self.error = error

    def __del__(self):
        raise self.error

hush_interruptions()
Ends(KeyboardInterrupt())
Ends(ValueError("told"))
"""


def test_a_ctrl_c_in_a_destructor_is_not_shown_as_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", UNRAISABLE], capture_output=True, text=True, check=True)
    assert "KeyboardInterrupt" not in done.stderr
    assert done.stderr.count("Traceback") == 1
    assert "ValueError: told" in done.stderr
