"""Holes for secrets in the texts of files, and what the topology says of the secrets that fill them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vboxlab.guest.place import static_addresses
from vboxlab.guest.resources import File, Hole, Password, Resource, SecretText
from vboxlab.topology.model import Topology
from vboxlab.topology.secret import CA, CERTIFICATE, KINDS, holes_in

CA_HOLE = f"{{{CA} {CERTIFICATE}}}"


def filled(text: str) -> str | SecretText:
    """Return a file's text with its holes for secrets, such as `{secret replica}`; text without any as it is."""
    holes = tuple(Hole(hole.marker, hole.name, hole.word) for hole in holes_in(text))
    return SecretText(text, "", holes=holes) if holes else text


def declared(resources: Iterable[Resource], topology: Topology) -> Iterator[Resource]:
    """Yield resources that know how the topology wants the secrets made that they need.

    So it is part of what a configured guest is: another name in a certificate makes another certificate.
    """
    for resource in resources:
        match resource:
            case File(content=SecretText() as text):
                yield replace(resource, content=_of_text(text, topology))
            case Password(secret=name) if name in topology.secrets:
                yield replace(resource, length=topology.secrets[name].length)
            case _:
                yield resource


def _of_text(text: SecretText, topology: Topology) -> SecretText:
    named = [hole.secret for hole in text.all_holes]
    if not any(name in topology.secrets for name in named):
        return text
    return replace(text, secret="", holes=tuple(_of_hole(hole, topology) for hole in text.all_holes))


def _of_hole(hole: Hole, topology: Topology) -> Hole:
    secret = topology.secrets.get(hole.secret)
    kind = KINDS.get(hole.part)
    if secret is None or secret.kind != kind:
        return hole
    if kind == "password":
        return replace(hole, length=secret.length)
    if kind == "certificate":
        names, addresses = secret.names, tuple(map(str, secret.addresses))
        if not names and not addresses:
            names, addresses = _of_machines(topology, secret.on)
        return replace(hole, names=names, addresses=addresses)
    return hole


def _of_machines(topology: Topology, machines: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and addresses that machines are reached by."""
    found = [topology.machines[name] for name in machines if name in topology.machines]
    full = [f"{machine.hostname}.{topology.domain}" for machine in found] if topology.domain else []
    names = [*full, *(machine.hostname for machine in found)]
    addresses = [str(address.ip) for machine in found for address in static_addresses(machine)]
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(addresses))
