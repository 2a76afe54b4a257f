"""The canonical form of resources: what the digest of a configured guest is made from, the same in every version.

A mark on a machine holds the digest for as long as the lab exists, so the form may change only together with VERSION,
and what earlier versions wrote must go on being accepted (vboxlab.guest.first_digest). A field that has its default is
left out: a new field with a default changes no digest. So the default of a field never changes either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from vboxlab.guest.resources import Hole, Resource, SecretText

VERSION = 1
LENGTH = 16  # hexadecimal digits


def canonical_lines(resources: Iterable[Resource]) -> list[str]:
    """Return one line of JSON a resource: its kind and the fields that differ from their defaults, keys sorted."""
    return [json.dumps(_record(resource), sort_keys=True) for resource in resources]


def digest(resources: Sequence[Resource]) -> str:
    """Return VERSION and a digest of resources in their order, such as `1:0123456789abcdef`."""
    text = "\n".join(canonical_lines(resources))
    return f"{VERSION}:{hashlib.sha256(text.encode()).hexdigest()[:LENGTH]}"


def _record(value: Resource | SecretText | Hole) -> dict[str, Any]:
    told = [each.name for each in fields(value) if each.init and each.compare and not has_default(value, each)]
    return {"kind": type(value).__name__, **{name: _plain(getattr(value, name)) for name in told}}


def has_default(value: Any, declared: Field[Any]) -> bool:
    """Tell whether a field of a dataclass instance has its default."""
    if declared.default_factory is not MISSING:
        return bool(getattr(value, declared.name) == declared.default_factory())
    return declared.default is not MISSING and bool(getattr(value, declared.name) == declared.default)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretText | Hole):
        return _record(value)
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
