"""Rules for the records of a zone."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.dns.role import DnsRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.rules_names import is_bad_domain
from vboxlab.topology.subject import Subject


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-record-name, duplicate-record: names within the zone, each once."""
    for _machine, role, place in subject.roles_of(DnsRole):
        seen: dict[str, Place] = {}
        for index, record in enumerate(role.records):
            where: Place = (*place, "records", index, "name")
            if is_bad_domain(record.name):
                message = _("{value} is no name within a zone; expected letters, digits and hyphens").format(
                    value=show(record.name or None)
                )
                yield subject.problem("bad-record-name", where, message)
            first = seen.setdefault(record.name.lower(), where)
            if first != where:
                message = _("the zone has `{name}` already (line {line}); expected each name once").format(
                    name=record.name, line="{line}"
                )
                yield subject.repeated("duplicate-record", where, first, message)
