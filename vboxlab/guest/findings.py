"""What a check finds: typed, so that it can be counted and graded; vboxlab.guest.telling puts it into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from vboxlab.lazily import dataclass
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
