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
    "rules-prefix": N_("the lines begin with `ipvsadm`: it is accepted, but not what `ipvsadm-save` writes"),
    "rules-line": N_("`{found}` is no rule"),
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
    "rules-prefix": "`{expected}`",
    "rules-line": NC_("expected", "lines with -A and -a"),
    "rules-no-service": "`{expected}`",
    "rules-virtual": "{expected}",
    "rules-scheduler": "{expected}",
    "rules-no-server": "`{expected}`",
    "rules-extra-server": NC_("expected", "only {expected}"),
    "rules-method": "`-m` (NAT)",
    "no-health-check": NC_("expected", "keepalived or ldirectord beside it (`--set health=keepalived`)"),
}
