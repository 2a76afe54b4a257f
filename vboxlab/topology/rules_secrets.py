"""Rules for the secrets of a topology, and for whoever uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from vboxlab.language import _
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem, nearest, one_of
from vboxlab.topology.rules_names import is_bad_domain, is_word
from vboxlab.topology.rules_roles import place_of_key
from vboxlab.topology.secret import CA, CERTIFICATE, KINDS, OWN_KEYS, PRIVATE, holes_in, nearly_holes
from vboxlab.topology.subject import Subject

SECTION = "secrets"
WILDCARD = "*."  # RFC 6125, section 6.4.3: the whole of the leftmost label
TEMPLATE = "template"  # the key beside the text of a file that is in a file of its own

_OCTAL = re.compile("[0-7]{3,5}")


def declared_secrets(subject: Subject) -> Iterator[Problem]:
    """bad-secret-name, duplicate-name, unknown-key, missing-key: secrets become names of files on the host."""
    seen: dict[str, str] = {}
    for name, secret in subject.topology.secrets.items():
        place: Place = (SECTION, name)
        if not is_word(name):
            message = _("{value} is no name for a secret; expected letters, digits, `.`, `-` and `_`").format(
                value=show(name or None)
            )
            yield subject.problem_of_key("bad-secret-name", place, message)
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            text = _(
                "secret `{name}` differs from secret `{other}` only in upper and lower case; expected another name"
            )
            yield subject.problem_of_key("duplicate-name", place, text.format(name=name, other=first))
        given = subject.value(place)
        for key in given if isinstance(given, dict) else ():
            kinds = [kind for kind, keys in OWN_KEYS.items() if key in keys]
            if kinds and secret.kind not in kinds:
                text = _(
                    "`{key}` is for secrets of the kind {kind}; expected none here, as secret `{name}` is a {found}"
                )
                message = text.format(key=key, kind=", ".join(kinds), name=name, found=secret.kind)
                yield subject.problem_of_key("unknown-key", (*place, key), message)
        if secret.kind != "password" and isinstance(given, dict) and "on" not in given:
            text = _("secret `{name}` lacks the key `on`; expected the machines that may use its private key")
            yield subject.problem_of_key("missing-key", place, text.format(name=name))


def secret_machines(subject: Subject) -> Iterator[Problem]:
    """unknown-machine: secrets are for machines of the topology."""
    names = subject.named_in_file("machines")
    for name, secret in subject.topology.secrets.items():
        place: Place = (SECTION, name, "on")
        listed = isinstance(subject.value(place), list)
        for index, machine in enumerate(secret.on):
            if names is not None and machine not in names:
                where = (*place, index) if listed else place
                yield subject.problem("unknown-machine", where, subject.no_machine(machine, where))


def certificate_names(subject: Subject) -> Iterator[Problem]:
    """bad-domain: names in certificates are those of DNS, of which the first label may be `*`."""
    for name, secret in subject.topology.secrets.items():
        place: Place = (SECTION, name, "names")
        listed = isinstance(subject.value(place), list)
        for index, domain in enumerate(secret.names):
            if is_bad_domain(domain.removeprefix(WILDCARD)):
                text = _(
                    "{value} is no name for a certificate; expected one such as www.example.test or *.example.test"
                )
                where = (*place, index) if listed else place
                yield subject.problem("bad-domain", where, text.format(value=show(domain or None)))


def secrets_of_roles(subject: Subject) -> Iterator[Problem]:
    """unknown-secret, secret-kind, secret-not-here: what roles name by keys of their own, such as passwords.

    A topology without `secrets` may name any, as its passwords are made up as they are needed.
    """
    for machine, role, place in subject.roles():
        for key, name in role.secrets_used().items():
            where = (*place, *place_of_key(key))
            said = subject.value(where) is not None  # a role's default need not be there
            if is_word(name) and (name in subject.topology.secrets or (said and subject.topology.secrets)):
                yield from _use(subject, machine.name, "secret", name, where)


def secrets_in_texts(subject: Subject) -> Iterator[Problem]:
    """unknown-hole, secret-not-filled: `{secret NAME}` and its like are filled in the texts of files."""
    for machine, role, place in subject.roles():
        for inner, text in _texts(role, ()):
            where = (*place, *inner)
            yield from _nearly(subject, text, where)
            for hole in holes_in(text):
                inside = _in_template(subject, where, hole.marker)
                if not any(step in role.filled_keys for step in inner):
                    message = _("`{hole}` is not filled here; expected it in the text of a file").format(
                        hole=hole.marker
                    )
                    yield subject.problem("secret-not-filled", where, message + inside)
                elif hole.word != CA:
                    yield from _use(subject, machine.name, hole.word, hole.name, where, inside)


def readable_secrets(subject: Subject) -> Iterator[Problem]:
    """secret-readable (a warning): the mode of a file with what must be secret keeps others out."""
    message = _("everybody on machine `{machine}` can read `{hole}` here; expected `mode: 0640`, or 0600, beside it")
    for machine, role, place in subject.roles():
        for inner, text in _texts(role, ()):
            mode = getattr(_at(role, inner[:-1]), "mode", None)
            is_open = isinstance(mode, str) and _OCTAL.fullmatch(mode) and int(mode, 8) & 0o004
            if not is_open or not set(inner) & set(role.filled_keys):
                continue
            hole = next((each for each in holes_in(text) if each.word in PRIVATE), None)
            if hole is not None:
                told = message.format(machine=machine.name, hole=hole.marker)
                yield subject.doubt("secret-readable", (*place, *inner), told)


def _at(value: Any, place: Place) -> Any:
    """Return what is at a place within a role."""
    for step in place:
        value = value[step] if isinstance(step, int) or isinstance(value, dict) else getattr(value, step, None)
    return value


def _nearly(subject: Subject, text: str, place: Place) -> Iterator[Problem]:
    for hole in nearly_holes(text, subject.named_in_file(SECTION) or ()):
        secret = subject.topology.secrets.get(hole.name)
        fitting = (word for word, kind in KINDS.items() if secret is None or secret.kind == kind)
        words = (
            (f"{CA} {CERTIFICATE}",) if hole.word.lower() == CA else tuple(f"{word} {hole.name}" for word in fitting)
        )
        meant = nearest(hole.marker.strip("{}"), words)
        hint = _("; did you mean `{word}`?").format(word=f"{{{meant}}}") if meant else ""
        message = _("`{hole}` takes nothing of a secret; {expected}").format(
            hole=hole.marker, expected=one_of(f"`{{{each}}}`" for each in words) + hint
        )
        yield subject.problem("unknown-hole", place, message + _in_template(subject, place, hole.marker))


def _in_template(subject: Subject, place: Place, marker: str) -> str:
    """Say in which line of a template a hole is, where the text of a file comes from one."""
    template, text = subject.value((*place[:-1], TEMPLATE)), subject.text(place)
    if not isinstance(template, str) or marker not in text:
        return ""
    line = text[: text.index(marker)].count("\n") + 1
    return _(" (line {line} of template `{template}`)").format(line=line, template=template)


def _use(subject: Subject, machine: str, word: str, name: str, place: Place, inside: str = "") -> Iterator[Problem]:
    """Yield what keeps a machine from using a part of a secret."""
    secret, kind = subject.topology.secrets.get(name), KINDS[word]
    names = subject.named_in_file(SECTION) or ()
    if secret is None and name not in names and SECTION not in subject.source.uncertain:
        fitting = [each for each, known in subject.topology.secrets.items() if known.kind == kind] or names
        yield subject.problem("unknown-secret", place, subject.no_secret(name, place, fitting) + inside)
    elif secret is not None and secret.kind != kind:
        text = _("secret `{secret}` is of the kind {found}; expected one of the kind {kind}")
        message = text.format(secret=name, found=secret.kind, kind=kind)
        yield subject.problem("secret-kind", place, message + inside)
    elif secret is not None and word in PRIVATE and not secret.is_for(machine):
        text = _("secret `{secret}` is not for machine `{machine}`; expected one of those in its `on` ({machines})")
        message = text.format(secret=name, machine=machine, machines=", ".join(secret.on))
        yield subject.problem("secret-not-here", place, message + inside)


def _texts(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield every text of a role, with its place in it."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _texts(getattr(value, name), (*place, field.alias or name))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*place, key))
    elif isinstance(value, tuple | list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*place, index))
