"""Findings in words: with the sentences of every guest, and those that the installed roles bring."""

from __future__ import annotations

from typing import Any

from vboxlab.guest.finding_texts import EXPECTED, FOUND, PLACES
from vboxlab.guest.findings import Finding
from vboxlab.guest.reasons import in_words
from vboxlab.guest.role_registry import guest_sides
from vboxlab.guest.wording import Texts, attached_to
from vboxlab.harmless import for_line
from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import Attachment


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


def told(finding: Finding) -> Told:
    """Put a finding into words."""
    texts, where = all_texts(), finding.where
    values = {key: _shown(finding.code, key, value) for key, value in finding.values.items()}
    expected = texts.expected.get(finding.code, "")
    return Told(
        finding,
        place=_(PLACES[where.kind]).format(name=where.name) + (f":{where.line}" if where.line is not None else ""),
        found=_(texts.found[finding.code]).format(**values),
        expected=C_("expected", expected).format(**values),
    )


def _shown(code: str, key: str, value: str | Attachment) -> str:
    if isinstance(value, Attachment):
        return attached_to(value.kind, value.name)
    match code, key:
        case _, "power":
            return C_("machine", value)
        case _, "reason":
            return for_line(in_words(value))
        case "invisible-character", ("character" | "effect"):
            return _(value)
        case (("command" | "state"), "name"):  # of a resource
            return for_line(_(value))
        case _:
            return for_line(value)


@dataclass(frozen=True)
class AllTexts:
    """What was found and what is expected, by the code of a finding."""

    found: Texts
    expected: Texts


def all_texts() -> AllTexts:
    """Return the sentences of vboxlab and of all roles that can be used; no two of them are of one code."""
    found, expected = dict(FOUND), dict(EXPECTED)
    for side in guest_sides().values():
        found.update(side.found)
        expected.update(side.expected)
    return AllTexts(found, expected)
