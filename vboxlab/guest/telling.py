"""Findings in words: the sentences of every guest and those that the installed roles bring, by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from vboxlab.errors import RoleUnusable
from vboxlab.guest.explain_texts import TEXTS
from vboxlab.guest.finding_texts import EXPECTED, FOUND, PLACES
from vboxlab.guest.findings import Finding
from vboxlab.guest.role_registry import guest_roles
from vboxlab.guest.wording import Texts, code, printable, say
from vboxlab.language import Language
from vboxlab.planning.observed import Attachment
from vboxlab.topology.role_registry import installed_roles


@dataclass(frozen=True)
class Told:
    """A finding in words: where, what was found, and what is expected, "" where that goes without saying.

    A place is such as `/etc/hosts:3` or `adapter 1 (enp0s3)`.
    """

    finding: Finding
    place: str
    found: str
    expected: str

    def data(self) -> dict[str, Any]:
        """Return the finding as plain data for JSON; keys are stable."""
        where = self.finding.where
        return {
            "code": self.finding.code,
            "severity": self.finding.severity,
            "machine": self.finding.machine,
            "where": {"kind": where.kind, "name": where.name, "line": where.line},
            "values": {key: str(value) for key, value in self.finding.values.items()},
            "place": self.place,
            "found": self.found,
            "expected": self.expected,
        }


def told(finding: Finding, language: Language) -> Told:
    """Put a finding into words. Raises RoleUnusable when two roles have words for one code."""
    texts, where = all_texts(), finding.where
    values = {key: _shown(value, language) for key, value in finding.values.items()}
    return Told(
        finding,
        place=say(PLACES, where.kind, language, name=where.name) + (f":{where.line}" if where.line is not None else ""),
        found=say(texts.found, finding.code, language, **values),
        expected=say(texts.expected, finding.code, language, **values) if finding.code in texts.expected else "",
    )


def _shown(value: str | Attachment, language: Language) -> str:
    if isinstance(value, Attachment):
        return say(TEXTS, value.kind, language, name=code(value.name))
    return printable(value)


@dataclass(frozen=True)
class AllTexts:
    """What was found and what is expected, by the code of a finding; the words of the answer key."""

    found: Texts
    expected: Texts
    steps: Texts


@cache
def all_texts() -> AllTexts:
    """Return the sentences of vboxlab and of all installed roles. Raises RoleUnusable when two have one key."""
    roles = guest_roles()
    return AllTexts(
        _together("code", FOUND, {name: role.found for name, role in roles.items()}),
        _together("code", EXPECTED, {name: role.expected for name, role in roles.items()}),
        _together("key of a text", TEXTS, {name: role.steps for name, role in roles.items()}),
    )


def _together(what: str, own: Texts, of_roles: Mapping[str, Texts]) -> Texts:
    found, owners = dict(own), dict.fromkeys(own, "vboxlab's own for every guest")
    for name, texts in of_roles.items():
        owner = f"role {name} of {installed_roles()[name].origin}"
        for key, pair in texts.items():
            if key in found:
                raise RoleUnusable(
                    f"the {what} {key} is there twice",
                    details=[owners[key], owner],
                    resolution="remove one of them, or ask its author for a key that begins with the role's name",
                )
            found[key], owners[key] = pair, owner
    return found
