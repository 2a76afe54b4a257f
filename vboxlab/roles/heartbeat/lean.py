"""What makes a takeover fast: Heartbeat's own scripts kept, but without the processes that they need not start."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.resources import Command, File, Resource

# Heartbeat calls: FloatingAddress ADDRESS/PREFIX/INTERFACE start|stop|status, and reads "running" or "stopped".
FLOATING_ADDRESS = """\
#!/bin/sh
# Floating address for Heartbeat: FloatingAddress::ADDRESS/PREFIX/INTERFACE in haresources.
# Does what IPaddr does (alias INTERFACE:0, gratuitous ARP) with as few processes as possible; a line in the
# kernel's log takes none. busybox is one file without libraries, and starts three times sooner than ip and send_arp;
# where it is missing, or lacks one of the two, they do it.
address=${1%%/*}
rest=${1#*/}
interface=${rest#*/}

held() {
    case $(ip -o -4 addr show dev "$interface" to "$address") in
        "") return 1 ;;
    esac
}

case $2 in
    start)
        set -- addr add "$address/${rest%%/*}" dev "$interface" label "$interface:0"
        busybox ip "$@" 2>/dev/null || ip "$@" 2>/dev/null || held || exit 1
        busybox arping -q -U -c 1 -w 1 -I "$interface" "$address" >/dev/null 2>&1 &
        echo "FloatingAddress: $address is set on $interface" >/dev/kmsg
        /usr/libexec/heartbeat/send_arp -i 200 -r 5 "$interface" "$address" auto not_used not_used \\
            >/dev/null 2>&1 &
        ;;
    stop)
        ip addr del "$address/${rest%%/*}" dev "$interface" 2>/dev/null || ! held || exit 1
        ;;
    status | monitor)
        if held; then echo running; else echo stopped; fi
        ;;
    *)
        echo "usage: $0 ADDRESS/PREFIX/INTERFACE start|stop|status" >&2
        exit 1
        ;;
esac
"""

# harc, rc.d/status, mach_down and ResourceManager each read shellfuncs, one after the other in every takeover; the
# packaged one reads the whole OCF library and starts some twenty processes each time. Scripts that need that library
# (IPaddr, through hto-mapfuncs) read it themselves.
# On a "dead" message Heartbeat runs harc, that rc.d/status, that mach_down, that ResourceManager (three times): some
# hundred processes before the address is there. harc reads this first, so that the address is there after three. What
# is left to do finds it taken, and steps back behind the service, whose first answers it would slow down otherwise.
LEAN_FUNCTIONS = """\
# Heartbeat's shell functions without the OCF library: what a takeover of an address needs.
# The packaged file is kept as shellfuncs.packaged.
: "${HA_DIR:=/etc/ha.d}"

# Heartbeat has declared a node dead: its floating addresses are taken over before anything else is read or started.
# Then mach_down, all that rc.d/status would run, does Heartbeat's own book-keeping.
if [ "${0##*/}:$1:$HA_st" = harc:status:dead ] && [ "$HA_src" != "$HA_CURHOST" ]; then
    taken=
    while read -r node resources || [ -n "$node" ]; do
        [ "$node" = "$HA_src" ] || continue
        for resource in $resources; do
            case $resource in
                FloatingAddress::*)
                    (set -- "${resource#*::}" start && . "$HA_DIR/resource.d/FloatingAddress") && taken=y
                    ;;
            esac
        done
    done <"$HA_DIR/haresources"
    [ -z "$taken" ] || exec nice -n 19 "${HA_NOARCHBIN:-/usr/share/heartbeat}/mach_down" "$HA_src"
fi

# At that moment Heartbeat asks which resources are its own, too: told without the dozen processes that ResourceManager
# starts for it, as long as haresources has no comment, no continued line and no capital in a node's name.
if [ "${0##*/}:$1" = ResourceManager:listkeys ]; then
    plain=y keys=
    while read -r node first rest || [ -n "$node" ]; do
        case "$node $first $rest" in *[\\#]*) plain= ;; esac
        case $node in
            "$2") keys="$keys$first
" ;;
            *[A-Z]*) plain= ;;
        esac
    done <"$HA_DIR/haresources"
    if [ -n "$plain" ]; then
        printf %s "$keys"
        exit 0
    fi
fi

: "${HA_RCDIR:=/etc/ha.d/rc.d}" "${HA_CF:=/etc/ha.d/ha.cf}" "${HA_FUNCS:=/etc/ha.d/shellfuncs}"
: "${HA_BIN:=/usr/libexec/heartbeat}" "${HA_SBIN_DIR:=/usr/sbin}" "${HA_NOARCHBIN:=/usr/share/heartbeat}"
: "${HA_FIFO:=/var/lib/heartbeat/fifo}" "${HA_RESOURCEDIR:=/etc/ha.d/resource.d}" "${HA_DATEFMT:=%b %d %T }"
: "${HA_DEBUGLOG:=/dev/null}" "${HA_DOCDIR:=/usr/share/doc/heartbeat}" "${HA_LOGFACILITY:=local0}"
export HA_DIR HA_RCDIR HA_CF HA_FUNCS HA_BIN HA_FIFO HA_RESOURCEDIR HA_DATEFMT HA_DEBUGLOG HA_DOCDIR HA_LOGFACILITY
PATH=$HA_BIN:$HA_SBIN_DIR:$HA_NOARCHBIN:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

# Each line in the journal costs a process: what only informs goes to a file.
ha_log() {
    case $1 in
        info:* | debug:*) echo "${0##*/}[$$]: $*" >>/var/log/ha-log ;;
        *) logger -t "${0##*/}[$$]" -p "$HA_LOGFACILITY.notice" -- "$*" ;;
    esac
}

ha_debug() {
    [ "${HA_debug:-0}" = 0 ] || ha_log "$@"
}

# The message must reach the pipe in one piece.
ha_clustermsg() {
    message=$(cat)
    printf '>>>\\n%s\\n<<<\\n' "$message" >>"$HA_FIFO"
}

ha_parameter() {
    sed -n "s/^[[:space:]]*$1[[:space:]][[:space:]]*//p" "$HA_CF"
}
"""


_SHELL_FUNCTIONS = ("shell functions", "/etc/ha.d/shellfuncs")
_STATUS_SCRIPT = ("status script", "/etc/ha.d/rc.d/status")  # was lean once; labs of before get the packaged one back


def lean_heartbeat() -> Iterable[Resource]:
    """Return the lean resource script and shell functions; the packaged ones are kept beside them."""
    yield File("/etc/ha.d/resource.d/FloatingAddress", FLOATING_ADDRESS, mode=0o755)
    name, path = _SHELL_FUNCTIONS
    yield File(f"{path}.lean", LEAN_FUNCTIONS)
    swap = f"[ -L {path} ] || mv {path} {path}.packaged; ln -sfn {path}.lean {path}"
    yield Command(f"lean {name}", run=("sh", "-c", swap), unless=("test", path, "-ef", f"{path}.lean"))
    yield _packaged(*_STATUS_SCRIPT)


def packaged_heartbeat() -> Iterable[Resource]:
    """Return what puts the packaged files back where the lean ones were."""
    yield _packaged(*_SHELL_FUNCTIONS)
    yield _packaged(*_STATUS_SCRIPT)


def _packaged(name: str, path: str) -> Command:
    packaged = f"{path}.packaged"
    return Command(f"packaged {name}", run=("mv", "-f", packaged, path), unless=("test", "!", "-e", packaged))
