"""What the arguments of all calls of the worker have in common: they know the type of what the call returns."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Arguments(Generic[R]):
    """The arguments of a call, which returns an R."""


def result_of(arguments: type[Arguments[Any]]) -> Any:
    """Return the type of what a call returns: the parameter of its base class."""
    return arguments.__orig_bases__[0].__args__[0]  # type: ignore[attr-defined]  # types.get_original_bases is 3.12's
