"""Dataclasses whose methods are made with their first object: a command imports hundreds and makes objects of a few.

To make the methods takes most of the time that an import takes, as Python compiles each of them anew (dataclasses).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **options: Any) -> type | Callable[[type], type]:
        """Make a class a dataclass as late as can be; it is used as dataclasses.dataclass, with the same options."""

        def later(cls: type) -> type:
            _Unmade(cls, options)
            return cls

        return later if cls is None else later(cls)


_making = threading.RLock()


class _Unmade:
    """Stands for the fields of a dataclass (`__dataclass_fields__`) until they or the first object are wanted."""

    def __init__(self, cls: type, options: dict[str, Any]) -> None:
        self._cls, self._options = cls, options
        self._made = False
        new = self.new  # stays: a class that has lost its own __new__ takes no arguments any more

        def __new__(kind: type, /, *_values: Any, **_named: Any) -> Any:  # noqa: N807 -- it becomes the class's
            new()
            return object.__new__(kind)

        cls.__new__ = __new__  # type: ignore[method-assign]
        cls.__dataclass_fields__ = self  # type: ignore[attr-defined]

    def __get__(self, _object: object, _owner: type | None = None) -> Any:
        self.new()
        return self._cls.__dataclass_fields__  # type: ignore[attr-defined]

    def new(self) -> None:
        """Make the dataclass, once."""
        if self._made:
            return
        with _making:
            if not self._made:
                dataclasses.dataclass(**self._options)(self._cls)
                self._made = True
