"""What a user is to be told, without a sentence: the worker has none, since it knows no language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Union

from vboxlab.lazily import dataclass

Value = Union[str, int, float, None, "Told", "tuple[Value, ...]"]


@dataclass(frozen=True)
class Told:
    """A code, for which vboxlab.hypervisor.virtualbox.sentences has a sentence, and the values that go into that.

    A value may itself be told, or be several in a row. Names, paths and what VirtualBox says are values as they are.
    """

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)


def verbatim(text: object) -> Told:
    """Return what is told as it is: a name, a path, or a text of VirtualBox, the system or Python."""
    return Told("verbatim", {"text": str(text)})


def verbatims(texts: Iterable[object]) -> list[Told]:
    """Return texts that are told as they are."""
    return [verbatim(text) for text in texts]


def names(texts: Iterable[object]) -> tuple[Value, ...]:
    """Return names as one value, which is told as a list."""
    return tuple(str(text) for text in texts)


def words_in(value: Value) -> list[str]:
    """Return the texts among what is told, however deep, to look for a name of VirtualBox's in them."""
    if isinstance(value, Told):
        return [word for each in value.values.values() for word in words_in(each)]
    if isinstance(value, tuple):
        return [word for each in value for word in words_in(each)]
    return [value] if isinstance(value, str) else []
