"""The digest that vboxlab wrote before it had a version: of the `repr` of its classes as they were then.

Labs made at that time carry it in their marks, and in the marks and descriptions of their snapshots. The classes have
changed since, so what they were is kept here; never add a field to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

from vboxlab.guest.canonical import has_default
from vboxlab.guest.resources import Resource
from vboxlab.guest.role_registry import guest_roles

# The classes and the order of their fields.
FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SecretText": ("template", "secret", "marker"),
        "File": ("path", "content", "mode", "owner", "group", "notifies", "before_packages"),
        "AbsentFile": ("path", "notifies"),
        "Package": ("name",),
        "Service": ("name", "enabled", "running", "pause"),
        "Sysctl": ("name", "value", "file"),
        "Hostname": ("name", "key"),
        "Interface": ("name", "address", "gateway"),
        "Password": ("user", "secret"),
        "Command": ("name", "run", "unless"),
        "Await": ("name", "until", "within", "nudge", "nudge_after", "unit"),
    }
)
LENGTH = 16  # hexadecimal digits


def first_digest(resources: Sequence[Resource]) -> str | None:
    """Return the digest that vboxlab wrote at first; None for resources that it could not have written then."""
    try:
        text = _tuple([_repr(_as_it_was(resource)) for resource in resources])
    except _Unknown:
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def earlier_digests(resources: Sequence[Resource]) -> tuple[str, ...]:
    """Return what earlier versions of vboxlab wrote for the same resources, in any of their forms."""
    first = first_digest(resources)
    return () if first is None else (first,)


def _as_it_was(resource: Resource) -> Resource:
    """Return a resource of which a role says something else today: a lab is not unconfigured because of that.

    A look into the guest finds the difference, and repairs it.
    """
    for role in guest_roles().values():
        resource = role.as_it_was(resource)
    return resource


class _Unknown(Exception):
    """A resource says what there was no word for."""


def _repr(value: Any) -> str:
    if isinstance(value, tuple):
        return _tuple([_repr(part) for part in value])
    if is_dataclass(value):
        return _instance(value)
    return repr(value)


def _tuple(parts: Sequence[str]) -> str:
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def _instance(value: Any) -> str:
    kind = type(value).__name__
    known = FIELDS.get(kind)
    if known is None:
        raise _Unknown
    if not all(each.name in known or has_default(value, each) for each in fields(value)):
        raise _Unknown
    return f"{kind}({', '.join(f'{name}={_repr(getattr(value, name))}' for name in known)})"
