"""What is said of a node of a cluster, in English and French."""

from __future__ import annotations

from vboxlab.guest.wording import Texts

FOUND: Texts = {
    "service-at-boot": (
        "{service} starts at boot, beside Heartbeat",
        "{service} démarre au boot, à côté de Heartbeat",
    ),
    "hacf-node": (
        "the nodes are {found}, but this machine is called {hostname} (`uname -n`): Heartbeat refuses to start",
        "les nœuds sont {found}, mais cette machine s'appelle {hostname} (`uname -n`) : Heartbeat refuse de démarrer",
    ),
    "hacf-nodes": ("the nodes are {found}", "les nœuds sont {found}"),
    "hacf-interface": ("the heartbeat goes through {found}", "le battement passe par {found}"),
    "hacf-value": ("{word} is {found}", "{word} vaut {found}"),
    "hacf-missing": ("there is no `{word}`", "il n'y a pas de `{word}`"),
    "haresources-empty": ("it names no resource", "aucune ressource n'y est nommée"),
    "haresources-node": ("the master is {found}", "le maître est {found}"),
    "haresources-no-address": ("there is no floating address", "il n'y a pas d'adresse flottante"),
    "haresources-address-incomplete": (
        "{found} has no prefix length and interface: IPaddr does not find its interface",
        "{found} n'a ni préfixe ni interface : IPaddr ne trouve pas son interface",
    ),
    "haresources-address": ("the floating address is {found}", "l'adresse flottante est {found}"),
    "haresources-service": (
        "{found} is no service: Heartbeat cannot locate such a resource script",
        "{found} n'est pas un service : Heartbeat ne trouve pas de script de ce nom",
    ),
    "haresources-no-service": ("{service} is missing", "{service} manque"),
    "haresources-extra-service": ("{found} follows the address", "{found} suit l'adresse"),
    "authkeys-mode": (
        "its mode is {found}: Heartbeat refuses to start",
        "ses droits sont {found} : Heartbeat refuse de démarrer",
    ),
    "authkeys-owner": ("it belongs to {found}", "il appartient à {found}"),
    "authkeys-auth": ("`auth` is not followed by a number", "`auth` n'est pas suivi d'un numéro"),
    "authkeys-line": ("the line begins with no number", "la ligne ne commence pas par un numéro"),
    "authkeys-method": ("the method is unknown", "la méthode est inconnue"),
    "authkeys-secret": ("the secret is missing", "le secret manque"),
    "authkeys-no-auth": ("there is no `auth` line", "il n'y a pas de ligne `auth`"),
    "authkeys-no-key": (
        "`auth` chooses a number that no line has",
        "`auth` choisit un numéro qu'aucune ligne ne porte",
    ),
    "authkeys-other-secret": (
        "the secret is another than the lab's; fine when both nodes have the same",
        "le secret n'est pas celui de la maquette ; c'est permis si les deux nœuds ont le même",
    ),
}

EXPECTED: Texts = {
    "service-at-boot": (
        "Heartbeat alone starts it (`systemctl disable {service}`)",
        "Heartbeat seul le démarre (`systemctl disable {service}`)",
    ),
    "hacf-node": ("`node {expected}`", "`node {expected}`"),
    "hacf-nodes": ("`node {expected}`", "`node {expected}`"),
    "hacf-interface": ("`bcast {expected}`", "`bcast {expected}`"),
    "hacf-value": ("`{word} {expected}`", "`{word} {expected}`"),
    "hacf-missing": ("`{word} {expected}`", "`{word} {expected}`"),
    "haresources-empty": ("`{expected}`", "`{expected}`"),
    "haresources-node": ("{expected}, on both nodes", "{expected}, sur les deux nœuds"),
    "haresources-no-address": ("`{expected}`", "`{expected}`"),
    "haresources-address-incomplete": ("`{expected}`", "`{expected}`"),
    "haresources-address": ("`{expected}`", "`{expected}`"),
    "haresources-service": ("`{expected}`", "`{expected}`"),
    "haresources-no-service": ("`{service}` after the address", "`{service}` après l'adresse"),
    "haresources-extra-service": ("only {expected}", "seulement {expected}"),
    "authkeys-mode": ("600 (`chmod 600`)", "600 (`chmod 600`)"),
    "authkeys-owner": ("root:root", "root:root"),
    "authkeys-auth": ("`auth 1`", "`auth 1`"),
    "authkeys-line": ("`1 md5 <secret>`", "`1 md5 <secret>`"),
    "authkeys-method": ("crc, md5 or sha1", "crc, md5 ou sha1"),
    "authkeys-secret": ("`1 md5 <secret>`", "`1 md5 <secret>`"),
    "authkeys-no-auth": ("`auth 1`", "`auth 1`"),
    "authkeys-no-key": ("`1 md5 <secret>` for `auth 1`", "`1 md5 <secret>` pour `auth 1`"),
}

STEPS: Texts = {
    "copied": (
        "On {master} (the master), copy the files of Heartbeat to {machine}, owner and mode included:",
        "Sur {master} (le maître), copier les fichiers de Heartbeat vers {machine}, propriétaire et mode compris :",
    ),
    "held": (
        "{interface} carries {address}:",
        "{interface} porte {address} :",
    ),
    "not-held": (
        "{interface} does not carry {address} (the master has it):",
        "{interface} ne porte pas {address} (c'est le maître qui l'a) :",
    ),
}
