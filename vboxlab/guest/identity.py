"""First contact with a guest: is it the right one, and if it is a fresh clone, make it somebody of its own."""

from __future__ import annotations

import shlex
from pathlib import Path

from vboxlab.errors import GuestError
from vboxlab.guest.executor import Executor
from vboxlab.guest.hostkeys import pin
from vboxlab.guest.role_registry import guest_roles
from vboxlab.language import C_, _
from vboxlab.topology.addressing import MANAGEMENT_INTERFACE

MARKER = "/var/lib/vboxlab/identity"

# Reads only. Prints what tells machines apart: the management NIC's MAC address.
_WHO = f"""\
read -r mac </sys/class/net/{MANAGEMENT_INTERFACE}/address 2>/dev/null || mac=
read -r name </proc/sys/kernel/hostname
echo "$mac"
echo "$name"
"""

# What linked clones of one base share, and must not. Done once: the marker holds the MAC address it was done for, so
# that a clone of a finished machine is made somebody of its own again.
# A machine-id older than the boot came with the base; an empty one is filled at the first boot (machine-id(5)). The
# journal is kept by machine-id, and journald reads it only when it starts.
# sshd reads its new key on SIGHUP (sshd(8)) and goes on serving the connection that this runs in.
_RESET = f"""\
set -eu
umask 022
mac=$1
shift
done_for=
[ ! -r {MARKER} ] || read -r done_for <{MARKER}
if [ "$done_for" != "$mac" ]; then
    while read -r word booted _; do [ "$word" != btime ] || break; done </proc/stat
    if [ "$(stat -c %Y /etc/machine-id)" -lt "$booted" ]; then
        read -r id </proc/sys/kernel/random/uuid
        rest=$id id=
        while [ -n "$rest" ]; do id=$id${{rest%%-*}}; case $rest in *-*) rest=${{rest#*-}} ;; *) rest= ;; esac; done
        echo "$id" >/etc/machine-id.new
        chmod 444 /etc/machine-id.new
        mv -f /etc/machine-id.new /etc/machine-id
        if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
            cp /etc/machine-id /var/lib/dbus/machine-id
        fi
        systemctl restart systemd-journald
    fi
    rm -f /var/lib/dhcp/*.leases /var/lib/dhcp/*.lease
    rm -f "$@"
    rm -f /var/lib/systemd/random-seed
    rm -f /etc/ssh/ssh_host_*
    ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/ssh_host_ed25519_key </dev/null
    mkdir -p {MARKER.rpartition("/")[0]}
    echo "$mac" >{MARKER}
    if [ -r /run/sshd.pid ]; then kill -HUP "$(cat /run/sshd.pid)"; else systemctl restart ssh; fi
fi
read -r kind key _ </etc/ssh/ssh_host_ed25519_key.pub
echo "$kind $key"
"""


def check_identity(executor: Executor, mac: str) -> None:
    """Check that the guest is the machine whose management adapter has this MAC address (12 hexadecimal digits).

    Nothing is changed. Raises GuestError when another guest answers, as happens when two forwarded ports clash.
    """
    found = executor.run(_WHO)
    address, name, *_rest = [*found.stdout.splitlines(), "", ""]
    if address.replace(":", "").upper() == mac.upper():
        return
    raise GuestError(
        _("{machine}: another guest answers in its place").format(machine=executor.machine),
        details=[
            _("host name {name}, {interface} has the MAC address {address}").format(
                name=name or C_("host name", "unknown"),
                interface=MANAGEMENT_INTERFACE,
                address=address or C_("MAC address", "(none)"),
            ),
            _("expected {address}").format(address=_colons(mac)),
        ],
        resolution=_("stop the machine or program that holds the forwarded port, then try again"),
    )


def take_identity(executor: Executor, mac: str, known_hosts: Path) -> None:
    """Check who answers; give a fresh clone machine-id, host key, leases of its own, once; pin its host key.

    The connection stays usable; the next one meets the pinned key. Raises GuestError when another guest answers or
    the reset fails.
    """
    check_identity(executor, mac)
    of_roles = [path for role in guest_roles().values() for path in role.identity_files]
    found = executor.run(f"set -- {shlex.join([mac.upper(), *of_roles])}\n{_RESET}", root=True, timeout=120)
    key = found.stdout.strip().splitlines()[-1:]
    if found.exit_code != 0 or not key or not key[0].startswith("ssh-"):
        raise GuestError(
            _("{machine}: the clone's identity could not be reset").format(machine=executor.machine),
            details=found.stderr.strip().splitlines()[-3:],
            resolution=_("can the user of the base become root without being asked?"),
        )
    pin(known_hosts, executor.machine, key[0])


def _colons(mac: str) -> str:
    return ":".join(mac[i : i + 2] for i in range(0, len(mac), 2)).lower()
