"""What nsswitch.conf(5) lets the C library find: a name of /etc/hosts, one that DNS knows, and one that both know.

A small name server answers for DNS on the loopback. Each file is tried by a process of its own, as it is read once.
"""

import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

NAMES = {"files": "in-files.mlif.local", "dns": "in-dns.mlif.local", "both": "in-both.mlif.local"}
HOSTS, DNS = "192.168.200.1", "192.168.200.2"
ASK = (
    "import json, socket, sys\n"
    "def found(name):\n"
    "    try: return sorted({found[4][0] for found in socket.getaddrinfo(name, None, socket.AF_INET)})\n"
    "    except OSError: return []\n"
    "print(json.dumps({name: found(name) for name in sys.argv[1:]}))\n"
)


def answer(server: socket.socket) -> None:
    """Answer questions about names (RFC 1035): DNS for those that have `dns` or `both` in them, no such name else."""
    while True:
        question, asker = server.recvfrom(4096)
        end = question.index(b"\0", 12) + 5
        known = b"in-dns" in question[12:end] or b"in-both" in question[12:end]
        is_answered = known and question[end - 4 : end - 2] == b"\0\1"
        head = question[:2] + (b"\x85\x80" if known else b"\x85\x83") + b"\0\1" + (b"\0\1" if is_answered else b"\0\0")
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(DNS) if is_answered else b""
        server.sendto(head + b"\0\0\0\0" + question[12:end] + record, asker)


listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listening.bind(("127.0.0.1", 53))
threading.Thread(target=answer, args=(listening,), daemon=True).start()
subprocess.run(["ip", "address", "add", "192.168.200.51/24", "dev", "lo"], check=True)
Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
Path("/etc/hosts").write_text(f"{HOSTS} {NAMES['files']}\n{HOSTS} {NAMES['both']}\n")
verdicts = {}
for variant in sorted(Path("variants").iterdir()):
    shutil.copy(variant, "/etc/nsswitch.conf")
    asked = [sys.executable, "-c", ASK, *NAMES.values()]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    answers = json.loads(done.stdout) if done.returncode == 0 else None  # the library itself may crash
    verdicts[variant.name] = answers and {word: answers[name] for word, name in NAMES.items()}
json.dump(verdicts, sys.stdout)
