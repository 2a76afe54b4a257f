"""Whose values a machine has, where they are not its own: what was copied from another student's copy. Pure.

A word tells a copy when that copy alone has it among all that its machines shall hold. It is looked for only where
something was found to be wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding
from vboxlab.guest.resources import File, Hostname
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.telling import Told
from vboxlab.language import _
from vboxlab.topology.model import Topology

_WORD = re.compile(r"[^\s\"'`<>()\[\]{},;=]+")
SHORTEST = 3
"""Characters of a word that tells something: shorter ones stand in texts by chance."""
_OF_NAMES = ("hostname", "hostname-not-applied")


def words_of(topology: Topology) -> frozenset[str]:
    """Return all words that the machines of a copy shall hold: names, addresses, and what is in files; no secrets."""
    return frozenset(word for text in _texts(topology) for word in _words(text))


def telling_words(own: Iterable[str], others: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the words that one other copy alone has, each with the name of the copy."""
    mine = set(own)
    counted = Counter(word for words in others.values() for word in set(words))
    return {word: copy for copy, words in others.items() for word in words if word not in mine and counted[word] == 1}


def whose(finding: Finding, facts: Facts, telling: Mapping[str, str]) -> tuple[str, ...]:
    """Return the copies whose values stand where something was found, sorted."""
    found: list[str] = []
    if finding.code in _OF_NAMES:
        found.append(facts.hostname)
    if finding.where.kind == "file" and finding.where.name in facts.files:
        found.append(facts.files[finding.where.name].content)
    return tuple(sorted({telling[word] for text in found for word in _words(text) if word in telling}))


def with_owners(told: Told, copies: Sequence[str], *, holds_secret: bool = False) -> Told:
    """Return a finding that says whose values were found.

    A secret that differs from the lab's is a matter of taste, and another copy's is not: then it is an error.
    """
    if not copies:
        return told
    text = _("{found}; it has the values of copy {copies}").format(found=told.found, copies=", ".join(copies))
    finding = replace(told.finding, severity="error") if holds_secret else told.finding
    return replace(told, finding=finding, found=text)


def _texts(topology: Topology) -> Iterator[str]:
    for machine in topology.machines.values():
        if topology.is_adopted(machine) or not machine.configured:
            continue
        for resource in resources_for(topology, machine, topology.last_stage):
            match resource:
                case Hostname(name=name):
                    yield name
                case File(content=str() as content):
                    yield content
                case _:
                    pass


def _words(text: str) -> Iterator[str]:
    return (word for word in _WORD.findall(text) if len(word) >= SHORTEST)
