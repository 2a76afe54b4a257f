"""Rules for the records of a zone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.dns.role import KEYS, ZONE_ITSELF, DnsRecord, DnsRole, full_name
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.rules_names import is_bad_domain
from vboxlab.topology.subject import Subject

# RFC 2782, and RFC 8552 for names of which a label begins with an underscore.
_SERVICE = re.compile(r"_[^.]+\._[^.]+(\..+)?")
_UNDERSCORED = re.compile(r"(?<![^.])_(?=[A-Za-z0-9])")
LONGEST_TEXT = 800  # characters: dnsmasq reads lines of 1024


def problems(subject: Subject) -> Iterator[Problem]:
    """Return what is wrong with the zones of a topology."""
    for _machine, role, place in subject.roles_of(DnsRole):
        for index, record in enumerate(role.records):
            for rule in (names, keys, targets, texts):
                yield from rule(subject, record, (*place, "records", index))
        yield from duplicates(subject, role, place)
        yield from aliases(subject, role, place)


def names(subject: Subject, record: DnsRecord, place: Place) -> Iterator[Problem]:
    """bad-record-name: a name within the zone, of a service where the kind is SRV."""
    where = (*place, "name")
    plain = record.name if record.kind in ("A", "PTR", "MX", "NS") else _UNDERSCORED.sub("", record.name)
    is_bad = is_bad_domain(plain) or plain.endswith(".")
    if record.kind == "SRV" and (is_bad or not _SERVICE.fullmatch(record.name)):
        message = _("{value} is no name of a service; expected a name such as _ldap._tcp").format(
            value=show(record.name or None)
        )
        yield subject.problem("bad-record-name", where, message)
    elif is_bad and record.name != ZONE_ITSELF:
        message = _("{value} is no name within a zone; expected letters, digits and hyphens").format(
            value=show(record.name or None)
        )
        yield subject.problem("bad-record-name", where, message)


def keys(subject: Subject, record: DnsRecord, place: Place) -> Iterator[Problem]:
    """record-incomplete, record-key: what a record of its kind must and may say."""
    if not subject.fit.complete:
        return
    needed, allowed = KEYS[record.kind]
    for key in ("address", "target", "text", "priority", "weight", "port"):
        is_there = getattr(record, key) is not None
        if key in needed and not is_there:
            message = _("the {kind} record `{name}` lacks the key `{key}`").format(
                kind=record.kind, name=record.name, key=key
            )
            yield subject.problem("record-incomplete", place, message)
        elif is_there and key not in (*needed, *allowed):
            message = _("`{key}` means nothing to the {kind} record `{name}`; {expected}").format(
                key=key, kind=record.kind, name=record.name, expected=one_of((*needed, *allowed))
            )
            yield subject.problem("record-key", (*place, key), message)


def targets(subject: Subject, record: DnsRecord, place: Place) -> Iterator[Problem]:
    """bad-record-target: a name within the zone, or a whole one with a dot at its end."""
    target = record.target
    if target is not None and target != ZONE_ITSELF and is_bad_domain(target):
        message = _(
            "{value} is no name; expected a name within the zone, or a whole one with a dot at its end, such as "
            "mail.example.org."
        ).format(value=show(target or None))
        yield subject.problem("bad-record-target", (*place, "target"), message)


def texts(subject: Subject, record: DnsRecord, place: Place) -> Iterator[Problem]:
    """bad-record-text: what fits into a line of dnsmasq's file."""
    text = record.text
    if text is not None and (not text.isascii() or not text.isprintable() or not 0 < len(text) <= LONGEST_TEXT):
        message = _(
            "{value} cannot be the text of a record; expected 1 to {count} printable characters without accents, on "
            "one line"
        ).format(value=show(text or None), count=LONGEST_TEXT)
        yield subject.problem("bad-record-text", (*place, "text"), message)


def duplicates(subject: Subject, role: DnsRole, place: Place) -> Iterator[Problem]:
    """duplicate-record: a name may have several records, each once."""
    seen: dict[DnsRecord, Place] = {}
    for index, record in enumerate(role.records):
        where: Place = (*place, "records", index, "name")
        first = seen.setdefault(record.model_copy(update={"name": record.name.lower()}), where)
        if first != where:
            message = _("the zone has this record of `{name}` already (line {line}); expected each record once").format(
                name=record.name, line="{line}"
            )
            yield subject.repeated("duplicate-record", where, first, message)


def aliases(subject: Subject, role: DnsRole, place: Place) -> Iterator[Problem]:
    """alias-and-more, alias-target: a CNAME stands alone (RFC 1034, 3.6.2); dnsmasq answers for targets it knows."""
    if not subject.fit.complete:
        return
    known = {full_name(record.name, role.zone).lower() for record in role.records if record.kind in ("A", "CNAME")}
    for index, record in enumerate(role.records):
        if record.kind != "CNAME" or record.target is None:
            continue
        named = [each for each in role.records if each.name.lower() == record.name.lower() and each.kind != "PTR"]
        others = [each for each in named if each is not record]
        if others:
            message = _(
                "`{name}` is a CNAME and has a record {kind} as well; expected no other record beside a CNAME"
            ).format(name=record.name, kind=others[0].kind)
            yield subject.problem("alias-and-more", (*place, "records", index, "kind"), message)
        elif full_name(record.target, role.zone).lower() not in known - {full_name(record.name, role.zone).lower()}:
            near = [each.name for each in role.records if each.kind in ("A", "CNAME") and each is not record]
            message = _(
                "the zone has no address of `{target}`, and dnsmasq gives another name only to what it knows itself; "
                "{expected}"
            ).format(target=record.target, expected=one_of(dict.fromkeys(near)) + did_you_mean(record.target, near))
            yield subject.problem("alias-target", (*place, "records", index, "target"), message)
