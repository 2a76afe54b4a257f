"""The first contact with a stock Debian, over its adapter 1: what it needs to be reached as all others are."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace

from vboxlab.errors import GuestError
from vboxlab.guest.executor import Executor
from vboxlab.guest.ssh import Access
from vboxlab.language import C_, N_, NC_, _
from vboxlab.topology.addressing import (
    MANAGEMENT_ADDRESS,
    MANAGEMENT_FILE,
    MANAGEMENT_INTERFACE,
    MANAGEMENT_STANZA,
)

SECONDS = 300.0  # of which installing sudo takes most
NO_IFUPDOWN, NO_SUDO, NO_ADDRESS = 21, 22, 23
# What the script says that it did.
_ADDRESS, _SUDO = NC_("introduced", "management address"), NC_("introduced", "sudo installed")
_RULE, _KEY = NC_("introduced", "sudo without a password"), NC_("introduced", "key")
_NOTHING = NC_("introduced", "nothing left to do")

# Run as root; $1 is the user, $2 a public key or empty. VBOXLAB_ROOT is for tests.
# The media that Debian was installed from are no longer there, and apt-get update fails over them.
_SCRIPT = f"""\
set -eu
umask 022
LC_ALL=C DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND
root=${{VBOXLAB_ROOT-}}
done=
command -v ifup >/dev/null || exit {NO_IFUPDOWN}
if ! grep -Eqs '^[[:space:]]*source(-directory)?[[:space:]]+/etc/network/interfaces\\.d' \\
    "$root/etc/network/interfaces"; then
    printf '\\nsource /etc/network/interfaces.d/*\\n' >>"$root/etc/network/interfaces"
fi
mkdir -p "$root/etc/network/interfaces.d"
if ! printf %s {shlex.quote(MANAGEMENT_STANZA)} | cmp -s - "$root{MANAGEMENT_FILE}"; then
    printf %s {shlex.quote(MANAGEMENT_STANZA)} >"$root{MANAGEMENT_FILE}"
    done="$done, {_ADDRESS}"
fi
if [ -f "$root/etc/apt/sources.list" ]; then sed -i 's/^deb cdrom:/# &/' "$root/etc/apt/sources.list"; fi
if [ "$1" != root ]; then
    if ! command -v sudo >/dev/null; then
        {{ apt-get -q update && apt-get -q -y --no-install-recommends install sudo; }} >&2 </dev/null || exit {NO_SUDO}
        done="$done, {_SUDO}"
    fi
    rule="$root/etc/sudoers.d/vboxlab"
    if [ ! -e "$rule" ]; then
        mkdir -p "$root/etc/sudoers.d"
        printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\\n' "$1" >"$rule.new"
        chmod 440 "$rule.new"
        mv -f "$rule.new" "$rule"
        done="$done, {_RULE}"
    fi
fi
if [ -n "$2" ]; then
    home=$root$(getent passwd "$1" | cut -d: -f6)
    keys=$home/.ssh/authorized_keys
    if ! grep -Fxqs "$2" "$keys"; then
        mkdir -p -m 700 "$home/.ssh"
        # A last line without an end must not swallow the key.
        if [ -s "$keys" ] && [ -n "$(tail -c 1 "$keys")" ]; then echo >>"$keys"; fi
        printf '%s\\n' "$2" >>"$keys"
        chmod 600 "$keys"
        chown -R "$1": "$home/.ssh"
        done="$done, {_KEY}"
    fi
fi
case $(ip -br -4 addr show dev {MANAGEMENT_INTERFACE}) in
    *" {MANAGEMENT_ADDRESS} "* | *" {MANAGEMENT_ADDRESS}") ;;
    *)
        ifdown --force {MANAGEMENT_INTERFACE} >/dev/null 2>&1 </dev/null || true
        ip -4 addr flush dev {MANAGEMENT_INTERFACE}
        ifup {MANAGEMENT_INTERFACE} >&2 </dev/null || exit {NO_ADDRESS}
        ;;
esac
sync
echo "introduced${{done:-, {_NOTHING}}}"
"""

_PROBLEMS = {
    NO_IFUPDOWN: (
        N_("{machine}: its guest has no ifupdown, which vboxlab configures networks with"),
        N_("install it in the base: apt install ifupdown, with the interfaces in /etc/network/interfaces"),
    ),
    NO_SUDO: (
        N_("{machine}: its guest has no sudo, and it could not be installed"),
        N_("install it in the base (as root: apt install sudo), or let this computer reach the Internet"),
    ),
    NO_ADDRESS: (
        N_("{machine}: {interface} did not get its address"),
        N_("does something else configure it in the base?"),
    ),
}
_OTHER_PROBLEM = (
    N_("{machine}: its guest could not be prepared"),
    N_("is it a Debian with ifupdown and sudo?"),
)


def ways_to_root(access: Access, root_password: Callable[[], str] | None) -> Iterator[Access]:
    """Yield the ways in which a user may become root, those that need no password first."""
    yield access
    if access.user == "root":
        return
    if access.password is not None:
        yield replace(access, root_password=access.password)
    if root_password is not None:
        yield replace(access, root_by="su", root_password=root_password)


def introduce(executor: Executor, user: str, public_key: str | None, *, time_scale: float = 1.0) -> str:
    """Give the guest its management address, the user sudo rights and the key; return what was changed.

    Raises GuestError saying what the base lacks.
    """
    script = f"set -- {shlex.quote(user)} {shlex.quote(public_key or '')}\n{_SCRIPT}"
    found = executor.run(script, root=True, timeout=SECONDS * max(1.0, time_scale))
    lines = found.stdout.strip().splitlines()
    if found.exit_code == 0 and lines and lines[-1].startswith("introduced, "):
        return ", ".join(C_("introduced", done) for done in lines[-1].removeprefix("introduced, ").split(", "))
    brief, resolution = _PROBLEMS.get(found.exit_code, _OTHER_PROBLEM)
    raise GuestError(
        _(brief).format(machine=executor.machine, interface=MANAGEMENT_INTERFACE),
        details=found.stderr.strip().splitlines()[-4:],
        resolution=_(resolution),
    )
