"""What the C library finds in a hosts file (hosts(5), `hosts: files`): who each name is, and who each address is."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ASKED = ("srv-web-theodore", "srv-web-theodore.mlif.local", "srv-web-bis-theodore", "localhost")


def found(word: str) -> list[str]:
    """Return the IPv4 addresses that a name has, in the order found."""
    done = subprocess.run(["getent", "ahostsv4", word], check=False, capture_output=True, text=True)
    return list(dict.fromkeys(line.split()[0] for line in done.stdout.splitlines()))


# The C library finds no IPv4 address for a computer that has none itself (AI_ADDRCONFIG).
subprocess.run(["ip", "address", "add", "192.168.200.51/24", "dev", "lo"], check=True)
Path("/etc/nsswitch.conf").write_text("hosts: files\n")
verdicts = {}
for variant in sorted(Path("variants").iterdir()):
    shutil.copy(variant, "/etc/hosts")
    verdicts[variant.name] = {word: found(word) for word in ASKED}
json.dump(verdicts, sys.stdout)
