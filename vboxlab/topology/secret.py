"""The secrets that a topology names, and the holes in texts of files that they fill, such as `{secret replica}`.

A hole has a space in it, so the parameters of a topology leave it as it is (vboxlab.topology.parameters).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from vboxlab.topology.problems import nearest
from vboxlab.topology.roles import Parameters
from vboxlab.topology.step import Names, listed

SecretKind = Literal["password", "wireguard", "certificate"]
OWN_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"password": ("length",), "wireguard": (), "certificate": ("names", "addresses")}
)
"""The keys that only secrets of one kind have."""
CA, CERTIFICATE = "ca", "certificate"
KINDS: Mapping[str, SecretKind] = MappingProxyType(
    {
        "secret": "password",
        "private-key": "wireguard",
        "public-key": "wireguard",
        CERTIFICATE: "certificate",
        "certificate-key": "certificate",
    }
)
"""By the word of a hole, the kind of secret that it takes. `{ca certificate}`, of the lab itself, takes none."""
PRIVATE = frozenset({"secret", "private-key", "certificate-key"})
"""The words of what must be known to nobody but the machines that a secret is for."""
_HOLE = re.compile(r"\{([A-Za-z][A-Za-z-]*) ([A-Za-z0-9][A-Za-z0-9._-]{0,63})\}")


class LabSecret(Parameters):
    """Something that the lab makes up with its first `up`, and that its machines share."""

    kind: SecretKind = Field(
        default="password", description="password; wireguard: a key pair; certificate: signed by the lab's own CA"
    )
    on: Names = Field(
        default=(), description="machines that may use it; default: all, for a password; keys need to be told"
    )
    length: int = Field(default=24, ge=8, le=128, description="characters of a password: letters and digits")
    names: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        default=(), description="names in a certificate; default, with `addresses`: those of the machines in `on`"
    )
    addresses: Annotated[tuple[IPv4Address, ...], BeforeValidator(listed)] = Field(
        default=(), description="addresses in a certificate"
    )

    def is_for(self, machine: str) -> bool:
        """Tell whether a machine may use it."""
        return not self.on or machine in self.on


class TextHole(NamedTuple):
    """A hole as a text has it: which part of which secret it takes."""

    marker: str
    word: str
    name: str


def holes_in(text: str) -> tuple[TextHole, ...]:
    """Return the holes of a text that secrets fill, each once, in order."""
    return tuple(dict.fromkeys(hole for hole in _alike(text) if _is_hole(hole)))


def nearly_holes(text: str, names: Container[str]) -> tuple[TextHole, ...]:
    """Return what is meant as a hole for a secret of these names, or for the lab's CA, and is none.

    Other words in braces are what a text may say, such as `{print web}` of awk(1).
    """
    alike = (hole for hole in _alike(text) if not _is_hole(hole))
    meant = (hole for hole in alike if hole.word.lower() == CA or (hole.name in names and _is_nearly_word(hole.word)))
    return tuple(dict.fromkeys(meant))


def _is_nearly_word(word: str) -> bool:
    return nearest(word, KINDS) is not None or any(kind.startswith(word) or word in kind.split("-") for kind in KINDS)


def _alike(text: str) -> Iterator[TextHole]:
    return (TextHole(found[0], found[1], found[2]) for found in _HOLE.finditer(text))


def _is_hole(hole: TextHole) -> bool:
    return hole.word in KINDS or (hole.word, hole.name) == (CA, CERTIFICATE)
