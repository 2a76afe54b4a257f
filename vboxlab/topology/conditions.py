"""Conditions on parameters: `when: {parameter: value}`, or several values of which it must have one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

WHEN = "when"
"""The key of conditions."""
When: TypeAlias = dict[str, str | tuple[str, ...]]


def wanted(values: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of which a parameter must have one."""
    return (values,) if isinstance(values, str) else values


def holds(when: When, values: Mapping[str, str]) -> bool:
    """Tell whether each parameter has one of the values that a condition wants."""
    return all(values.get(name) in wanted(each) for name, each in when.items())
