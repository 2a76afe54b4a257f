"""Parts that topologies share: files of machines and networks with parameters, which a topology names under `parts`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, Self

from pydantic import Field, model_validator

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.disks import SharedDisk
from vboxlab.topology.model import Machine, Network
from vboxlab.topology.parameter_types import Declared, ParameterType, limits_problem
from vboxlab.topology.parameters import declarations_of, names_in, scope_of, unfit_values
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Position, Problem, did_you_mean, one_of
from vboxlab.topology.roles import Parameters
from vboxlab.topology.scenario import Scenario
from vboxlab.topology.scope import Scope
from vboxlab.topology.secret import LabSecret
from vboxlab.topology.shape import fit
from vboxlab.topology.source import Source, Spot
from vboxlab.topology.tree import Node, entries_of

PART = "part"
"""The key that names a part, and that says in the part's file what it is."""
EXAMPLE = "{part: NAME, parameter: value}"
_KEYS = "part, parameters, networks, machines …"
GIVEN_BY_PARTS = ("networks", "disks", "machines", "secrets", "verify")
# As a file is called; neither a folder nor `..` can be part of it.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class PartParameter(Parameters):
    """A value that a topology gives to a part."""

    default: str | None = Field(
        default=None, description="without one, the topology must give a value or have a parameter of this name"
    )
    choices: tuple[str, ...] = ()
    description: str = ""
    type: ParameterType = Field(default="text", description="what its values are")
    min: int | None = Field(default=None, description="least value of a number")
    max: int | None = Field(default=None, description="greatest value of a number")

    @model_validator(mode="after")
    def _is_well_declared(self) -> Self:
        problem = limits_problem(self.type, self.choices, self.min, self.max)
        if problem is not None:
            raise ValueError(problem)
        return self


class Part(Parameters):
    """A part of topologies (parts/NAME.yaml)."""

    part: str = Field(description="what it is, in a few words")
    parameters: dict[str, PartParameter] = Field(default_factory=dict)
    networks: dict[str, Network] = Field(default_factory=dict)
    disks: dict[str, SharedDisk] = Field(default_factory=dict, description="disks that several machines have")
    machines: dict[str, Machine] = Field(default_factory=dict)
    secrets: dict[str, LabSecret] = Field(
        default_factory=dict, description="what the lab makes up and its machines share: passwords, keys, certificates"
    )
    verify: Scenario = Field(
        default_factory=Scenario.model_construct, description="steps that come before the topology's own"
    )


class PartFiles(Protocol):
    """The parts that a topology can name."""

    def names(self) -> Sequence[str]:
        """Return their names."""

    def source(self, name: str) -> Source | None:
        """Return what a part's file holds; None when there is none of that name.

        Raises UsageError when it cannot be read, TopologyInvalid when it is not YAML.
        """


class NoParts:
    """No part at all, for topologies that stand in no folder."""

    def names(self) -> Sequence[str]:
        """Return no name."""
        return ()

    def source(self, name: str) -> Source | None:
        """Return that there is none."""
        del name
        return None


@dataclass(frozen=True)
class Use:
    """A part as a topology uses it: its file, and what its holes mean there."""

    source: Source
    scope: Scope


def is_part(source: Source) -> bool:
    """Tell whether a file is meant to be a part."""
    return isinstance(source.data, dict) and PART in source.data


def named_several_times(uses: Iterable[Node]) -> frozenset[str]:
    """Return the names of the parts that several elements of `parts` name, those of one `for each` counted once."""
    named = ((entries_of(node).get(PART, node).content, start_of(node.spot)) for node in uses)
    found = Counter(name for name, _where in {(name, where) for name, where in named if isinstance(name, str)})
    return frozenset(name for name, count in found.items() if count > 1)


def use_of(
    node: Node, place: Place, around: Scope, files: PartFiles, several: Container[str] = ()
) -> tuple[Use | None, list[Problem]]:
    """Return the part that one element of `parts` names, with the values that it gives; and what is wrong with it.

    `around` is the topology's own scope. Problems of a part that is named `several` times tell where it is used.
    """
    entries = entries_of(node)
    named = entries.get(PART, node)
    name = named.content
    if not isinstance(name, str):
        message = _("this names no part; expected the name of a part, or `{example}`").format(example=EXAMPLE)
        return None, [Problem("missing-key", start_of(node.spot), message, (*place, PART))]
    known = files.names()
    source = files.source(name) if _NAME.fullmatch(name) else None
    if source is None:
        message = _("there is no part `{part}`; {expected}").format(
            part=name, expected=one_of(known) + did_you_mean(name, known)
        )
        return None, [Problem("unknown-part", named.spot.value, message, (*place, PART))]
    source = _of_part(source, name, start_of(node.spot).line if name in several else 0)
    problems = declaration_problems(source)
    given = {key: value for key, value in entries.items() if key != PART}
    scope, more = _scope(source, name, given, node, around)
    problems += [replace(problem, place=(*place, *problem.place)) for problem in more]
    return Use(source, replace(scope, turn=node.spot.value.turn)), problems


def start_of(spot: Spot) -> Position:
    """Return where a thing begins: at its key, if it has one."""
    return spot.key or spot.value


def _of_part(source: Source, name: str, line: int) -> Source:
    """Return a file's source with positions that say which file and part they are of, and which use of it."""

    def placed(position: Position) -> Position:
        return replace(position, file=source.file, part=name, use=line)

    spots = {
        place: Spot(spot.key and placed(spot.key), placed(spot.value), spot.used and placed(spot.used))
        for place, spot in source.spots.items()
    }
    problems = [replace(problem, position=placed(problem.position)) for problem in source.problems]
    return replace(source, spots=spots, problems=problems)


def declaration_problems(source: Source) -> list[Problem]:
    """Return what is wrong with a part's file but for what becomes part of the topology."""
    if not isinstance(source.data, dict):
        message = _("the file has no keys at its top; expected keys and values ({keys})").format(keys=_KEYS)
        return [*source.problems, Problem("wrong-type", source.key(()), message)]
    taken = {section: list if section == "verify" else dict for section in GIVEN_BY_PARTS}
    rest = {key: value for key, value in source.data.items() if not isinstance(value, taken.get(key, ()))}
    problems = fit(Part, rest, source).problems
    if isinstance(source.data.get("verify"), dict):
        message = _("`verify` of a part is keys and values; expected a list of steps (`- …` lines, or `[…]`)")
        problems = [*problems, Problem("wrong-type", source.key(("verify",)), message, ("verify",))]
    return [*source.problems, *problems, *unfit_values(source)]


def _scope(
    source: Source, name: str, given: Mapping[str, Node], use: Node, around: Scope
) -> tuple[Scope, list[Problem]]:
    """Return what the holes of a part mean: the values given, else the topology's of the same name, else defaults."""
    problems: list[Problem] = []
    declared = scope_of(source, {})
    types = declarations_of(source)
    for key, node in given.items():
        if key not in declared.names:
            message = _("`{key}` is no parameter of part `{part}`; {expected}").format(
                key=key, part=name, expected=one_of(declared.names) + did_you_mean(key, declared.names)
            )
            problems.append(Problem("unknown-key", start_of(node.spot), message, (key,)))
        elif not isinstance(node.content, str):
            message = _("`{key}` of part `{part}` is not text; expected one value").format(key=key, part=name)
            problems.append(Problem("wrong-type", start_of(node.spot), message, (key,)))
    values: dict[str, str] = {}
    local: dict[str, str] = {}
    for key in declared.names:
        here, default = given.get(key), source.get(("parameters", key, "default"))
        if here is not None and isinstance(here.content, str):
            local[key] = here.written or ""
            if set(names_in(local[key])) <= around.values.keys():  # else its own problem has been told
                unfit = _unfit(types[key], key, here.content, here.spot.value)
                problems += unfit
                values.update({} if unfit else {key: here.content})
        elif here is None and key in around.names and key not in around.local:
            local[key] = f"{{{key}}}"
            if key in around.values:
                unfit = _unfit(types[key], key, around.values[key], start_of(use.spot))
                problems += unfit
                values.update({} if unfit else {key: around.values[key]})
        elif here is None and isinstance(default, str):
            values[key] = local[key] = default
        else:
            local[key] = f"{{{key}}}"
            if here is None and default is None:
                message = _("part `{part}` lacks a value for `{key}`; expected `{key}: …` here").format(
                    part=name, key=key
                )
                problems.append(Problem("missing-value", start_of(use.spot), message, (key,)))
    counted = frozenset(key for key, value in values.items() if types[key].is_number(value))
    return replace(declared, values=values, local=local, counted=counted, part=name), problems


def _unfit(declared: Declared, name: str, value: str, where: Position) -> list[Problem]:
    if declared.fits(value):
        return []
    message = _("parameter `{name}` cannot be {value}; {expected}").format(
        name=name, value=show(declared.shown(value) or None), expected=declared.expected(value)
    )
    return [Problem("wrong-value", where, message, (name,))]
