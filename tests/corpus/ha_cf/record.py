"""What Heartbeat makes of ha.cf (ha.cf(5)): `heartbeat -v` reads its files as at a start, prints what it took, ends.

It prints neither the ports nor whom `ucast` and `mcast` speak to: it is started, and its log tells. The computer is the
master of the practical, with the interfaces that its guest has.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HOSTNAME = "srv-web-theodore"
PROGRAM = "/usr/libexec/heartbeat/heartbeat"
PID_FILE = "/var/run/heartbeat.pid"
FOLDER = Path("/etc/ha.d")
TIMES = ("keepalive", "deadtime", "warntime", "initdead")
MEDIA = ("bcast", "ucast", "mcast")
WORDS = {**dict.fromkeys(("true", "yes", "y", "1"), "on"), **dict.fromkeys(("false", "no", "n", "0"), "off")}
LOG = Path("/tmp/ha-log")
STARTED = (
    ("bcast", re.compile(r"UDP Broadcast heartbeat started on port (?P<port>\d+) \S+ interface (?P<interface>\S+)")),
    ("ucast", re.compile(r"ucast: started on port (?P<port>\d+) interface (?P<interface>\S+) to (?P<target>\S+)")),
    ("mcast", re.compile(r"UDP multicast heartbeat started for group (?P<target>\S+) port (?P<port>\d+) "
                         r"interface (?P<interface>\S+)")),
)  # fmt: skip


def milliseconds(value: str) -> int:
    """Return a time as the program counts it (cl_get_msec): seconds without a unit."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]*)[0-9.]*([a-z]*)", value.lower())
    number, unit = found.groups() if found else ("0", "")
    return int(float(number) * {"": 1000, "ms": 1, "msec": 1, "us": 0.001, "usec": 0.001}[unit] + 0.5)


def on_the_master(script: str) -> list[str]:
    """Return the command that runs a script of sh on a computer of that name; what it starts ends with it."""
    return ["unshare", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c", f"hostname {HOSTNAME}\n{script}"]


def meaning(variant: Path) -> object:
    """Return what matters of what the program took; None when it refuses."""
    shutil.copy(variant, FOLDER / "ha.cf")
    done = subprocess.run(on_the_master(f"exec {PROGRAM} -v"), check=False, capture_output=True)
    if done.returncode != 0:
        return None
    lines = done.stdout.decode().splitlines()
    said = [line.split("\t#")[0].split() for line in lines if line and not line.startswith("#")]
    values = {word: rest[0] for word, *rest in said if rest}
    pinged = sorted(rest[0] for word, *rest in said if word == "ping")
    media = started(sum(word in MEDIA for word, *_rest in said))
    if media is None:
        return None
    return {
        **{word: milliseconds(values[word]) for word in TIMES},
        "auto_failback": WORDS.get(values["auto_failback"].lower(), values["auto_failback"].lower()),
        "nodes": sorted(rest[0] for word, *rest in said if word == "node" and rest[0] not in pinged),
        "pinged": pinged,
        "media": sorted(media),
    }


def started(number: int) -> list[list[str]] | None:
    """Start the program; return how it speaks to its peers: kind, interface, port, and to whom. None: it gives up."""
    LOG.write_text("")
    with (FOLDER / "ha.cf").open("ab") as file:
        file.write(f"\nlogfile {LOG}\n".encode())
    running = subprocess.Popen(on_the_master(f"rm -f {PID_FILE}*; {PROGRAM} >/dev/null 2>&1; sleep 60"))
    try:
        for _try in range(200):
            time.sleep(0.05)
            if "cannot open" in LOG.read_text():
                return None
            found = [
                [kind, part["interface"], part["port"], *([part["target"]] if "target" in part.groupdict() else [])]
                for line in LOG.read_text().splitlines()
                for kind, pattern in STARTED
                if (part := pattern.search(line))
            ]
            if len(found) == number:
                return found
    finally:
        running.kill()
        running.wait()
        time.sleep(0.1)  # what it started ends a little later
    sys.exit(f"{number} paths expected: {LOG.read_text()}")


def network() -> None:
    """Make the interfaces of the guest, and the names that it knows."""
    for name, address in (("enp0s3", "192.168.200.51/24"), ("enp0s19", "10.0.9.15/24")):
        for command in (
            ["link", "add", name, "type", "veth", "peer", "name", f"{name}-peer"],
            ["address", "add", address, "broadcast", "+", "dev", name],
            ["link", "set", name, "up"],
            ["link", "set", f"{name}-peer", "up"],
        ):
            subprocess.run(["ip", *command], check=True)
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {HOSTNAME}\n192.168.200.52 srv-web-bis-theodore\n")


network()
FOLDER.mkdir(exist_ok=True)
Path("/var/run/heartbeat").mkdir(exist_ok=True)
(FOLDER / "haresources").write_text(f"{HOSTNAME} apache2\n")
keys = FOLDER / "authkeys"
keys.write_text("auth 1\n1 crc\n")
keys.chmod(0o600)
json.dump({each.name: meaning(each) for each in sorted(Path("variants").iterdir())}, sys.stdout)
