"""What every machine is called: host name and /etc/hosts."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place, static_addresses
from vboxlab.guest.resources import File, Hostname, Resource
from vboxlab.topology.model import Machine


def naming(place: Place) -> Iterable[Resource]:
    """Return the resources that name the machine, as `hostnamectl hostname` and an editor on /etc/hosts would."""
    yield Hostname(place.machine.hostname)
    yield hosts_file(place)


def hosts_file(place: Place, peers: tuple[tuple[str, Machine], ...] = ()) -> File:
    """Return /etc/hosts with the machine's own names, and with each peer at its address."""
    machine = place.machine
    names = " ".join(dict.fromkeys((place.fqdn(machine), machine.hostname)))
    lines = ["127.0.0.1\tlocalhost", f"127.0.1.1\t{names}"]
    lines += [f"{address.ip}\t{names}" for address in static_addresses(machine)]
    for address, peer in peers:
        lines.append(f"{address}\t{' '.join(dict.fromkeys((place.fqdn(peer), peer.hostname)))}")
    lines += ["", "::1\tlocalhost ip6-localhost ip6-loopback", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters"]
    return File("/etc/hosts", "\n".join(lines) + "\n", before_packages=True)
