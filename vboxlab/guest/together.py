"""What does not fit between several guests, each of which may look right by itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.guest.findings import Finding
from vboxlab.guest.role_registry import in_guest
from vboxlab.guest.roles import Judged


def judged_together(guests: Mapping[str, Judged]) -> dict[str, tuple[Finding, ...]]:
    """Return all findings of guests, by machine: those that each has by itself, and those of its clusters.

    That a secret is another than the lab's is no news where the nodes do not even have the same.
    """
    found = {name: guest.findings for name, guest in guests.items()}
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for guest in guests.values():
        for role in guest.place.roles:
            cluster = (role.role, role.cluster_nodes())
            members = {
                name: guests[name]
                for name in role.cluster_nodes()
                if name in guests and any(each.role == role.role for each in guests[name].place.roles)
            }
            if cluster in seen or len(members) < 2:
                continue
            seen.add(cluster)
            side = in_guest(role)
            for each in side.together(role, members):
                found[each.machine] = (*_still_worth_a_word(found[each.machine], each, side.other_secrets), each)
    return found


def _still_worth_a_word(
    findings: tuple[Finding, ...], told: Finding, other_secrets: Mapping[str, str]
) -> tuple[Finding, ...]:
    code = other_secrets.get(told.where.name)
    return tuple(each for each in findings if each.code != code or each.where.name != told.where.name)
