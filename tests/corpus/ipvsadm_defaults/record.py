"""What sh sets when it reads /etc/default/ipvsadm, and what Debian's init script does then: the calls of ipvsadm."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

FILE, CALLS, PROGRAM = "/etc/default/ipvsadm", Path("/tmp/calls"), Path("/sbin/ipvsadm")
# The shell's own.
OWN = {"IFS", "OPTIND", "PATH", "PPID", "PS1", "PS2", "PS4", "PWD", "LINENO", "_", "OLDPWD"}
END = "read to its end"


def variables() -> dict[str, str] | None:
    """Return what the file sets, None where sh gives up."""
    script = f". {FILE}; echo; echo '{END}'; set"
    done = subprocess.run(["/bin/dash", "-c", script], check=False, capture_output=True, env={}, timeout=20)
    _own, found, listed = done.stdout.decode(errors="surrogateescape").partition(f"\n{END}\n")
    if not found:
        return None
    pairs = (word.partition("=") for word in shlex.split(listed))
    return {name: value.encode(errors="surrogateescape").decode(errors="replace")
            for name, _equals, value in pairs if name not in OWN}  # fmt: skip


def calls() -> list[str] | None:
    """Return what the init script calls ipvsadm with, None where it ends because of the file."""
    CALLS.unlink(missing_ok=True)
    command = ["/bin/sh", "/etc/init.d/ipvsadm", "start"]
    done = subprocess.run(command, check=False, capture_output=True, env={"PATH": os.environ["PATH"]}, timeout=20)
    text = CALLS.read_text(errors="replace") if CALLS.exists() else ""
    return text.splitlines() if done.returncode == 0 else None


PROGRAM.write_text(f'#!/bin/sh\n[ "$1" = -R ] && cat >/dev/null\nprintf "[%s]" "$@" >>{CALLS}\necho >>{CALLS}\n')
PROGRAM.chmod(0o755)
verdicts = {}
for variant in sorted(Path("variants").iterdir()):
    shutil.copy(variant, FILE)
    found, does = variables(), calls()
    verdicts[variant.name] = None if found is None or does is None else {"variables": found, "calls": does}
json.dump(verdicts, sys.stdout)
