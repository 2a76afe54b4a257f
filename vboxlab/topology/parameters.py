"""The parameters of a topology: which values are in force, and `{name}` replaced by them."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from vboxlab.errors import UsageError
from vboxlab.language import C_, _
from vboxlab.topology.parameter_types import NUMBER, Declared
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.scope import Scope
from vboxlab.topology.source import Data, Source, unprintable

# `{{…}}` and `{{` are literal braces; `{name}` is a hole, and `{name+1}` one that counts up where the name stands for a
# number; any other brace is itself, as CSS in a page needs.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_HOLE = re.compile(r"\{\{([^{}]*)\}\}|(\{\{)|\{([A-Za-z_][A-Za-z0-9_-]*)(?:\+([0-9]{1,9}))?\}")


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of the holes of a text, in order."""
    return tuple(match[3] for match in _HOLE.finditer(text) if match[3] and not match[4])


def offset_of(name: str, text: str) -> int:
    """Return where the first hole of a name begins in a text."""
    return next((match.start() for match in _HOLE.finditer(text) if match[3] == name), 0)


def sole_name(text: str) -> str | None:
    """Return the name of the hole that a text is, None when it is anything else."""
    found = _HOLE.fullmatch(text)
    return found[3] if found and not found[4] else None


def is_parameter_name(name: str) -> bool:
    """Tell whether a text can be the name in a hole."""
    return _NAME.fullmatch(name) is not None


def counts_in(text: str) -> tuple[tuple[str, str], ...]:
    """Return each name of a text that is counted up from, with the hole, in order."""
    return tuple((match[3], match[0]) for match in _HOLE.finditer(text) if match[4])


def fill(text: str, values: Mapping[str, str], counted: Container[str] = ()) -> str:
    """Replace each `{name}` that has a value, and `{{` by a brace; holes without a value stay.

    `counted` are the names whose values are numbers, from which `{name+1}` counts up.
    """
    return _filled(text, values, counted, unbraced=True)


def fill_written(text: str, values: Mapping[str, str], counted: Container[str] = ()) -> str:
    """Replace each `{name}` that has a value; all else stays as it is written."""
    return _filled(text, values, counted, unbraced=False)


def _filled(text: str, values: Mapping[str, str], counted: Container[str], *, unbraced: bool) -> str:
    def replacement(match: re.Match[str]) -> str:
        if match[4]:
            start = values.get(match[3], "") if match[3] in counted else ""
            return str(int(start) + int(match[4])) if NUMBER.fullmatch(start) else match[0]
        if match[3]:
            return values.get(match[3], match[0])
        if not unbraced:
            return match[0]
        return "{" if match[2] else f"{{{match[1]}}}"

    return _HOLE.sub(replacement, text)


def _declared(source: Source) -> dict[str, Data]:
    parameters = source.get(("parameters",))
    return parameters if isinstance(parameters, dict) else {}


def values_in_force(source: Source, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each parameter: the chosen one, else the default.

    Raises UsageError when a chosen parameter is not declared or its value is none of the choices.
    """
    declared = _declared(source)
    types = declarations_of(source)
    for name, value in chosen.items():
        if name not in declared:
            known = ", ".join(declared) or C_("parameters", "none")
            raise UsageError(
                _("--set {name}={value}: {file} has no parameter `{name}`").format(
                    name=name, value=value, file=source.file
                ),
                details=[_("its parameters: {names}").format(names=known) + did_you_mean(name, declared)],
            )
        _check_chosen(name, value, types[name], source.file)
        if unprintable(value):
            text = _("--set {name}=…: the value has the character {character}")
            raise UsageError(text.format(name=name, character=unprintable(value)))
    in_force: dict[str, str] = {}
    for name in declared:
        default = source.get(("parameters", name, "default"))
        if name in chosen:
            in_force[name] = chosen[name]
        elif isinstance(default, str):
            in_force[name] = default
    return in_force


def _check_chosen(name: str, value: str, declared: Declared, file: str) -> None:
    if declared.fits(value):
        return
    if declared.choices:
        text = _("--set {name}={value}: `{value}` is not a choice of parameter `{name}` in {file}")
    else:
        text = _("--set {name}={value}: the value does not fit parameter `{name}` in {file}")
    message = text.format(name=name, value=declared.shown(value), file=file)
    raise UsageError(message, details=[declared.expected(value)])


def declarations_of(source: Source) -> Mapping[str, Declared]:
    """Return what each parameter of a file can be; what is wrong in a declaration limits nothing."""
    return {name: _declaration(source, name) for name in _declared(source)}


def _declaration(source: Source, name: str) -> Declared:
    kind = source.get(("parameters", name, "type"))
    low, high = (source.get(("parameters", name, key)) for key in ("min", "max"))
    return Declared(
        kind if isinstance(kind, str) else "text",
        _choices(source, name),
        *(int(each) if isinstance(each, str) and NUMBER.fullmatch(each) else None for each in (low, high)),
    )


def unfit_values(source: Source) -> list[Problem]:
    """Return what defaults and choices of a file's parameters are not of the parameter's type."""
    problems: list[Problem] = []
    for name, declared in declarations_of(source).items():
        default = source.get(("parameters", name, "default"))
        for index, choice in enumerate(declared.choices):
            if not replace(declared, choices=()).fits(choice):
                place: Place = ("parameters", name, "choices", index)
                text = _("the choice {value} of parameter `{name}` does not fit its type; {expected}")
                expected = replace(declared, choices=()).expected(choice)
                message = text.format(value=show(choice or None), name=name, expected=expected)
                problems.append(Problem("unfit-value", source.value(place), message, place))
        if not isinstance(default, str) or declared.fits(default):
            continue
        place = ("parameters", name, "default")
        if declared.choices:
            code = "default-not-a-choice"
            text = _("the default {value} of parameter `{name}` is none of its choices; {expected}")
        else:
            code = "unfit-value"
            text = _("the default {value} of parameter `{name}` does not fit its type; {expected}")
        message = text.format(
            value=show(declared.shown(default) or None), name=name, expected=declared.expected(default)
        )
        problems.append(Problem(code, source.value(place), message, place))
    return problems


def scope_of(source: Source, values: Mapping[str, str]) -> Scope:
    """Return what the holes of a file mean under the values in force; one that does not fit is as none."""
    declared = _declared(source)
    choices = {name: _choices(source, name) for name in declared}
    types = declarations_of(source)
    counted = frozenset(name for name, value in values.items() if name in types and types[name].is_number(value))
    known = {name: value for name, value in values.items() if name not in types or types[name].fits(value)}
    return Scope(tuple(declared), known, choices, counted=counted)


def _choices(source: Source, name: str) -> tuple[str, ...]:
    found = source.get(("parameters", name, "choices"))
    return tuple(choice for choice in found if isinstance(choice, str)) if isinstance(found, list) else ()


def condition_problem(name: str, wanted: Sequence[str], scope: Scope, source: Source, *places: Place) -> Problem | None:
    """Return what is wrong with one parameter of a `when` and the values wanted of it; None when nothing is.

    `places` are where it stands in the source, and the place that the problem is to have.
    """
    at, place = places
    if name not in scope.names:
        message = _("`when` asks for parameter `{name}`, which is not declared; {expected}").format(
            name=name, expected=one_of(scope.names) + did_you_mean(name, scope.names)
        )
        return Problem("unknown-condition", source.key(at), message, place)
    choices = scope.choices.get(name, ())
    wrong = next((value for value in wanted if choices and value not in choices), None)
    if wrong is None:
        return None
    message = _("parameter `{name}` cannot be {value}; {expected}").format(
        name=name, value=show(wrong), expected=one_of(choices) + did_you_mean(wrong, choices)
    )
    return Problem("unknown-condition", source.value(at), message, place)
