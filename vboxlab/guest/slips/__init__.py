"""The slips that students make, recognised by name: pure functions from a guest's facts to findings.

Here are those that can be made in every guest; a role's are in its own folder. What is compared by meaning here may be
written in other words than ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, in_file
from vboxlab.guest.grammars.interfaces import INTERFACES
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Resource, Sysctl
from vboxlab.guest.role_registry import guest_roles, in_guest
from vboxlab.guest.slips import interfaces, lookalikes, naming, resolving, settings


def understood() -> frozenset[str]:
    """Return the files whose meaning slips compare in full: other words for the same are worth no more than a hint."""
    own = frozenset({naming.HOSTS, INTERFACES, resolving.RESOLVER})
    return own.union(*(role.understood for role in guest_roles().values()))


def slips(place: Place, resources: Sequence[Resource], facts: Facts) -> list[Finding]:
    """Return the slips found in a guest, given what shall be true in it."""
    found = [
        *naming.slips(place, resources, facts),
        *(interfaces.slips(place, facts) if INTERFACES in facts.files else ()),
        *resolving.slips(place, resources, facts),
    ]
    for role in place.roles:
        found += in_guest(role).slips(role, place, facts)
    for resource in resources:
        if isinstance(resource, Sysctl):
            found += settings.slips(resource, place, facts)
    found += lookalikes.slips(place, resources, facts)
    told = {finding.where.name for finding in found if finding.code.endswith("-too-long")}
    for path, file in facts.files.items():
        if file.is_cut and path not in told:
            found.append(in_file("file-too-long", place.machine.name, path, None))
    return found


def means_the_same(path: str, wanted: bytes, found: bytes, facts: Facts) -> bool:
    """Tell whether a file of which no slip tells is only written in other words than ours."""
    if path == INTERFACES:  # slips tell all that makes another meaning
        return True
    if path == naming.HOSTS:
        return naming.same(wanted, found)
    if path == resolving.RESOLVER:
        return resolving.same(wanted, found, facts.hostname)
    return any(
        role.means_the_same(path, wanted, found, facts) for role in guest_roles().values() if path in role.understood
    )
