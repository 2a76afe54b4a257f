"""What Heartbeat makes of authkeys (authkeys(5)): it is started, and signs its first packet with the key that it uses.

The number stands in the packet; the method is told by the digest's length; the secret is that word of the file, or that
beginning of one, that the digest (RFC 2104) is right for. `mode-NNNN…` has these rights, all others 0600.
"""

import hmac
import json
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HOSTNAME = "srv-web-theodore"
PROGRAM = "/usr/libexec/heartbeat/heartbeat"
PID_FILE = "/var/run/heartbeat.pid"
FOLDER = Path("/etc/ha.d")
KEYS = FOLDER / "authkeys"
METHODS = {32: "md5", 40: "sha1"}
SIGNED = re.compile(rb"(###\n.*%%%\n)\d+:(\d+) ([0-9a-fA-F]+),", re.DOTALL)
IPV4 = b"\x08\x00"


def meaning(variant: Path, wire: socket.socket) -> object:
    """Return number, method and secret of the key used; None when the program refuses."""
    shutil.copy(variant, KEYS)
    given = re.match(r"mode-([0-7]+)", variant.name)
    KEYS.chmod(int(given[1], 8) if given else 0o600)
    shutil.chown(KEYS, "nobody" if "owner" in variant.name else "root", "root")
    while select.select([wire], [], [], 0)[0]:
        wire.recv(65536)
    script = f"hostname {HOSTNAME}; rm -f {PID_FILE}*; {PROGRAM} >/dev/null 2>&1 || exit; sleep 60"
    own = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    running = subprocess.Popen(own)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if running.poll() is not None:
                return None
            if not select.select([wire], [], [], 0.1)[0]:
                continue
            frame = wire.recv(65536)
            if frame[12:14] == IPV4 and (signed := SIGNED.search(frame)):
                return key_of(variant, *signed.groups())
    finally:
        running.kill()
        running.wait()
        time.sleep(0.1)  # what it started ends a little later
    sys.exit(f"{variant.name}: no packet")


def key_of(variant: Path, signed: bytes, number: bytes, digest: bytes) -> object:
    """Return the key that a packet was signed with."""
    method = METHODS.get(len(digest), "crc")
    if method == "crc":
        return {"number": int(number), "method": method, "secret": ""}
    words = variant.read_bytes().split()
    for word in [each[:end] for each in words for end in range(1, len(each) + 1)]:
        if hmac.new(word, signed, method).hexdigest().encode() == digest.lower():
            return {"number": int(number), "method": method, "secret": word.decode(errors="backslashreplace")}
    sys.exit(f"{variant.name}: signed with no word of the file")


for command in (
    "link add enp0s3 type veth peer name wire",
    "address add 192.168.200.51/24 broadcast + dev enp0s3",
    "link set enp0s3 up",
    "link set wire up",
):
    subprocess.run(["ip", *command.split()], check=True)
FOLDER.mkdir(exist_ok=True)
Path("/var/run/heartbeat").mkdir(exist_ok=True)
(FOLDER / "haresources").write_text(f"{HOSTNAME} apache2\n")
(FOLDER / "ha.cf").write_text(
    f"keepalive 200ms\ndeadtime 5\nbcast enp0s3\nlogfile /tmp/ha-log\nauto_failback on\nnode {HOSTNAME} other\n"
)
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
listener.bind(("wire", 0))
json.dump({each.name: meaning(each, listener) for each in sorted(Path("variants").iterdir())}, sys.stdout)
