"""What files of sysctl.d(5) set: `boot`, by systemd-sysctl(8); `load` and `system`, by `sysctl -p` and `--system`.

Each in a network name space of its own, whose settings are as the kernel begins. Debian's own files stand aside: they
say nothing of what is asked, and would set the kernel of the host.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ASKED = "/proc/sys/net/ipv4/ip_forward"
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
CONF, LINK = Path("/etc/sysctl.conf"), Path("/etc/sysctl.d/99-sysctl.conf")
PROGRAMS = {
    "boot": ["/lib/systemd/systemd-sysctl"],
    "load": ["sysctl", "-q", "-p"],
    "system": ["sysctl", "-q", "--system"],
}


def after(program: list[str]) -> str:
    """Return the value after a program has run: 0, or 1 for whatever else forwards."""
    # It forwards nothing at first, whatever the host does (devconf_inherit_init_net of the kernel's ip-sysctl).
    shell = ["sh", "-c", f'echo 0 >{ASKED}; "$@" >&2; exec cat {ASKED}', "sh", *program]
    done = subprocess.run(["unshare", "--net", *shell], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return "0" if done.stdout.strip() == b"0" else "1"


assert LINK.readlink() == Path("../sysctl.conf"), "Debian's link is another one"
for folder in FOLDERS:
    Path(folder).mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
verdicts = {}
for variant in sorted(Path("variants").iterdir()):
    for folder in FOLDERS:
        for old in Path(folder).iterdir():
            old.unlink()
    CONF.unlink(missing_ok=True)
    LINK.symlink_to("../sysctl.conf")
    for path in sorted(each for each in variant.rglob("*") if each.is_file()):
        target = Path("/") / path.relative_to(variant)
        target.unlink(missing_ok=True)
        shutil.copy(path, target)
    verdicts[variant.name] = {name: after(program) for name, program in PROGRAMS.items()}
CONF.unlink(missing_ok=True)
json.dump(verdicts, sys.stdout)
