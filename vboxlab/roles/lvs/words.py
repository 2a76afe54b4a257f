"""What is said of a load balancer, in English and French."""

from __future__ import annotations

from vboxlab.guest.wording import Texts

FOUND: Texts = {
    "ipvsadm-key": ("there is no setting `{found}`", "le réglage `{found}` n'existe pas"),
    "ipvsadm-iface": ("IFACE is {found}", "IFACE vaut {found}"),
    "ipvsadm-no-iface": (
        "IFACE is {found}, an interface that this machine does not have",
        "IFACE vaut {found}, une interface que cette machine n'a pas",
    ),
    "ipvsadm-value": ("{word} is {found}", "{word} vaut {found}"),
    "ipvsadm-missing": ("{word} is not set", "{word} n'est pas défini"),
    "rules-prefix": (
        "the lines begin with `ipvsadm`: it is accepted, but not what `ipvsadm-save` writes",
        "les lignes commencent par `ipvsadm` : c'est accepté, mais `ipvsadm-save` ne l'écrit pas",
    ),
    "rules-line": ("`{found}` is no rule", "`{found}` n'est pas une règle"),
    "rules-no-service": ("there is no virtual service", "il n'y a pas de service virtuel"),
    "rules-virtual": ("the virtual service is {found}", "le service virtuel est {found}"),
    "rules-scheduler": ("the scheduler is {found}", "l'ordonnanceur est {found}"),
    "rules-no-server": ("the real server {server} is missing", "le serveur réel {server} manque"),
    "rules-extra-server": ("{found} is a real server", "{found} est un serveur réel"),
    "rules-method": (
        "the packets to {server} are not translated ({found})",
        "les paquets vers {server} ne sont pas traduits ({found})",
    ),
    "no-health-check": (
        "plain ipvsadm has no health check: a dead server goes on getting its share of the requests",
        "ipvsadm seul ne surveille rien : un serveur mort continue de recevoir sa part des requêtes",
    ),
}

EXPECTED: Texts = {
    "ipvsadm-key": ("`{expected}`", "`{expected}`"),
    "ipvsadm-iface": ("{expected}", "{expected}"),
    "ipvsadm-no-iface": ("{expected}", "{expected}"),
    "ipvsadm-value": ("{expected}", "{expected}"),
    "ipvsadm-missing": ('`{word}="{expected}"`', '`{word}="{expected}"`'),
    "rules-prefix": ("`{expected}`", "`{expected}`"),
    "rules-line": ("lines with -A and -a", "des lignes -A et -a"),
    "rules-no-service": ("`{expected}`", "`{expected}`"),
    "rules-virtual": ("{expected}", "{expected}"),
    "rules-scheduler": ("{expected}", "{expected}"),
    "rules-no-server": ("`{expected}`", "`{expected}`"),
    "rules-extra-server": ("only {expected}", "seulement {expected}"),
    "rules-method": ("`-m` (NAT)", "`-m` (NAT)"),
    "no-health-check": (
        "keepalived or ldirectord beside it (`--set health=keepalived`)",
        "keepalived ou ldirectord en plus (`--set health=keepalived`)",
    ),
}

STEPS: Texts = {
    "reconfigure": (
        (
            "Answer the questions of {command}: load the rules at boot: {auto}; daemon: {daemon}; interface: "
            "{interface}. {path} then holds:"
        ),
        (
            "Répondre aux questions de {command} : charger les règles au démarrage : {auto} ; démon : {daemon} ; "
            "interface : {interface}. {path} contient alors :"
        ),
    ),
    "yes": ("yes", "oui"),
    "no": ("no", "non"),
    "table": ("the table lists {servers}:", "la table liste {servers} :"),
}
