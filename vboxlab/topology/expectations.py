"""What a topology file may say at each place, in plain words, read off the model itself."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from vboxlab.language import C_, N_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.topology.conditions import WHEN
from vboxlab.topology.disks import SIZE_PATTERN, Disk, SharedDisk
from vboxlab.topology.loops import FOR_EACH
from vboxlab.topology.model import Adapter, Machine, Network, SnapshotSet, Stage, Topology
from vboxlab.topology.problems import Place
from vboxlab.topology.roles import Role
from vboxlab.topology.secret import LabSecret
from vboxlab.topology.source import Data

# Fields that come from elsewhere than the file: the key above, the file's name, the command line.
NOT_IN_FILE: Mapping[type[BaseModel], frozenset[str]] = {
    Topology: frozenset({"name", "values"}),
    Machine: frozenset({"name"}),
    SnapshotSet: frozenset({"name"}),
}
# Keys that a file may give although no model has them: they are gone once it is expanded (vboxlab.topology.expansion).
_EXPANDED = (WHEN, FOR_EACH)
PARTS = "parts"
"""The section of a topology that names its parts."""
_CAN_BE_EXPANDED = (Machine, Network, Adapter, Disk, SharedDisk, LabSecret, Role, Stage)
_PLAIN_WORDS: Mapping[Any, str] = {
    str: N_("text"),
    bool: N_("true or false"),
    IPv4Address: N_("an IPv4 address such as 192.168.200.51"),
    IPv4Interface: N_("an IPv4 address with its prefix length, such as 192.168.200.51/24"),
    IPv4Network: N_("a network such as 192.168.200.0/24"),
}
_PATTERN_WORDS = {SIZE_PATTERN: N_("a size such as 512 MiB or 2 GiB")}
_ANOTHER = N_("another value")


@dataclass(frozen=True)
class Expectation:
    """The type that a place must have."""

    annotation: Any
    limits: tuple[Any, ...] = ()
    required: bool = False

    @cached_property
    def members(self) -> tuple[Any, ...]:
        """Return the types of a union, flattened, without None; of anything else, itself."""
        return tuple(_flatten(self.annotation))

    @cached_property
    def models(self) -> tuple[type[BaseModel], ...]:
        """Return the models among the members."""
        return tuple(member for member in self.members if isinstance(member, type) and issubclass(member, BaseModel))

    def contents(self, container: type) -> Expectation | None:
        """Return what a list (container tuple) or mapping (dict) that may stand here has to contain."""
        return self._contents.get(container)

    @cached_property
    def _contents(self) -> Mapping[Any, Expectation]:
        found = {get_origin(member): get_args(member) for member in self.members}
        return {
            origin: Expectation(found[origin][place]) for origin, place in ((tuple, 0), (dict, 1)) if origin in found
        }

    @property
    def literals(self) -> tuple[str, ...]:
        """Return the fixed words that may stand here."""
        return tuple(
            word for member in self.members if get_origin(member) is Literal for word in map(str, get_args(member))
        )

    def words(self) -> str:
        """Return what is expected, for a sentence that begins with `expected`."""
        either = C_("alternatives", "or")
        return f" {either} ".join(dict.fromkeys(self._member_words(member) for member in self.members))

    def _limit(self, name: str) -> Any:
        """Return a limit (ge, lt, min_length, pattern …) set on the field or inside its type; None where none is."""
        limits = [getattr(limit, name, None) for limit in (*self.limits, *_nested_limits(self.annotation))]
        found = [limit for limit in limits if limit is not None]
        strictest = max if name in ("ge", "gt", "min_length") else min
        return strictest(found) if found else None

    def _member_words(self, member: Any) -> str:
        origin = get_origin(member)
        if origin is Literal:
            words = [str(word) for word in get_args(member)]
            return words[0] if len(words) == 1 else _("one of {words}").format(words=", ".join(words))
        if origin is tuple:
            least = self._limit("min_length")
            if not least:
                return _("a list (`- …` lines, or `[…]`)")
            text = n_(
                "a list of at least {count} (`- …` lines, or `[…]`)",
                "a list of at least {count} (`- …` lines, or `[…]`)",
                least,
            )
            return text.format(count=least)
        if origin is dict:
            return _("keys and values (`key: value` lines)")
        if isinstance(member, type) and issubclass(member, BaseModel):
            if len(self.models) > 1:
                return _("keys and values")
            return _("keys and values ({keys})").format(keys=", ".join(keys_of(member)))
        if member in (int, float):
            return self._number_words(_("a whole number") if member is int else _("a number"))
        pattern = self._limit("pattern") if member is str else None
        if pattern in _PATTERN_WORDS:
            return _(_PATTERN_WORDS[pattern])
        if pattern:
            return _("text that matches {pattern}").format(pattern=pattern)
        return _(_PLAIN_WORDS.get(member, _ANOTHER))

    def _number_words(self, noun: str) -> str:
        low, high = self._limit("ge"), self._limit("le")
        if low is not None and high is not None:
            return _("{number} from {low} to {high}").format(number=noun, low=low, high=high)
        limits = (
            (_("of at least {limit}"), low),
            (_("of at most {limit}"), high),
            (_("above {limit}"), self._limit("gt")),
            (_("below {limit}"), self._limit("lt")),
        )
        both = C_("limits", "and")
        said = f" {both} ".join(text.format(limit=limit) for text, limit in limits if limit is not None)
        return f"{noun} {said}".strip()


def _nested_limits(annotation: Any) -> Iterable[Any]:
    if get_origin(annotation) is Annotated:
        for limit in get_args(annotation)[1:]:
            yield from limit.metadata if isinstance(limit, FieldInfo) else (limit,)
        yield from _nested_limits(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _nested_limits(member)


def _flatten(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _flatten(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _flatten(member)
    elif annotation is not type(None):
        yield annotation


def not_in_file(model: type[BaseModel]) -> frozenset[str]:
    """Return the fields of a model that come from elsewhere than the file; those of models made of ours as well."""
    return next((fields for kind, fields in NOT_IN_FILE.items() if issubclass(model, kind)), frozenset())


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys that a file may give for a model, in the order of the model."""
    hidden = not_in_file(model)
    added = _EXPANDED if issubclass(model, _CAN_BE_EXPANDED) else (PARTS,) if issubclass(model, Topology) else ()
    return (*(field.alias or name for name, field in model.model_fields.items() if name not in hidden), *added)


def kinds_of(expectation: Expectation, key: str) -> tuple[str, ...]:
    """Return the words that the key which tells the kinds of a list's elements apart (`role`) may have."""
    fields = [_fields(model)[key] for model in expectation.models if key in _fields(model)]
    return tuple(word for field in fields for word in field.literals)


def model_for(expectation: Expectation, value: Data) -> type[BaseModel] | None:
    """Return which model of the expected ones a mapping is meant to be, by the fixed words in it."""
    candidates = expectation.models
    if len(candidates) == 1:
        return candidates[0]
    if not isinstance(value, dict):
        return None
    for model in candidates:
        fixed = _fixed_words(model)
        if fixed and all(value.get(key) in words for key, words in fixed.items()):
            return model
    return None


@cache
def _fixed_words(model: type[BaseModel]) -> Mapping[str, tuple[str, ...]]:
    """Return the keys of a model that must have one of a few words: they tell the models of a union apart."""
    fields = ((key, expected) for key, expected in _fields(model).items() if expected.required)
    return {key: expected.literals for key, expected in fields if get_origin(expected.annotation) is Literal}


@cache
def _fields(model: type[BaseModel]) -> Mapping[str, Expectation]:
    return {
        field.alias or name: Expectation(field.annotation, tuple(field.metadata), field.is_required())
        for name, field in model.model_fields.items()
    }


def expectation_at(root: type[BaseModel], data: Data, place: Place) -> Expectation | None:
    """Return what is expected at a place of a file; None where the model has no such place."""
    current: Expectation | None = Expectation(root)
    value: Data = data
    for step in place:
        if current is None:
            return None
        current = expectation_inside(current, value, step)
        value = _child(value, step)
    return current


def _child(value: Data, step: str | int) -> Data:
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def expectation_inside(current: Expectation, value: Data, step: str | int) -> Expectation | None:
    """Return what is expected at a key or index of a value, given what is expected of the value itself."""
    contents = current.contents(tuple if isinstance(step, int) else dict)
    if contents is not None:
        return contents
    model = model_for(current, value)
    return _fields(model).get(str(step)) if model is not None else None
