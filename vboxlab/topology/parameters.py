"""The parameters of a topology: which values are in force, and `{name}` replaced by them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vboxlab.errors import UsageError
from vboxlab.language import C_, _
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.source import Data, Source, unprintable

# `{{…}}` and `{{` are literal braces; `{name}` is a hole; any other brace is itself, as CSS in a page needs.
_HOLE = re.compile(r"\{\{([^{}]*)\}\}|(\{\{)|\{([A-Za-z_][A-Za-z0-9_-]*)\}")

# Stands for the value of a parameter whose declaration is wrong, so that only the declaration is reported.
_UNKNOWN_VALUE = "x"


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of the holes of a text, in order."""
    return tuple(match[3] for match in _HOLE.finditer(text) if match[3])


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each `{name}` that has a value, and `{{` by a brace; holes without a value stay."""

    def replacement(match: re.Match[str]) -> str:
        if match[3]:
            return values.get(match[3], match[0])
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
    for name, value in chosen.items():
        if name not in declared:
            known = ", ".join(declared) or C_("parameters", "none")
            raise UsageError(
                _("--set {name}={value}: {file} has no parameter `{name}`").format(
                    name=name, value=value, file=source.file
                ),
                details=[_("its parameters: {names}").format(names=known) + did_you_mean(name, declared)],
            )
        choices = source.get(("parameters", name, "choices"))
        if isinstance(choices, list) and choices and value not in choices:
            words = [choice for choice in choices if isinstance(choice, str)]
            raise UsageError(
                _("--set {name}={value}: `{value}` is not a choice of parameter `{name}` in {file}").format(
                    name=name, value=value, file=source.file
                ),
                details=[f"{one_of(words)}{did_you_mean(value, words)}"],
            )
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


def substitute(
    source: Source, content: Mapping[str, Data], values: Mapping[str, str]
) -> tuple[dict[str, Data], list[Problem]]:
    """Return a file's content with every hole filled, outside the section that declares the parameters."""
    declared = _declared(source)
    problems: list[Problem] = []
    fillings = {**dict.fromkeys(declared, _UNKNOWN_VALUE), **values}

    def filled(data: Data, place: Place) -> Data:
        if isinstance(data, dict):
            return {key: filled(value, (*place, key)) for key, value in data.items()}
        if isinstance(data, list):
            return [filled(value, (*place, index)) for index, value in enumerate(data)]
        if data is None or "{" not in data:
            return data
        for name in dict.fromkeys(names_in(data)):
            if name not in declared:
                none = _("expected none, as the file declares no parameters")
                message = _(
                    "`{hole}` is no parameter of this topology; {expected} (a literal brace is written `{brace}`)"
                ).format(hole=f"{{{name}}}", expected=one_of(declared) if declared else none, brace="{{")
                problems.append(
                    Problem("unknown-parameter", source.value(place), message + did_you_mean(name, declared), place)
                )
        return fill(data, fillings)

    result = {key: value if key == "parameters" else filled(value, (key,)) for key, value in content.items()}
    return result, problems
