"""What systemd makes of /etc/hostname (hostname(5)): its own function, which process 1 and hostnamed read it with."""

import ctypes
import json
import shutil
import sys
from pathlib import Path

(library,) = Path("/usr/lib").glob("*/systemd/libsystemd-shared-*.so")
read_etc_hostname = ctypes.CDLL(str(library)).read_etc_hostname


def meaning(path: Path) -> "str | None":
    """Return the name in a file: None where systemd takes none from it."""
    shutil.copy(path, "/etc/hostname")
    name = ctypes.c_char_p()
    failed = read_etc_hostname(b"/etc/hostname", ctypes.byref(name)) < 0
    return None if failed or name.value is None else name.value.decode()


verdicts = {variant.name: meaning(variant) for variant in sorted(Path("variants").iterdir())}
json.dump(verdicts, sys.stdout)
