"""Rules for the records of a zone."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.roles.dns.role import DnsRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.rules_names import is_bad_domain
from vboxlab.topology.subject import Subject


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-record-name, duplicate-record: names within the zone, each once."""
    for _, role, place in subject.roles_of(DnsRole):
        seen: dict[str, Place] = {}
        for index, record in enumerate(role.records):
            where: Place = (*place, "records", index, "name")
            if is_bad_domain(record.name):
                message = f"{show(record.name or None)} is no name within a zone; expected letters, digits and hyphens"
                yield subject.problem("bad-record-name", where, message)
            first = seen.setdefault(record.name.lower(), where)
            if first != where:
                message = f"the zone has `{record.name}` already (line {{line}}); expected each name once"
                yield subject.repeated("duplicate-record", where, first, message)
