"""The slips that students make, recognised by name: pure functions from a guest's facts to findings.

One file per role, as in vboxlab.guest.roles. What is compared by meaning here may be written in other words than ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding
from vboxlab.guest.resources import Resource, Sysctl
from vboxlab.guest.roles.lvs import DEFAULTS, RULES
from vboxlab.guest.roles.place import Place
from vboxlab.guest.slips import heartbeat, lvs, naming, network, settings, web
from vboxlab.topology.roles import HeartbeatRole, LvsRole, WebRole

# Files whose meaning the functions below compare in full: other words for the same are worth no more than a hint.
UNDERSTOOD = frozenset(
    {naming.HOSTS, network.INTERFACES, network.RESOLVER, web.PAGE, RULES, DEFAULTS, *heartbeat.FILES}
)


def slips(place: Place, resources: Sequence[Resource], facts: Facts) -> list[Finding]:
    """Return the slips found in a guest, given what shall be true in it."""
    found = [
        *naming.slips(place, resources, facts),
        *network.slips(place, facts),
    ]
    for role in place.roles:
        if isinstance(role, WebRole):
            found += web.slips(role, place, facts)
        elif isinstance(role, HeartbeatRole):
            found += heartbeat.slips(role, place, facts)
        elif isinstance(role, LvsRole):
            found += lvs.slips(role, place, facts)
    for resource in resources:
        if isinstance(resource, Sysctl):
            found += settings.slips(resource, place, facts)
    return found
