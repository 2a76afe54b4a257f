"""A lean resource script for Heartbeat: what IPaddr does, with a few forks instead of some hundred."""

from __future__ import annotations

# Heartbeat calls: FloatingAddress ADDRESS/PREFIX/INTERFACE start|stop|status, and reads "running" or "stopped".
FLOATING_ADDRESS = """\
#!/bin/sh
# Floating address for Heartbeat: FloatingAddress::ADDRESS/PREFIX/INTERFACE in haresources.
# Does what IPaddr does (alias INTERFACE:0, gratuitous ARP) with as few processes as possible.
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
        ip addr add "$address/${rest%%/*}" dev "$interface" label "$interface:0" 2>/dev/null || held || exit 1
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
