"""Fit a file's values to the model: what does not fit is said in plain words, the rest is kept for the other rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from ipaddress import IPv4Network
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.pydantic_words import told
from vboxlab.topology.expectations import Expectation, expectation_at, expectation_inside, keys_of, kinds_of, model_for
from vboxlab.topology.model import MANAGEMENT_SLOT
from vboxlab.topology.places import describe, show
from vboxlab.topology.problems import Place, Problem, did_you_mean, nearest, one_of
from vboxlab.topology.source import Data, Source, look

Model = TypeVar("Model", bound=BaseModel)

_NONE: Mapping[str, Data] = MappingProxyType({})
_MOST_ROUNDS = 10
_BUILDING = threading.Lock()  # a model is built when one is first made, which threads may ask for at once
_CODES = {
    "missing": "missing-key",
    "extra_forbidden": "unknown-key",
    "literal_error": "wrong-value",
    "string_pattern_mismatch": "wrong-value",
    "too_short": "wrong-value",
    "greater_than": "out-of-range",
    "greater_than_equal": "out-of-range",
    "less_than": "out-of-range",
    "less_than_equal": "out-of-range",
}


@dataclass
class Fit(Generic[Model]):
    """The model made of all that fits, the problems of what does not, and how list places were shifted by it."""

    model: Model | None
    problems: list[Problem]
    kept: dict[Place, list[int]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Tell whether nothing had to be left out, so that absence in the model means absence in the file."""
        return self.model is not None and not self.problems

    def original(self, place: Place) -> Place:
        """Return where in the file a place of the model stands."""
        result: Place = ()
        for step in place:
            if isinstance(step, int) and result in self.kept:
                step = self.kept[result][step]  # noqa: PLW2901  # the shifted place is the step
            result = (*result, step)
        return result


def fit(model: type[Model], data: dict[str, Data], source: Source, fillers: Mapping[str, Data] = _NONE) -> Fit[Model]:
    """Make a model of the data. What does not fit becomes a problem, and the model is made without it if it can be.

    `fillers` stand for keys at the top that the model cannot do without, where the file's do not fit.
    """
    result: Fit[Model] = Fit(None, [])
    misfits = list(_wrong_truths(Expectation(model), data, ()))
    dropped = {_what_to_drop(model, data, misfit, fillers) for misfit in misfits}
    for attempt in range(_MOST_ROUNDS):
        result.kept = {}
        filled = {key: value for key, value in fillers.items() if key not in data or (key,) in dropped}
        rest = {**_without(data, dropped, (), result.kept), **(filled if attempt else {})}
        found: list[_Misfit] = []
        try:
            with _BUILDING:
                result.model = model.model_validate(rest, by_alias=True, by_name=False)
        except ValidationError as error:
            found = [
                _Misfit(result.original(_resolve(rest, each["type"], each["loc"])), dict(each))
                for each in error.errors(include_url=False)
            ]
        if attempt == 0:
            result.problems = _problems(model, data, source, [*misfits, *_causes(found)])
        dropped |= {_what_to_drop(model, data, misfit, fillers) for misfit in found}
        if result.model is not None or () in dropped:
            break
    return result


def _causes(found: Sequence[_Misfit]) -> list[_Misfit]:
    """Leave out that a list is too short where elements of it do not fit: pydantic counts only those that do."""
    return [
        misfit
        for misfit in found
        if misfit.kind != "too_short" or not any(_is_within(other.place, misfit.place) for other in found)
    ]


def _is_within(inner: Place, outer: Place) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


@dataclass(frozen=True)
class _Misfit:
    place: Place
    error: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.error["type"])


def _without(data: Data, dropped: set[Place], place: Place, kept: dict[Place, list[int]]) -> Any:
    if isinstance(data, dict):
        return {
            key: _without(value, dropped, (*place, key), kept)
            for key, value in data.items()
            if (*place, key) not in dropped
        }
    if isinstance(data, list):
        kept[place] = [index for index in range(len(data)) if (*place, index) not in dropped]
        return [_without(data[index], dropped, (*place, index), kept) for index in kept[place]]
    return data


def _wrong_truths(expected: Expectation, data: Data, place: Place) -> Iterator[_Misfit]:
    """Find the texts that stand for a truth value but are neither `true` nor `false`: YAML 1.2 has only these."""
    if expected.members == (bool,) and isinstance(data, str) and data not in ("true", "false"):
        yield _Misfit(place, {"type": "bool_type"})
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in children:
        inner = expectation_inside(expected, data, step)
        if inner is not None:
            yield from _wrong_truths(inner, value, (*place, step))


def _resolve(data: Data, kind: str, location: Place) -> Place:
    """Return the place that an error is about: pydantic's location without its labels of unions and validators."""
    if kind == "missing":
        return (*_longest(data, location[:-1]), location[-1])
    return _longest(data, location)


def _longest(data: Data, location: Place) -> Place:
    if not location:
        return ()
    step = location[0]
    in_mapping = isinstance(data, dict) and step in data
    in_list = isinstance(data, list) and isinstance(step, int) and step < len(data)
    taken: Place = (step, *_longest(look(data, (step,)), location[1:])) if in_mapping or in_list else ()
    if len(taken) == len(location):
        return taken
    skipped = _longest(data, location[1:])
    return taken if len(taken) > len(skipped) else skipped


def _what_to_drop(model: type[BaseModel], data: Data, misfit: _Misfit, fillers: Mapping[str, Data]) -> Place:
    """Return the smallest part around a misfit that the model can do without."""
    place = misfit.place
    if misfit.kind == "extra_forbidden":
        return place
    while place:
        if isinstance(place[-1], int) or (len(place) == 1 and place[0] in fillers):
            return place
        expected = expectation_at(model, data, place)
        parent = expectation_at(model, data, place[:-1])
        in_mapping = parent is not None and not parent.models
        if look(data, place) is not None and (in_mapping or (expected is not None and not expected.required)):
            return place
        place = place[:-1]
    return ()


def _problems(model: type[BaseModel], data: Data, source: Source, misfits: Sequence[_Misfit]) -> list[Problem]:
    by_place: dict[Place, list[_Misfit]] = {}
    for misfit in misfits:
        by_place.setdefault(misfit.place, []).append(misfit)
    misspelt = {
        _nearest_unused(model, data, place) for place in by_place if by_place[place][0].kind == "extra_forbidden"
    }
    return [_problem(model, data, source, group) for place, group in by_place.items() if place not in misspelt]


def _problem(model: type[BaseModel], data: Data, source: Source, group: Sequence[_Misfit]) -> Problem:
    """Return the one problem that all misfits of one place are."""
    misfit = group[0]
    place, kind = misfit.place, misfit.kind
    in_file = place_in_file(place, source)
    if kind == "missing":
        message = _missing(model, data, place)
        return Problem("missing-key", source.key(in_file[:-1]), message, in_file)
    if kind == "extra_forbidden":
        return Problem("unknown-key", source.key(in_file), _unknown_key(model, data, place), in_file)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _kind_problem(model, data, source, misfit)
    code, message = _wrong_value(model, data, group)
    return Problem(code, source.value(in_file), message, in_file)


def place_in_file(place: Place, source: Source) -> Place:
    """Return a place of the model as the file has it: `verify` may be the list of steps itself."""
    if place[:2] == ("verify", "steps") and isinstance(source.get(("verify",)), list):
        return ("verify", *place[2:])
    return place


def _missing(model: type[BaseModel], data: Data, place: Place) -> str:
    expected = expectation_at(model, data, place)
    whole, key = describe(place[:-1], data), place[-1]
    if expected is None:
        return _("{place} lacks the key `{key}`").format(place=whole, key=key)
    words = _("expected {words}").format(words=expected.words())
    return _("{place} lacks the key `{key}`; {expected}").format(place=whole, key=key, expected=words)


def _unused_keys(model: type[BaseModel], data: Data, place: Place) -> tuple[tuple[str, ...], list[str]]:
    """Return the keys that may stand beside a wrong one, and those of them that are not given yet."""
    parent = expectation_at(model, data, place[:-1])
    owner = model_for(parent, look(data, place[:-1])) if parent else None
    keys = keys_of(owner) if owner else ()
    beside = look(data, place[:-1])
    return keys, [name for name in keys if not (isinstance(beside, dict) and name in beside)]


def _nearest_unused(model: type[BaseModel], data: Data, place: Place) -> Place:
    """Return the key that a wrong key is probably meant to be, so that it is not called missing as well."""
    return (*place[:-1], nearest(str(place[-1]), _unused_keys(model, data, place)[1]) or "")


def _unknown_key(model: type[BaseModel], data: Data, place: Place) -> str:
    key = str(place[-1])
    keys, unused = _unused_keys(model, data, place)
    return _("`{key}` is not a key of {place}; {expected}").format(
        key=key, place=describe(place[:-1], data), expected=one_of(keys) + did_you_mean(key, unused)
    )


def _kind_problem(model: type[BaseModel], data: Data, source: Source, misfit: _Misfit) -> Problem:
    """Return the problem of a list element whose kind (`role: …`, `check: …`) is unknown or not given."""
    key = str(misfit.error["ctx"]["discriminator"]).strip("'")
    place, in_file = misfit.place, place_in_file(misfit.place, source)
    expected = expectation_at(model, data, place)
    kinds = kinds_of(expected, key) if expected else ()
    wrong = look(data, (*place, key))
    if wrong is None:
        message = _("{place} lacks the key `{key}`; {expected}").format(
            place=describe(place, data), key=key, expected=one_of(kinds)
        )
        return Problem("missing-key", source.key(in_file), message, (*in_file, key))
    where = source.value((*in_file, key))
    if not isinstance(wrong, str):
        message = _("{place} is {value}; {expected}").format(
            place=describe((*place, key), data), value=show(wrong), expected=one_of(kinds)
        )
        return Problem("wrong-type", where, message, (*in_file, key))
    message = _("there is no {key} {value}; {expected}").format(
        key=key, value=show(wrong), expected=one_of(kinds) + did_you_mean(wrong, kinds)
    )
    return Problem(f"unknown-{key}", where, message, (*in_file, key))


def _wrong_value(model: type[BaseModel], data: Data, group: Sequence[_Misfit]) -> tuple[str, str]:
    place, error = group[0].place, group[0].error
    value = look(data, place)
    named = {"place": describe(place, data), "value": show(value)}
    if place[-1:] == ("slot",) and value == str(MANAGEMENT_SLOT):
        text = _("{place} is {value}, which is kept for management; expected a slot from 1 to 7")
        return "slot-reserved", text.format(**named)
    expected = expectation_at(model, data, place)
    code = _code(group[0].kind)
    if code is None or expected is None:
        said = str(error["ctx"]["error"]) if group[0].kind == "value_error" else told(error)
        subject = named["place"] if isinstance(value, dict) else _("{place} is {value}").format(**named)
        return code or "wrong-value", _("{subject}: {problem}").format(subject=subject, problem=said)
    hint = ""
    if isinstance(value, str):
        hint = _network_hint(value) if IPv4Network in expected.members else did_you_mean(value, expected.literals)
    elif isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None:
        hint = _('; did you mean "{hole}" in quotes?').format(hole=f"{{{next(iter(value))}}}")
    words = _("expected {words}").format(words=expected.words())
    return code, _("{place} is {value}; {expected}").format(**named, expected=words + hint)


def _code(kind: str) -> str | None:
    """Return the code of one of pydantic's kinds of errors; None for those whose own message says what is wrong."""
    if kind.startswith("ip_"):
        return "bad-address"
    if kind.endswith(("_type", "_parsing", "_size", "from_float", "finite_number")):
        return "wrong-type"
    return _CODES.get(kind)


def _network_hint(value: str) -> str:
    try:
        return _("; did you mean `{word}`?").format(word=IPv4Network(value, strict=False))
    except ValueError:
        return ""
