"""What a check finds: typed, so that it can be counted and graded; put into words only where it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vboxlab.guest.explain_texts import TEXTS
from vboxlab.guest.finding_texts import PLACES
from vboxlab.guest.texts import all_texts
from vboxlab.guest.wording import code, printable, say
from vboxlab.language import Language
from vboxlab.planning.observed import Attachment

Severity = Literal["error", "warning", "hint"]
"""error: it does not work so; warning: it differs, or follows from an error; hint: accepted, but worth a word."""

PlaceKind = Literal["file", "adapter", "machine", "guest", "service", "package", "user", "kernel", "interface"]


@dataclass(frozen=True)
class Where:
    """Where something was found: a file and line, an adapter by its slot, a service."""

    kind: PlaceKind
    name: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Finding:
    """One difference between a machine and its topology. `code` is stable; `values` fill the texts of the code.

    `explains` are the keys of the resources whose difference it is the reason of.
    """

    code: str
    machine: str
    where: Where
    values: Mapping[str, str | Attachment] = field(default_factory=dict)
    severity: Severity = "error"
    explains: tuple[str, ...] = ()

    def found(self, language: Language) -> str:
        """Say what was found."""
        return say(all_texts().found, self.code, language, **self._shown(language))

    def expected(self, language: Language) -> str:
        """Say what is expected, "" where that goes without saying."""
        texts = all_texts().expected
        return say(texts, self.code, language, **self._shown(language)) if self.code in texts else ""

    def _shown(self, language: Language) -> dict[str, str]:
        return {
            key: say(TEXTS, value.kind, language, name=code(value.name))
            if isinstance(value, Attachment)
            else printable(value)
            for key, value in self.values.items()
        }

    def place(self, language: Language) -> str:
        """Say where: `/etc/hosts:3`, `adapter 1 (enp0s3)`."""
        line = f":{self.where.line}" if self.where.line is not None else ""
        return say(PLACES, self.where.kind, language, name=self.where.name) + line

    def data(self, language: Language) -> dict[str, Any]:
        """Return the finding as plain data for JSON; keys are stable."""
        return {
            "code": self.code,
            "severity": self.severity,
            "machine": self.machine,
            "where": {"kind": self.where.kind, "name": self.where.name, "line": self.where.line},
            "values": {key: str(value) for key, value in self.values.items()},
            "place": self.place(language),
            "found": self.found(language),
            "expected": self.expected(language),
        }


def in_file(
    code: str,
    machine: str,
    path: str,
    line: int | None,
    severity: Severity = "error",
    /,
    **values: str,
) -> Finding:
    """Return a finding about a file that a resource wants: it explains that resource's difference."""
    return Finding(code, machine, Where("file", path, line), values, severity, (f"file:{path}",))
