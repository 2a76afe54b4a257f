"""The words of the answer key, in English and French."""

from __future__ import annotations

from vboxlab.guest.wording import Texts

TEXTS: Texts = {
    "title": ("{title}: answer key", "{title} : corrigé"),
    "of": (
        "Topology {topology}, {stage}. Values: {values}.",
        "Topologie {topology}, {stage}. Valeurs : {values}.",
    ),
    "until": ("up to stage {stage}", "jusqu'à l'étape {stage}"),
    "all-stages": ("all stages", "toutes les étapes"),
    "source": (
        (
            "Made by vboxlab from what it deploys itself. All commands are typed as root (`su -`); `{secret}` stands "
            "for a secret that is yours to choose."
        ),
        (
            "Produit par vboxlab à partir de ce qu'il déploie lui-même. Toutes les commandes se tapent en tant que "
            "root (`su -`) ; `{secret}` remplace un secret que vous choisissez."
        ),
    ),
    "adopted": (
        "The VM {vm} stands ready: start it, change nothing in it. The topology expects of it:",
        "La VM {vm} existe déjà : la démarrer, ne rien y modifier. La topologie attend d'elle :",
    ),
    "hypervisor": ("In VirtualBox", "Dans VirtualBox"),
    "clone": (
        "Linked clone {vm} of the base VM {base} (new MAC addresses): {cpus} processor(s), {memory} MiB.",
        "Clone lié {vm} de la VM de base {base} (nouvelles adresses MAC) : {cpus} processeur(s), {memory} Mio.",
    ),
    "restore": (
        "Power {vm} off and restore its snapshot {snapshot}. What follows is what changes from there.",
        "Éteindre {vm} et restaurer son instantané {snapshot}. La suite est ce qui change à partir de là.",
    ),
    "adapters-head": (
        "| adapter | attached to | in the guest | address |",
        "| carte | connectée à | dans l'invité | adresse |",
    ),
    "internal": ("internal network {name}", "réseau interne {name}"),
    "nat": ("NAT", "NAT"),
    "host-only": ("host-only network {name}", "réseau privé hôte {name}"),
    "bridged": ("bridged to {name}", "accès par pont à {name}"),
    "nat-network": ("NAT network {name}", "réseau NAT {name}"),
    "unplugged": ("{where} (cable unplugged)", "{where} (câble débranché)"),
    "dhcp": ("by DHCP", "par DHCP"),
    "no-address": ("none", "aucune"),
    "no-adapters": ("No network adapter.", "Aucune carte réseau."),
    "same-by-command": (
        "*Settings › Network* of the VM, or on the host, with the VM off:",
        "*Configuration › Réseau* de la VM ou, sur l'hôte, VM éteinte :",
    ),
    "initial": ("Initial configuration", "Configuration initiale"),
    "stage": ("Stage {stage}", "Étape {stage}"),
    "host-name": ("Host name:", "Nom d'hôte :"),
    "network": (
        "Take the network's files into use, then look at the result:",
        "Prendre en compte les fichiers du réseau, puis contrôler :",
    ),
    "packages": ("Packages:", "Paquets :"),
    "edit": ("Edit {path} ({command}). It holds:", "Éditer {path} ({command}). Contenu :"),
    "same-secret": (
        "The secret `{secret}` is the same on all nodes.",
        "Le secret `{secret}` est le même sur tous les nœuds.",
    ),
    "folder": ("Its folder first:", "D'abord son dossier :"),
    "mode": ("Its owner and mode:", "Son propriétaire et son mode :"),
    "copied-content": ("What {path} holds then:", "Contenu de {path} ensuite :"),
    "absent": ("Remove {path}:", "Supprimer {path} :"),
    "sysctl": (
        "In {file}, the line {line} (without `#` in front); then apply it, the new value is shown:",
        "Dans {file}, la ligne {line} (sans `#` devant) ; puis l'appliquer, la nouvelle valeur s'affiche :",
    ),
    "commands": ("Commands:", "Commandes :"),
    "password": (
        "Give {user} the password `{secret}` (asked twice):",
        "Donner à {user} le mot de passe `{secret}` (demandé deux fois) :",
    ),
    "check": ("Check: {what}", "Contrôle : {what}"),
    "page": (
        "a browser, or this command, shows {page}:",
        "un navigateur, ou cette commande, affiche {page} :",
    ),
    "any-page": (
        "a browser, or this command, shows a page:",
        "un navigateur, ou cette commande, affiche une page :",
    ),
    "comes-about": ("this command succeeds:", "cette commande réussit :"),
    "snapshot": (
        "The stage ends here: power {vm} off and take its snapshot {snapshot}.",
        "Fin de l'étape : éteindre {vm} et prendre son instantané {snapshot}.",
    ),
    "nothing": ("Nothing to do on this machine.", "Rien à faire sur cette machine."),
}
