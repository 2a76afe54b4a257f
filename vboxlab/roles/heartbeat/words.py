"""What is said of a node of a cluster."""

from __future__ import annotations

from vboxlab.guest.wording import Texts
from vboxlab.language import N_, NC_

FOUND: Texts = {
    "service-at-boot": N_("{service} starts at boot, beside Heartbeat"),
    "hacf-node": N_(
        "the nodes are {found}, but this machine is called {hostname} (`uname -n`): Heartbeat refuses to start"
    ),
    "hacf-nodes": N_("the nodes are {found}"),
    "hacf-interface": N_("the heartbeat goes through {found}"),
    "hacf-value": N_("{word} is {found}"),
    "hacf-missing": N_("there is no `{word}`"),
    "haresources-empty": N_("it names no resource"),
    "haresources-node": N_("the master is {found}"),
    "haresources-no-address": N_("there is no floating address"),
    "haresources-address-incomplete": N_(
        "{found} has no prefix length and interface: IPaddr does not find its interface"
    ),
    "haresources-address": N_("the floating address is {found}"),
    "haresources-service": N_("{found} is no service: Heartbeat cannot locate such a resource script"),
    "haresources-no-service": N_("{service} is missing"),
    "haresources-extra-service": N_("{found} follows the address"),
    "authkeys-mode": N_("its mode is {found}: Heartbeat refuses to start"),
    "authkeys-owner": N_("it belongs to {found}"),
    "authkeys-auth": N_("`auth` is not followed by a number"),
    "authkeys-line": N_("the line begins with no number"),
    "authkeys-method": N_("the method is unknown"),
    "authkeys-secret": N_("the secret is missing"),
    "authkeys-no-auth": N_("there is no `auth` line"),
    "authkeys-no-key": N_("`auth` chooses a number that no line has"),
    "authkeys-other-secret": N_("the secret is another than the lab's; fine when both nodes have the same"),
}

EXPECTED: Texts = {
    "service-at-boot": NC_("expected", "Heartbeat alone starts it (`systemctl disable {service}`)"),
    "hacf-node": "`node {expected}`",
    "hacf-nodes": "`node {expected}`",
    "hacf-interface": "`bcast {expected}`",
    "hacf-value": "`{word} {expected}`",
    "hacf-missing": "`{word} {expected}`",
    "haresources-empty": "`{expected}`",
    "haresources-node": NC_("expected", "{expected}, on both nodes"),
    "haresources-no-address": "`{expected}`",
    "haresources-address-incomplete": "`{expected}`",
    "haresources-address": "`{expected}`",
    "haresources-service": "`{expected}`",
    "haresources-no-service": NC_("expected", "`{service}` after the address"),
    "haresources-extra-service": NC_("expected", "only {expected}"),
    "authkeys-mode": "600 (`chmod 600`)",
    "authkeys-owner": "root:root",
    "authkeys-auth": "`auth 1`",
    "authkeys-line": "`1 md5 <secret>`",
    "authkeys-method": NC_("expected", "crc, md5 or sha1"),
    "authkeys-secret": "`1 md5 <secret>`",
    "authkeys-no-auth": "`auth 1`",
    "authkeys-no-key": NC_("expected", "`1 md5 <secret>` for `auth 1`"),
}
