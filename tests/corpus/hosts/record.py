"""What the C library finds in a hosts file (hosts(5), `hosts: files`): the IPv4 addresses of names.

They are in the order of the file, as gethostbyname(3) returns them; getaddrinfo(3) finds the same ones and sorts them.
"""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ASKED = (
    "srv-web-theodore",
    "srv-web-theodore.mlif.local",
    "srv-web-bis-theodore",
    "srv-web-bis-theodore.mlif.local",
    "localhost",
)


def found(name: str) -> list[str]:
    """Return the IPv4 addresses that a name has, in the order found, each once."""
    try:
        _name, _aliases, addresses = socket.gethostbyname_ex(name)
    except OSError:
        addresses = []
    return list(dict.fromkeys(addresses))


def sorted_by_getaddrinfo(name: str) -> set[str]:
    """Return the addresses that getaddrinfo(3) finds."""
    done = subprocess.run(["getent", "ahostsv4", name], check=False, capture_output=True, text=True)
    return {line.split()[0] for line in done.stdout.splitlines()}


# The C library finds no IPv4 address for a computer that has none itself (AI_ADDRCONFIG).
subprocess.run(["ip", "address", "add", "192.168.200.51/24", "dev", "lo"], check=True)
Path("/etc/nsswitch.conf").write_text("hosts: files\n")
verdicts = {}
for variant in sorted(Path("variants").iterdir()):
    shutil.copy(variant, "/etc/hosts")
    verdicts[variant.name] = {name: found(name) for name in ASKED}
    for name, addresses in verdicts[variant.name].items():
        if set(addresses) != sorted_by_getaddrinfo(name):
            sys.exit(f"{variant.name}: getaddrinfo and gethostbyname disagree about {name}")
json.dump(verdicts, sys.stdout)
