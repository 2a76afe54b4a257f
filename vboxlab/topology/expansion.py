"""Make of a file what it would say without `when`, `for each` and `parts`: each thing written out, and where it stands.

Pure. What comes out is the values, and a source of the same places: what was written for each value, and where.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.expectations import PARTS
from vboxlab.topology.growth import NAMED, NO_TEMPLATES, Growth
from vboxlab.topology.part_uses import Made, collision
from vboxlab.topology.parts import EXAMPLE, GIVEN_BY_PARTS, PartFiles, named_several_times, start_of, use_of
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Position, Problem
from vboxlab.topology.role_registry import FoundRole
from vboxlab.topology.scope import Scope
from vboxlab.topology.source import Data, LeftOut, Source
from vboxlab.topology.templates import TemplateFiles
from vboxlab.topology.tree import Node, entries_of, merged, spots, values, written

_DECLARATIONS = "parameters"


@dataclass(frozen=True)
class Expanded:
    """What a file says: the values, and the source of the same places."""

    data: dict[str, Data]
    source: Source
    problems: list[Problem]
    unsure: Collection[tuple[Position, Place]] = ()  # where a value is made with one that is missing, which is told


def expand(
    source: Source,
    content: Mapping[str, Data],
    scope: Scope,
    files: PartFiles,
    templates: TemplateFiles = NO_TEMPLATES,
    roles: Mapping[str, FoundRole] | None = None,
) -> Expanded:
    """Expand a file's content, under the parameters in force, with the parts and templates that it names.

    `roles` are those that it may use; default: the installed ones.
    """
    growth = Growth(source, templates, roles)
    given = _Given()
    if PARTS in content:
        given.take(growth, content[PARTS], scope, files)
    verify = content.get("verify")
    steps: Place = ("verify", "steps") if isinstance(verify, dict) else ("verify",)
    growth.before[steps] = given.steps
    entries: dict[str, Node] = {}
    for key, value in growth.without_loop(content, (), (), scope).items():
        if key == _DECLARATIONS:
            entries[key] = growth.as_it_is(value, (key,))
        elif key != PARTS:
            entries[key] = growth.grow(value, (key,), (key,), scope)
    for section, node in given.sections.items():
        entries[section] = merged(node, entries[section]) if section in entries else node
    for section in NAMED if given.uncertain else ():  # what a part that is not known has is not missing
        entries.setdefault(section, Node(source.spot((PARTS,)), {}))
    if given.steps and "verify" not in entries:
        entries["verify"] = Node(given.steps[0].spot, given.steps)
    left_out = _leave_out(entries, growth.left_out, given)
    _leave_out_stages(entries, left_out)
    tree = Node(source.spot(()), entries)
    plain = written(tree)
    uncertain = growth.uncertain | given.uncertain
    expanded = Source(source.file, plain, spots(tree), source.problems, left_out, uncertain)
    data = {key: values(node) for key, node in entries.items()}
    return Expanded(data, expanded, growth.problems, growth.unsure)


class _Given:
    """What the parts of a topology give it, one after the other."""

    def __init__(self) -> None:
        self.sections: dict[str, Node] = {}
        self.steps: list[Node] = []
        self.left_out: dict[Place, LeftOut] = {}
        self.made: dict[str, list[Made]] = {}  # by the part's file
        self.uncertain: set[str | int] = set()

    def take(self, growth: Growth, listed: Data, scope: Scope, files: PartFiles) -> None:
        """Take the parts that a topology lists."""
        grown = growth.grow(listed, (PARTS,), (PARTS,), scope)
        uses = grown.content if isinstance(grown.content, list) else []
        if not isinstance(grown.content, list):
            message = _("`parts` is {value}; expected a list of `{example}`").format(
                value=show(listed), example=EXAMPLE
            )
            growth.problem("wrong-type", growth.source.key((PARTS,)), message, (PARTS,), scope)
            self.uncertain.update(NAMED)
        several = named_several_times(uses)
        for index, node in enumerate(uses):
            use, problems = use_of(node, (PARTS, index), scope, files, several)
            growth.problems += problems
            if problems:  # whatever they hide is not told as well
                self.uncertain.update(NAMED)
            if use is not None:
                inner = growth.of_part(use.source)
                made = Made(use, start_of(node.spot), self._take(inner, use.scope))
                growth.count = inner.count
                growth.problems += [] if problems else self._collisions(made, (PARTS, index))

    def _collisions(self, made: Made, place: Place) -> list[Problem]:
        """Return what is wrong between one use of a part and those before it."""
        before = self.made.setdefault(made.use.source.file, [])
        found = (collision(made, earlier, place) for earlier in before)
        first = next((each for each in found if each is not None), None)
        before.append(made)
        return [] if first is None else [first]

    def _take(self, growth: Growth, scope: Scope) -> Mapping[str, Node]:
        """Take what one use of a part gives, and return it by section, but for its steps."""
        made: dict[str, Node] = {}
        data = growth.source.data if isinstance(growth.source.data, dict) else {}
        for section in GIVEN_BY_PARTS:
            found = data.get(section)
            if section == "verify" and isinstance(found, list):
                growth.before["verify",] = self.steps
                grown = growth.grow(found, (section,), (section,), scope)
                self.steps = grown.content if isinstance(grown.content, list) else []
            elif section in NAMED and isinstance(found, dict):
                made[section] = grown = growth.grow(found, (section,), (section,), scope)
                self.sections[section] = merged(self.sections[section], grown) if section in self.sections else grown
        self.left_out.update(growth.left_out)
        self.uncertain |= growth.uncertain
        return made


def _leave_out(entries: dict[str, Node], own: Mapping[Place, LeftOut], given: _Given) -> dict[Place, LeftOut]:
    """Leave out of the whole what a topology leaves out although parts describe it, and what only parts leave out."""
    left_out = dict(own)
    for place, left in given.left_out.items():
        section, name = place[0], place[-1]
        described = name in entries_of(given.sections.get(str(section)))
        if len(place) == 2 and section in NAMED and not described:
            left_out.setdefault(place, left)
    for place in left_out:
        if len(place) == 2 and place[0] in NAMED:
            entries_of(entries.get(str(place[0]))).pop(str(place[1]), None)
    return left_out


def _leave_out_stages(entries: Mapping[str, Node], left_out: Mapping[Place, LeftOut]) -> None:
    """Leave out what machines are in stages that are left out: the two are one thing, written in two places."""
    gone = {str(place[-1]) for place in left_out if place[:1] == ("stages",)}
    listed = entries["stages"].content if "stages" in entries else None
    for stage in listed if isinstance(listed, list) else ():
        gone -= {str(values(inner["name"])) for inner in [entries_of(stage)] if "name" in inner}
    for machine in entries_of(entries.get("machines")).values():
        stages = entries_of(entries_of(machine).get("stages"))
        for name in gone & stages.keys():
            del stages[name]
