"""Make of a file what it would say without `when`: holes filled, what is left out gone, and where everything stands.

Pure. What comes out is the values, and a source of the same places: what was written for each value, and where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.conditions import WHEN
from vboxlab.topology.parameters import condition_problem, fill, names_in
from vboxlab.topology.places import describe
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.scope import Scope
from vboxlab.topology.source import Data, LeftOut, Source, Spot
from vboxlab.topology.tree import Node, entries_of, spots, values, written

VALUE = "value"
"""The key of a plain value in a list that has a key of expansion beside it."""
_DECLARATIONS = "parameters"
# Sections whose keys are names that the file gives; the elements of lists are the other things that can be left out.
_NAMED = (("machines",), ("networks",))


@dataclass(frozen=True)
class Expanded:
    """What a file says: the values, and the source of the same places."""

    data: dict[str, Data]
    source: Source
    problems: list[Problem]


def expand(source: Source, content: Mapping[str, Data], scope: Scope) -> Expanded:
    """Expand a file's content, under the parameters in force."""
    growth = _Growth(source)
    entries: dict[str, Node] = {}
    for key, value in content.items():
        grown = growth.as_it_is(value, (key,)) if key == _DECLARATIONS else growth.grow(value, (key,), (key,), scope)
        entries[key] = grown
    growth.leave_out_stages(entries)
    tree = Node(source.spot(()), entries)
    found, plain = values(tree), written(tree)
    assert isinstance(found, dict)  # noqa: S101 -- as entries are
    expanded = Source(source.file, plain, spots(tree), source.problems, growth.left_out)
    return Expanded(found, expanded, growth.problems)


class _Growth:
    """Grow the tree of a file: `at` is always a place of the file, `out` the same thing's place in the tree."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.left_out: dict[Place, LeftOut] = {}

    def as_it_is(self, data: Data, at: Place) -> Node:
        """Return the tree of what holds no holes."""
        spot = self.source.spot(at)
        if isinstance(data, dict):
            return Node(spot, {key: self.as_it_is(value, (*at, key)) for key, value in data.items()})
        if isinstance(data, list):
            return Node(spot, [self.as_it_is(value, (*at, index)) for index, value in enumerate(data)])
        return Node(spot, data, data)

    def grow(self, data: Data, at: Place, out: Place, scope: Scope) -> Node:
        """Return the tree of what stands at a place."""
        spot = self.source.spot(at)
        if isinstance(data, dict):
            return self._mapping(data, at, out, scope, spot)
        if isinstance(data, list):
            return self._list(data, at, out, scope, spot)
        return Node(spot, data if data is None else self._filled(data, at, out, scope), data)

    def _mapping(self, data: dict[str, Data], at: Place, out: Place, scope: Scope, spot: Spot) -> Node:
        entries: dict[str, Node] = {}
        for key, value in data.items():
            where, there = (*at, key), (*out, key)
            if out not in _NAMED or not isinstance(value, dict):
                entries[key] = self.grow(value, where, there, scope)
                continue
            for body in self._wanted(value, where, there, scope):
                entries[key] = self.grow(body, where, there, scope)
        return Node(spot, entries)

    def _list(self, data: list[Data], at: Place, out: Place, scope: Scope, spot: Spot) -> Node:
        items: list[Node] = []
        for index, value in enumerate(data):
            where, there = (*at, index), (*out, len(items))
            if not isinstance(value, dict) or (out[:1] == ("verify",) and VALUE not in value):
                items.append(self.grow(value, where, there, scope))  # steps keep their conditions: reports count them
                continue
            for body in self._wanted(value, where, there, scope):
                if body.keys() == {VALUE} and len(value) > 1:
                    items.append(self.grow(body[VALUE], (*where, VALUE), there, scope))
                else:
                    items.append(self.grow(body, where, there, scope))
        return Node(spot, items)

    def _wanted(self, data: dict[str, Data], at: Place, out: Place, scope: Scope) -> Iterator[dict[str, Data]]:
        """Yield what can be left out without its condition, unless it is left out."""
        if WHEN not in data:
            yield data
            return
        body = {key: value for key, value in data.items() if key != WHEN}
        unmet = self._unmet(data[WHEN], (*at, WHEN), (*out, WHEN), scope)
        if unmet is None:
            yield body
        else:
            name = data.get("name") if out[:1] == ("stages",) else out[-1]
            self.left_out[*out[:-1], fill(str(name), scope.fillings)] = LeftOut(self.source.key((*at, WHEN)), *unmet)

    def _unmet(self, when: Data, at: Place, out: Place, scope: Scope) -> tuple[str, str] | None:
        """Return the first parameter that has none of the values that a condition wants, and its value."""
        if not isinstance(when, dict) or not all(map(_is_wanted, when.values())):
            message = _("{place} is no condition; expected `parameter: value`, or `parameter: [value, value]`").format(
                place=describe(at, self.source.data)
            )
            self.problems.append(Problem("wrong-type", self.source.key(at), message, out))
            return None
        for name, wanted in when.items():
            found = wanted if isinstance(wanted, list) else [wanted]
            texts = [fill(text, scope.fillings) for text in found if isinstance(text, str)]
            problem = condition_problem(name, texts, scope, self.source, (*at, name), (*out, name))
            if problem is not None:
                self.problems.append(problem)
            elif name in scope.values and scope.values[name] not in texts:
                return name, scope.values[name]
        return None

    def _filled(self, text: str, at: Place, out: Place, scope: Scope) -> str:
        if "{" not in text:
            return text
        for name in dict.fromkeys(names_in(text)):
            if name not in scope.names:
                none = _("expected none, as the file declares no parameters")
                message = _(
                    "`{hole}` is no parameter of this topology; {expected} (a literal brace is written `{brace}`)"
                ).format(hole=f"{{{name}}}", expected=one_of(scope.names) if scope.names else none, brace="{{")
                message += did_you_mean(name, scope.names)
                self.problems.append(Problem("unknown-parameter", self.source.value(at), message, out))
        return fill(text, scope.fillings)

    def leave_out_stages(self, entries: Mapping[str, Node]) -> None:
        """Leave out what machines are in stages that are left out: the two are one thing, written in two places."""
        gone = {str(place[-1]) for place in self.left_out if place[:1] == ("stages",)}
        listed = entries["stages"].content if "stages" in entries else None
        for stage in listed if isinstance(listed, list) else ():
            gone -= {str(values(inner["name"])) for inner in [entries_of(stage)] if "name" in inner}
        for machine in entries_of(entries.get("machines")).values():
            stages = entries_of(entries_of(machine).get("stages"))
            for name in gone & stages.keys():
                del stages[name]


def _is_wanted(value: Data) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))
