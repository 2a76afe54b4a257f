"""Rules for what every role may say."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.rules_names import is_word
from vboxlab.topology.subject import Subject


def duplicate_roles(subject: Subject) -> Iterator[Problem]:
    """duplicate-role: a machine is something at most once in a stage, but for what may be repeated."""
    seen: dict[tuple[Place, str], Place] = {}
    for machine, role, place in subject.roles():
        if role.may_repeat:
            continue
        first = seen.setdefault((place[:-1], role.role), place)
        if first != place:
            message = _("machine `{machine}` has the role `{role}` twice here; expected it once (line {line})").format(
                machine=machine.name, role=role.role, line="{line}"
            )
            yield subject.repeated("duplicate-role", (*place, "role"), (*first, "role"), message)


def owned_services(subject: Subject) -> Iterator[Problem]:
    """service-of-two-roles: a service that two roles of a machine would start, stop and configure."""
    seen: dict[tuple[str, str], tuple[str, Place]] = {}
    for machine, role, place in subject.roles():
        for service in role.services_owned():
            first, where = seen.setdefault((machine.name, service), (role.role, place))
            if first != role.role:
                message = _(
                    "machine `{machine}` has the roles `{role}` and `{other}` (line {line}), which both decide about "
                    "the service {service}; expected them on different machines"
                ).format(machine=machine.name, role=role.role, other=first, service=service, line="{line}")
                yield subject.repeated("service-of-two-roles", (*place, "role"), (*where, "role"), message)
                break


def secret_names(subject: Subject) -> Iterator[Problem]:
    """bad-secret-name: secrets become names of files on the host."""
    for _machine, role, place in subject.roles():
        for key, name in role.secrets_used().items():
            if not is_word(name):
                message = _("{value} is no name for a secret; expected letters, digits, `.`, `-` and `_`").format(
                    value=show(name or None)
                )
                yield subject.problem("bad-secret-name", (*place, *place_of_key(key)), message)


def place_of_key(key: str) -> Place:
    """Return the place within a role that a key of Role.secrets_used names."""
    return tuple(int(step) if step.isdecimal() else step for step in key.split("."))
