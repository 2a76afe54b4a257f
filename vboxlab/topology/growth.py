"""Grow a tree of what a file says: holes filled, what is left out gone, what is repeated written out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from vboxlab.language import _
from vboxlab.topology.conditions import WHEN
from vboxlab.topology.loops import FOR_EACH, WrongLoop, turns_of, values_of
from vboxlab.topology.parameters import (
    condition_problem,
    counts_in,
    fill,
    fill_written,
    is_parameter_name,
    names_in,
    offset_of,
    sole_name,
)
from vboxlab.topology.places import describe, show
from vboxlab.topology.problems import Place, Position, Problem, did_you_mean, invalid, one_of
from vboxlab.topology.role_registry import FoundRole
from vboxlab.topology.scope import Scope
from vboxlab.topology.source import MOST_VALUES, Data, LeftOut, Source
from vboxlab.topology.templates import (
    TEMPLATE,
    NoTemplates,
    Template,
    TemplateFiles,
    WrongTemplate,
    key_filled,
    position_in,
)
from vboxlab.topology.tree import Node, values

VALUE = "value"
"""The key of a plain value in a list that has a key of expansion beside it."""
# Sections whose keys are names that the file gives; the elements of lists are the other things that can be left out.
NAMED = ("machines", "networks", "disks", "secrets")
NO_TEMPLATES = NoTemplates()


class Growth:
    """Grow the tree of a file: `at` is always a place of the file, `out` the same thing's place in the tree."""

    def __init__(
        self,
        source: Source,
        templates: TemplateFiles = NO_TEMPLATES,
        roles: Mapping[str, FoundRole] | None = None,
    ) -> None:
        self.source = source
        self._templates = templates
        self._roles = roles
        self.problems: list[Problem] = []
        self.left_out: dict[Place, LeftOut] = {}
        self.uncertain: set[str | int] = set()
        self.unsure: set[tuple[Position, Place]] = set()  # what is made with a value that nobody knows
        self.before: dict[Place, list[Node]] = {}  # what stands in a list before what the file says
        self.count = 0

    def of_part(self, source: Source) -> Growth:
        """Return what grows the tree of a part, whose problems are told with the others."""
        inner = Growth(source, self._templates, self._roles)
        inner.problems, inner.unsure, inner.count = self.problems, self.unsure, self.count
        return inner

    def problem(self, code: str, position: Position, message: str, out: Place, scope: Scope) -> None:
        """Take a problem of what is grown in a scope."""
        self.problems.append(Problem(code, scope.position(position), message, out))

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
        spot = scope.spot(self.source.spot(at))
        self.count += 1
        if self.count > MOST_VALUES and scope.turn is not None:
            text = _("`for each` makes more than {count} values of this file; expected a topology")
            raise invalid(self.source.file, [Problem("too-large", spot.value, text.format(count=MOST_VALUES))])
        if isinstance(data, dict):
            return Node(spot, self._entries(data, at, out, scope))
        if isinstance(data, list):
            return Node(spot, self._items(data, at, out, scope))
        if data is None:
            return Node(spot, None)
        return Node(spot, self._filled(data, at, out, scope), fill_written(data, scope.local, scope.counted))

    def _entries(self, data: dict[str, Data], at: Place, out: Place, scope: Scope) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in data.items():
            where = (*at, key)
            if isinstance(value, dict) and len(out) == 1 and out[0] in NAMED:
                self._add_named(entries, value, where, out, scope)
            elif isinstance(value, dict):
                there = (*out, key)
                kept = self._known_condition(self.without_loop(value, where, there, scope), where, there, scope)
                if kept is not None:
                    entries[key] = self.grow(kept, where, there, scope)
            else:
                entries[key] = self.grow(value, where, (*out, key), scope)
        filled = key_filled(data, at, self.source, self._roles)
        if filled:
            entries[filled] = self._from_template(data, at, (*out, filled), scope)
        return entries

    def _from_template(self, data: Mapping[str, Data], at: Place, out: Place, scope: Scope) -> Node:
        """Return the tree of what the text of a template is taken for."""
        where = (*at, TEMPLATE)
        spot = scope.spot(self.source.spot(where))
        if out[-1] in data:
            text = _("`{key}` stands beside `template`, whose text would take its place; expected one of them")
            self.problem("two-contents", self.source.key((*at, out[-1])), text.format(key=out[-1]), out, scope)
        name = data[TEMPLATE]
        if not isinstance(name, str):
            return Node(spot, "", "")  # which the model tells
        filled = self._filled(name, where, (*out[:-1], TEMPLATE), scope)
        try:
            template = self._templates.read(filled, self.source.file)
        except WrongTemplate as wrong:
            self.problem("bad-template", wrong.position or self.source.value(where), str(wrong), out, scope)
            return Node(spot, "", "")
        content = self._filled(template.text, where, out, scope, template)
        return Node(spot, content, fill_written(template.text, scope.local, scope.counted))

    def without_loop(self, data: Mapping[str, Data], at: Place, out: Place, scope: Scope) -> dict[str, Data]:
        """Return what cannot be repeated without its `for each`, which is a problem."""
        if FOR_EACH in data:
            message = _("`for each` repeats a machine, a network or an element of a list; expected it in one of these")
            self.problem("misplaced-loop", self.source.key((*at, FOR_EACH)), message, (*out, FOR_EACH), scope)
        return {key: value for key, value in data.items() if key != FOR_EACH}

    def _add_named(self, entries: dict[str, Node], data: dict[str, Data], at: Place, out: Place, scope: Scope) -> None:
        """Add what has a name of its own, each turn's under the name that it makes."""
        key = str(at[-1])

        def named(inner: Scope) -> str:
            return fill(key, inner.fillings, inner.counted)

        for inner, body in self._wanted(data, at, lambda inner: (*out, named(inner)), scope):
            name = named(inner)
            self._filled(key, at, (*out, name), inner)
            if name not in entries:
                entries[name] = self.grow(body, at, (*out, name), inner)
                continue
            first = entries[name].spot
            if first.key == self.source.key(at) and names_in(key):
                message = _("two turns of `for each` make `{key}`; expected values that differ").format(key=name)
            elif first.key == self.source.key(at):
                message = _("each turn of `for each` makes `{key}`; expected a key with `{hole}` in it").format(
                    key=name, hole=f"{{{next(iter(inner.turn.names if inner.turn else ()), '')}}}"
                )
            else:
                message = _("key `{key}` stands twice; expected it once (the first is on line {line})").format(
                    key=name, line=(first.key or first.value).line
                )
            self.problem("duplicate-key", self.source.key(at), message, (*out, name), inner)

    def _items(self, data: list[Data], at: Place, out: Place, scope: Scope) -> list[Node]:
        items = list(self.before.get(out, ()))
        for index, value in enumerate(data):
            where = (*at, index)
            if not isinstance(value, dict):
                items.append(self.grow(value, where, (*out, len(items)), scope))
                continue
            for inner, body in self._wanted(value, where, lambda _inner: (*out, len(items)), scope):
                plain = body.keys() == {VALUE} and len(value) > 1
                grown = body[VALUE] if plain else body
                items.append(self.grow(grown, (*where, VALUE) if plain else where, (*out, len(items)), inner))
        return items

    def _wanted(
        self, data: dict[str, Data], at: Place, out: Callable[[Scope], Place], scope: Scope
    ) -> Iterator[tuple[Scope, dict[str, Data]]]:
        """Yield what can be repeated and left out, for each turn in which it is there, without the keys that say so."""
        for inner in self._turns(data, at, out, scope) if FOR_EACH in data else (scope,):
            body = {key: value for key, value in data.items() if key != FOR_EACH}
            place = out(inner)
            if place[:1] == ("verify",) and VALUE not in body:  # steps keep their conditions: reports count them
                kept = self._known_condition(body, at, place, inner)
                if kept is not None:
                    yield inner, kept
                continue
            unmet = None
            if WHEN in body:
                unmet = self._unmet(body.pop(WHEN), (*at, WHEN), (*place, WHEN), inner)
            if unmet is None:
                yield inner, body
            else:
                name = fill(str(data.get("name")), inner.fillings, inner.counted) if place[0] == "stages" else place[-1]
                self.left_out[*place[:-1], name] = LeftOut(self.source.key((*at, WHEN)), *unmet)

    def _turns(self, data: dict[str, Data], at: Place, out: Callable[[Scope], Place], scope: Scope) -> Iterator[Scope]:
        """Yield the scope of each turn of what is repeated."""
        where = (*at, FOR_EACH)
        place = (*out(scope), FOR_EACH)
        if scope.repeats:
            message = _("`for each` stands inside another; expected one with several names, or things written out")
            self.problem("nested-loop", self.source.key(where), message, place, scope)
            loop = data[FOR_EACH]
            if isinstance(loop, dict):  # names whose values nobody knows
                scope = replace(scope, names=(*scope.names, *loop), counted=scope.counted | set(loop))
            yield scope
            return
        try:
            turns = self._names(data[FOR_EACH], where, place, scope)
        except WrongLoop as wrong:
            self.problem("bad-loop", self.source.key(where), str(wrong), place, scope)
            self.uncertain.add(place[0])
            return
        for names in turns:
            inner = scope.within(names)
            yield inner.making(names, out(inner))

    def _names(self, loop: Data, at: Place, out: Place, scope: Scope) -> list[dict[str, str]]:
        if not isinstance(loop, dict) or not loop:
            raise WrongLoop(_("`for each` has no name; expected `{example}`").format(example="{n: 1..5}"))
        given: dict[str, Sequence[str]] = {}
        for name, value in loop.items():
            if not is_parameter_name(name):
                text = _("{value} is no name for `for each`; expected letters, digits, `-` and `_`, no digit first")
                raise WrongLoop(text.format(value=show(name or None)))
            if name in scope.names:
                text = _("`{name}` of `for each` is the name of a parameter; expected another name")
                raise WrongLoop(text.format(name=name))
            grown = self.grow(value, (*at, name), (*out, name), scope)
            unknown = set(names_in(value)) - scope.values.keys() if isinstance(value, str) else ()
            given[name] = ["1"] if unknown else values_of(name, values(grown))
        return turns_of(given)

    def _known_condition(self, data: dict[str, Data], at: Place, out: Place, scope: Scope) -> dict[str, Data] | None:
        """Return what keeps its condition without that on names which only this scope knows; None when it is not met.

        A name that stands for a parameter of the topology becomes that parameter.
        """
        when = data.get(WHEN)
        if not scope.local or not isinstance(when, dict):
            return data
        outer: dict[str, Data] = {}
        here: dict[str, Data] = {}
        for name, wanted in when.items():
            stands_for = sole_name(scope.local.get(name, ""))
            if stands_for is not None or (name in scope.names and name not in scope.local):
                outer[stands_for or name] = wanted
            else:
                here[name] = wanted
        if self._unmet(here, (*at, WHEN), (*out, WHEN), scope) is not None:
            return None
        return {key: outer if key == WHEN else value for key, value in data.items() if key != WHEN or outer}

    def _unmet(self, when: Data, at: Place, out: Place, scope: Scope) -> tuple[str, str] | None:
        """Return the first parameter that has none of the values that a condition wants, and its value."""
        if not isinstance(when, dict) or not all(map(_is_wanted, when.values())):
            message = _("{place} is no condition; expected `parameter: value`, or `parameter: [value, value]`").format(
                place=describe(at, self.source.data)
            )
            self.problem("wrong-type", self.source.key(at), message, out, scope)
            return None
        for name, wanted in when.items():
            found = wanted if isinstance(wanted, list) else [wanted]
            texts = [fill(text, scope.fillings, scope.counted) for text in found if isinstance(text, str)]
            problem = condition_problem(name, texts, scope, self.source, (*at, name), (*out, name))
            if problem is not None:
                self.problem(problem.code, problem.position, problem.message, problem.place, scope)
            elif name in scope.values and scope.values[name] not in texts:
                return name, scope.values[name]
        return None

    def _filled(self, text: str, at: Place, out: Place, scope: Scope, template: Template | None = None) -> str:
        if "{" not in text:
            return text
        names = dict.fromkeys(names_in(text))
        for name, hole in counts_in(text) if scope.repeats else ():  # elsewhere it is what a page may say
            if name not in scope.names:
                names[name] = None
            elif name not in scope.counted:
                message = _("`{hole}` counts up from {value}, which is no number; expected a name that counts").format(
                    hole=hole, value=show(scope.fillings[name] or None)
                )
                self.problem("not-a-number", self._hole(name, at, template, scope.part), message, out, scope)
        asked = {*names, *(name for name, _hole in counts_in(text))}
        if template is None and any(name in scope.names and name not in scope.values for name in asked):
            self.unsure.add((self.source.value(at), out))
        for name in names:
            if name not in scope.names:
                none = _("expected none, as the file declares no parameters")
                if scope.part:
                    text = _("`{hole}` is no parameter of this part; {expected} (a literal brace is written `{brace}`)")
                else:
                    text = _(
                        "`{hole}` is no parameter of this topology; {expected} (a literal brace is written `{brace}`)"
                    )
                message = text.format(
                    hole=f"{{{name}}}", expected=one_of(scope.names) if scope.names else none, brace="{{"
                )
                message += did_you_mean(name, scope.names)
                self.problem("unknown-parameter", self._hole(name, at, template, scope.part), message, out, scope)
        return fill(text, scope.fillings, scope.counted)

    def _hole(self, name: str, at: Place, template: Template | None, part: str) -> Position:
        """Return where the first hole of a name is: in a template, or somewhere in what stands at a place."""
        if template is None:
            return self.source.value(at)
        return replace(position_in(template.text, offset_of(name, template.text), template.file), part=part)


def _is_wanted(value: Data) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, str) for each in value)
    return isinstance(value, str)
