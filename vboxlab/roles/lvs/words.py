"""What is said of a load balancer."""

from __future__ import annotations

from vboxlab.guest.wording import Texts
from vboxlab.language import N_, NC_

FOUND: Texts = {
    "ipvsadm-key": N_("there is no setting `{found}`"),
    "ipvsadm-iface": N_("IFACE is {found}"),
    "ipvsadm-no-iface": N_("IFACE is {found}, an interface that this machine does not have"),
    "ipvsadm-value": N_("{word} is {found}"),
    "ipvsadm-missing": N_("{word} is not set"),
    "ipvsadm-blank": N_("{word} holds blanks or invisible characters besides {found}"),
    "ipvsadm-command": N_("to `sh`, `{found}` is a command and sets nothing"),
    "ipvsadm-refused": N_("`sh` ends here with an error, and ipvsadm is not started: `{found}`"),
    "ipvsadm-unclear": N_("only running it could tell what `{found}` comes to"),
    "ipvsadm-start": N_("something else is done at boot"),
    "rules-prefix": N_("the lines begin with `ipvsadm`: it is accepted, but not what `ipvsadm-save` writes"),
    "rules-line": N_("`{found}` is no rule"),
    "rules-comment": N_(
        "`{found}`: a comment is a line that begins with `#`; ipvsadm stops here and loads nothing below"
    ),
    "rules-refused": N_("ipvsadm stops at `{found}` and loads nothing below ({reason})"),
    "rules-left-out": N_("ipvsadm leaves `{found}` out ({reason})"),
    "rules-twice": N_("`{found}` comes too late: there is one already, and the first counts"),
    "rules-order": N_("`{found}` is left out: its service comes below, in line {line}"),
    "rules-persistence": N_(
        "the service is persistent: for {found} seconds, a client stays with the server it had first"
    ),
    "rules-options": N_("there are options of another meaning: `{found}`"),
    "rules-extra-service": N_("{found} is a virtual service as well"),
    "rules-weight": N_("the weight of {server} is {found}"),
    "rules-weight-zero": N_("{server} has the weight 0: it gets no new connection"),
    "rules-table": N_("the table that ipvsadm makes of it is another one: {found}"),
    "rules-not-loaded": N_("the table in the kernel is not the one of `/etc/ipvsadm.rules`: {found}"),
    "rules-no-service": N_("there is no virtual service"),
    "rules-virtual": N_("the virtual service is {found}"),
    "rules-scheduler": N_("the scheduler is {found}"),
    "rules-no-server": N_("the real server {server} is missing"),
    "rules-extra-server": N_("{found} is a real server"),
    "rules-method": N_("the packets to {server} are not translated ({found})"),
    "no-health-check": N_("plain ipvsadm has no health check: a dead server goes on getting its share of the requests"),
}

EXPECTED: Texts = {
    "ipvsadm-key": "`{expected}`",
    "ipvsadm-iface": "{expected}",
    "ipvsadm-no-iface": "{expected}",
    "ipvsadm-value": "{expected}",
    "ipvsadm-missing": '`{word}="{expected}"`',
    "ipvsadm-blank": '`{word}="{expected}"`',
    "ipvsadm-command": NC_("expected", "`{expected}`, without blanks round `=`"),
    "ipvsadm-refused": NC_("expected", "assignments that `sh -n` accepts"),
    "ipvsadm-unclear": NC_("expected", "plain values"),
    "rules-prefix": "`{expected}`",
    "rules-line": NC_("expected", "lines with -A and -a"),
    "rules-comment": NC_("expected", "the comment in a line of its own, with `#` as its first character"),
    "rules-order": NC_("expected", "the line with -A first"),
    "rules-persistence": NC_("expected", "no `-p`"),
    "rules-options": NC_("expected", "none"),
    "rules-extra-service": NC_("expected", "only {expected}"),
    "rules-weight": "1",
    "rules-weight-zero": "1",
    "rules-table": "{expected}",
    "rules-not-loaded": NC_("expected", "{expected} (`systemctl restart ipvsadm` loads it)"),
    "rules-no-service": "`{expected}`",
    "rules-virtual": "{expected}",
    "rules-scheduler": "{expected}",
    "rules-no-server": "`{expected}`",
    "rules-extra-server": NC_("expected", "only {expected}"),
    "rules-method": "`-m` (NAT)",
    "no-health-check": NC_("expected", "keepalived or ldirectord beside it (`--set health=keepalived`)"),
}
