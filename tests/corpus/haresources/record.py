"""What Heartbeat makes of haresources: whether it starts (`heartbeat -v`), and what a node has that took them.

At its start a node asks ResourceManager for the keys of its own lines, and takes the group of each; when its peer is
dead, those of the peer's lines (mach_down). Services are scripts in /etc/init.d that run when they were started; the
address is IPaddr's own work on the interface of the guest.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

NODES = ("srv-web-theodore", "srv-web-bis-theodore")
FOLDER = Path("/etc/ha.d")
PROGRAM = "/usr/libexec/heartbeat/heartbeat"
RUNNING = Path("/tmp/running")
STATES = (Path("/var/run/heartbeat/rsctmp"), Path("/var/run/resource-agents"))
OWN = "192.168.200.51/24"
SERVICES = ("apache2", "cron")
SERVICE = f"""#!/bin/sh
# Some start without their arguments, and so does this one.
name=${{0##*/}}
for verb; do :; done
case $verb in
    start) grep -qx "$name" {RUNNING} || echo "$name" >>{RUNNING} ;;
    stop) sed -i "/^$name\\$/d" {RUNNING} ;;
    status) if grep -qx "$name" {RUNNING}; then echo running; else echo stopped; fi ;;
    *) exit 2 ;;
esac
"""
TAKE = """
export HA_CURHOST="$1" HA_RESOURCEDIR=/etc/ha.d/resource.d HA_DEBUGLOG=/tmp/ha-debug
export HA_LOGFILE=/tmp/ha-log HA_STOPRETRYMAX=1
manager=/usr/share/heartbeat/ResourceManager
for key in $($manager listkeys "$1"); do $manager takegroup "$key" </dev/null >/dev/null 2>&1; done
"""


def apart(*command: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as the master; what it starts ends with it."""
    script = f'hostname {NODES[0]}; "$@"; exit $?'
    own = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"]
    return subprocess.run([*own, *command], check=False, capture_output=True)


def addresses() -> list[list[str]]:
    """Return the addresses that the interfaces have beside their own: prefix length, interface, broadcast, label."""
    done = subprocess.run(["ip", "-json", "-4", "address", "show"], check=True, capture_output=True, text=True)
    return [
        [f"{each['local']}/{each['prefixlen']}", link["ifname"], each.get("broadcast", ""), each["label"]]
        for link in json.loads(done.stdout)
        for each in link["addr_info"]
        if f"{each['local']}/{each['prefixlen']}" not in (OWN, "127.0.0.1/8")
    ]


def taken(node: str) -> dict[str, object]:
    """Return what there is when the resources of a node's lines were taken."""
    RUNNING.write_text("")
    for state in STATES:  # process numbers, which mean others in the next name space
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
    apart("sh", "-c", TAKE, "sh", node)
    found = {"addresses": addresses(), "services": RUNNING.read_text().split()}
    for address, interface, _broadcast, _label in addresses():
        subprocess.run(["ip", "address", "del", address, "dev", interface], check=True)
    return found


def meaning(variant: Path) -> object:
    """Return what is taken for each node; None when Heartbeat refuses to start."""
    shutil.copy(variant, FOLDER / "haresources")
    if apart(PROGRAM, "-v").returncode != 0:
        return None
    return {node: taken(node) for node in NODES}


for command in (
    "link add enp0s3 type veth peer name wire",
    f"address add {OWN} broadcast + dev enp0s3",
    "link set enp0s3 up",
    "link set wire up",
    "route add default via 192.168.200.254",
):
    subprocess.run(["ip", *command.split()], check=True)
FOLDER.mkdir(exist_ok=True)
Path("/var/run/heartbeat").mkdir(exist_ok=True)
for name in SERVICES:
    script = Path("/etc/init.d") / name
    script.write_text(SERVICE)
    script.chmod(0o755)
(FOLDER / "ha.cf").write_text(f"bcast enp0s3\nlogfile /tmp/ha-log\nauto_failback on\nnode {' '.join(NODES)}\n")
keys = FOLDER / "authkeys"
keys.write_text("auth 1\n1 crc\n")
keys.chmod(0o600)
json.dump({each.name: meaning(each) for each in sorted(Path("variants").iterdir())}, sys.stdout)
