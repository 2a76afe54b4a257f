"""Rules for sources of packages: what apt reads in their files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.repository.role import RepositoryRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # sources.list(5): other files are not read
_URI = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~+/-]*)?")
_WORD = re.compile(r"[A-Za-z0-9./][A-Za-z0-9._/+-]*")
_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-repository, bad-key-text: sources that apt would not read, or not trust."""
    seen: dict[tuple[Place, str], Place] = {}
    for _machine, role, place in subject.roles_of(RepositoryRole):
        words = [(role.suite, (*place, "suite"))]
        words += [(word, (*place, "components", index)) for index, word in enumerate(role.components)]
        if not _NAME.fullmatch(role.name):
            message = _("{value} is no name of a source; expected letters, digits, `-` and `_`")
            yield subject.problem("bad-repository", (*place, "name"), message.format(value=show(role.name or None)))
        if not _URI.fullmatch(role.uri):
            message = _("{value} is no address of a source; expected one such as https://deb.example.org/debian")
            yield subject.problem("bad-repository", (*place, "uri"), message.format(value=show(role.uri or None)))
        for word, where in words:
            if not _WORD.fullmatch(word):
                message = _("{value} is no suite or component; expected a word such as bookworm")
                yield subject.problem("bad-repository", where, message.format(value=show(word or None)))
        if not role.components and not role.suite.endswith("/"):
            message = _("source `{name}` has no components; expected some, or a suite that ends with `/`")
            yield subject.problem("bad-repository", (*place, "components"), message.format(name=role.name))
        if role.key is None and role.template is None:
            message = _("source `{name}` has no key; expected `key: …` or `template: …`").format(name=role.name)
            yield subject.problem_of_key("missing-key", place, message)
        elif role.key is not None and not role.key.strip().startswith(_ARMOUR):
            message = _("the key of source `{name}` is not in its armour; expected text that begins with `{line}`")
            where = (*place, "key")
            yield subject.problem("bad-key-text", where, message.format(name=role.name, line=_ARMOUR))
        first = seen.setdefault((place[:-1], role.name), place)
        if first != place:
            message = _("a source is called {name} already (line {line}); expected another `name`").format(
                name=show(role.name), line="{line}"
            )
            yield subject.repeated("bad-repository", (*place, "name"), (*first, "name"), message)
