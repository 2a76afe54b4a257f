"""How what a student reads is put: tables of sentences, networks by their kind, and code in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.language import N_, _

Texts = Mapping[str, str]
"""By a key, a sentence that is marked for the catalogues; `{name}` stands for a value."""

_ATTACHED = {
    "internal": N_("internal network {name}"),
    "nat": "NAT",
    "host-only": N_("host-only network {name}"),
    "bridged": N_("bridged to {name}"),
    "nat-network": N_("NAT network {name}"),
}


def attached_to(kind: str, name: str) -> str:
    """Return what an adapter is attached to: a network of a kind (vboxlab.topology.model), by its name."""
    return _(_ATTACHED[kind]).format(name=code(name))


def code(content: str) -> str:
    """Return text as Markdown code within a line, whatever backticks it holds (CommonMark, "Code spans")."""
    longest = _longest_run(content, "`")
    fence = "`" * (longest + 1)
    padding = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{fence}{padding}{content}{padding}{fence}"


def clipped(text: str, limit: int = 80) -> str:
    """Return text of a guest that is not too long to be shown; a hyphen for none."""
    return (f"{text[:limit]}…" if len(text) > limit else text) if text.strip() else "-"


def block(content: str, language: str) -> list[str]:
    """Return text as the lines of a fenced Markdown code block, whatever fences it holds."""
    fence = "`" * max(3, _longest_run(content, "`") + 1)
    return [f"{fence}{language}", *content.removesuffix("\n").split("\n"), fence]


def _longest_run(content: str, character: str) -> int:
    longest = run = 0
    for found in content:
        run = run + 1 if found == character else 0
        longest = max(longest, run)
    return longest
