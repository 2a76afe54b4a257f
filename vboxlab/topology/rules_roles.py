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


def secret_names(subject: Subject) -> Iterator[Problem]:
    """bad-secret-name: secrets become names of files on the host."""
    for _machine, role, place in subject.roles():
        for key, name in role.secrets_used().items():
            if not is_word(name):
                message = _("{value} is no name for a secret; expected letters, digits, `.`, `-` and `_`").format(
                    value=show(name or None)
                )
                yield subject.problem("bad-secret-name", (*place, key), message)
