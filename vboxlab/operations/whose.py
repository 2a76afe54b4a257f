"""What the other copies of a class should hold, so that a grading can say whose values a machine has."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from vboxlab.errors import VboxlabError
from vboxlab.grading.copied import telling_words, whose, with_owners, words_of
from vboxlab.guest.resources import File, SecretText
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.secret_words import digests_of, keyed
from vboxlab.guest.secrets import SecretStore
from vboxlab.guest.telling import Told, told
from vboxlab.lab.check import MachineCheck
from vboxlab.lab.context import Context
from vboxlab.lab.observe import labs, see
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen
from vboxlab.operations.session import Session
from vboxlab.operations.targets import Target, find_target
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Topology


@dataclass(frozen=True)
class Neighbours:
    """The copies of a class by their labs, each with its topology as it shall be for that student."""

    topologies: Mapping[LabName, Topology] = field(default_factory=dict)

    def told(self, context: Context, target: Target, checked: MachineCheck) -> tuple[Told, ...]:
        """Return the findings of a machine in words, with whose values were found there."""
        findings = tuple(told(finding) for finding in checked.findings)
        others = {lab: topology for lab, topology in self.topologies.items() if lab != target.lab}
        if not others or not checked.guest_seen:
            return findings
        telling = self._telling(target, others)
        by_path = _secrets(context, target, checked, others)
        return tuple(
            with_owners(
                each, tuple(sorted({*whose(each.finding, checked.facts, telling), *by_path.get(_path(each), ())})),
                holds_secret=_path(each) in by_path,
            )
            for each in findings
        )  # fmt: skip

    def _telling(self, target: Target, others: Mapping[LabName, Topology]) -> Mapping[str, str]:
        words = {lab.copy or lab.lab: words_of(topology) for lab, topology in others.items()}
        return telling_words(words_of(target.needed.topology), words)


def neighbours_of(session: Session, name: str, chosen: Iterable[Chosen]) -> Neighbours:
    """Return the copies of a class: those that are graded, and those of the same lab on this computer.

    One whose topology cannot be loaded tells nothing.
    """
    found: dict[LabName, Topology] = {}
    wanted = {entry.lab: entry for entry in chosen}
    existing = {lab for lab in labs(session.context.machines()) if any(lab.lab == each.lab for each in wanted)}
    for lab in sorted(wanted.keys() | existing, key=str):
        try:
            target = wanted[lab].target(session) if lab in wanted else find_target(session, name, copy=lab.copy)
            found[lab] = target.needed.topology
        except VboxlabError:
            continue
    return Neighbours(found)


def _path(each: Told) -> str:
    return each.finding.where.name if each.finding.where.kind == "file" else ""


def _secrets(
    context: Context, target: Target, checked: MachineCheck, others: Mapping[LabName, Topology]
) -> dict[str, tuple[str, ...]]:
    """Return the copies whose secrets are in files of a machine about which something was found, by path."""
    topology = target.needed.topology
    machine = topology.machines[checked.machine]
    texts = {
        each.path: each.content
        for each in resources_for(topology, machine, topology.last_stage)
        if isinstance(each, File) and isinstance(each.content, SecretText)
    }
    paths = sorted({finding.where.name for finding in checked.findings if finding.where.kind == "file"} & texts.keys())
    by_path: dict[str, tuple[str, ...]] = {}
    for path in paths:
        names = sorted({hole.secret for hole in texts[path].all_holes if hole.part == "secret"})
        foreign = _others_secrets(context, target.lab, others, names)
        if foreign and (copies := _holders(context, target, checked.machine, path, foreign)):
            by_path[path] = copies
    return by_path


def _others_secrets(
    context: Context, own: LabName, others: Iterable[LabName], names: Sequence[str]
) -> dict[str, set[str]]:
    """Return the secrets of those names that other copies have and this one does not, by copy; none is made."""
    mine = _kept(context, own, names)
    found = {lab.copy or lab.lab: _kept(context, lab, names) - mine for lab in others}
    return {copy: those for copy, those in found.items() if those}


def _kept(context: Context, lab: LabName, names: Sequence[str]) -> set[str]:
    return set(SecretStore(context.directory(lab).secrets).kept(names))


def _holders(
    context: Context, target: Target, machine: str, path: str, foreign: Mapping[str, set[str]]
) -> tuple[str, ...]:
    key = secrets.token_hex(16)
    base = context.bases.get(target.base_of(machine))
    try:
        guest = context.guests.executor(context.directory(target.lab), see(context, target.lab).machines[machine], base)
        there = digests_of(guest, path, key)
    except VboxlabError:
        return ()
    return tuple(
        sorted(copy for copy, those in foreign.items() if any(keyed(key, secret) in there for secret in those))
    )
