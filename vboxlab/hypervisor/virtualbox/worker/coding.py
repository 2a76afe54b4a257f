"""The protocol's dataclasses as JSON, and back: read strictly by their annotations, so that nothing wrong goes on."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vboxlab.hypervisor.virtualbox.worker.told import Told, Value


class Malformed(ValueError):
    """Data that is not what was to come, with what is to be told of it."""

    def __init__(self, told: Told) -> None:
        super().__init__(told)
        self.told = told


def plain(value: object) -> Any:
    """Return a value of the protocol's types as one of JSON's. Raises TypeError for any other."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(type(value).__name__)


def read(kind: Any, data: Any, where: str) -> Any:
    """Return JSON's data as a value of a type; `where` names it. Raises Malformed."""
    if kind is Any:
        return data
    if kind is Told:
        return _told(data, where)
    if is_dataclass(kind):
        return _dataclass(kind, data, where)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (other,) = (each for each in inner if each is not type(None))
        return None if data is None else read(other, data, where)
    if origin is tuple:
        return _tuple(inner, data, where)
    if origin is dict:
        return {name: read(inner[1], each, f"{where}.{name}") for name, each in _object(data, where).items()}
    if origin is Literal:
        if data in inner:
            return data
    elif kind is float:
        if type(data) in (int, float):
            return float(data)
    elif type(data) is kind:  # a bool is no number
        return data
    raise _wrong(where)


def read_fields(kind: Any, data: Any, where: str) -> dict[str, Any]:
    """Return the fields of a dataclass as values of their types. Raises Malformed when one is not so."""
    known = _fields(kind)
    found = _object(data, where)
    for name in found:
        if name not in known:
            raise Malformed(Told("unknown-field", {"field": _below(where, name)}))
    for name, (each, _type) in known.items():
        if name not in found and each.default is MISSING and each.default_factory is MISSING:
            raise Malformed(Told("missing-field", {"field": _below(where, name)}))
    return {name: read(known[name][1], each, _below(where, name)) for name, each in found.items()}


def _dataclass(kind: Any, data: Any, where: str) -> Any:
    return kind(**read_fields(kind, data, where))


@cache
def _fields(kind: Any) -> dict[str, tuple[Field[Any], Any]]:
    hints = get_type_hints(kind)
    return {each.name: (each, hints[each.name]) for each in fields(kind)}


def _tuple(inner: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise _wrong(where)
    types_of = inner[:1] * len(data) if inner[1:] == (...,) else inner
    if len(types_of) != len(data):
        raise _wrong(where)
    return tuple(
        read(kind, each, f"{where}.{number}") for number, (kind, each) in enumerate(zip(types_of, data, strict=True))
    )


def _told(data: Any, where: str) -> Told:
    found = _object(data, where)
    if set(found) != {"code", "values"} or not isinstance(found["code"], str):
        raise _wrong(where)
    values = _object(found["values"], where)
    return Told(found["code"], {name: _value(each, _below(where, name)) for name, each in values.items()})


def _value(data: Any, where: str) -> Value:
    if isinstance(data, dict):
        return _told(data, where)
    if isinstance(data, list):
        return tuple(_value(each, where) for each in data)
    if data is None or isinstance(data, (str, int, float)):
        return data
    raise _wrong(where)


def _object(data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise _wrong(where)
    return data


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _wrong(where: str) -> Malformed:
    return Malformed(Told("wrong-type", {"field": where}))
