"""Read a YAML file into plain values that remember where they stand.

Every scalar stays the text that the file has (`no`, `007` and `1.10` are what was typed); only `null`, `~` and nothing
are None. What a text means is decided by the model, so YAML 1.1's surprises (`no`, `on`, 1:30) cannot happen.
"""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from vboxlab.errors import UsageError
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.lookalikes import lookalikes
from vboxlab.topology.problems import Place, Position, Problem, invalid
from vboxlab.yaml_words import told

Data: TypeAlias = "str | list[Data] | dict[str, Data] | None"

DEEPEST = 40
MOST_VALUES = 20_000
_NULL_TAG = "tag:yaml.org,2002:null"
_MERGE_TAG = "tag:yaml.org,2002:merge"
_KNOWN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge")}


@dataclass(frozen=True)
class Spot:
    """Where a key and its value stand, and where an alias or merge brought them in."""

    key: Position | None
    value: Position
    used: Position | None = None


@dataclass(frozen=True)
class LeftOut:
    """Where the `when` stands that leaves something out, the parameter that it asks for, and the value of that."""

    position: Position
    parameter: str
    value: str


@dataclass
class Source:
    """A file's values with the spot of each."""

    file: str
    data: Data
    spots: dict[Place, Spot]
    problems: list[Problem] = field(default_factory=list)
    left_out: dict[Place, LeftOut] = field(default_factory=dict)
    uncertain: set[str | int] = field(default_factory=set)  # sections that lack what could not be expanded
    text: str = ""

    def spot(self, place: Place) -> Spot:
        """Return the spot of a place, or of the nearest one around it that the file has."""
        while place not in self.spots and place:
            place = place[:-1]
        return self.spots.get(place, Spot(None, Position(1, 1)))

    def key(self, place: Place) -> Position:
        """Return where the key of a place stands; of a list's element, where the element starts."""
        spot = self.spot(place)
        return spot.key or spot.value

    def value(self, place: Place) -> Position:
        """Return where a scalar stands; for lists and mappings, their key."""
        if place not in self.spots or isinstance(self.get(place), list | dict):
            return self.key(place)
        return self.spots[place].value

    def get(self, place: Place) -> Data:
        """Return what the file has at a place; None where it has nothing."""
        return look(self.data, place)


def look(data: Data, place: Place) -> Data:
    """Return what stands at a place of nested data; None where nothing does."""
    for step in place:
        if isinstance(data, dict) and isinstance(step, str):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


class _TooDeep(Exception):
    """Values are nested deeper than any topology needs; the argument is where."""


class _TooMuch(Exception):
    """Aliases expand to more values than any topology has."""


class _YamlComposer(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's composer with YAML 1.2's nulls, bounded depth, and the places where aliases are used."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.depth = 0
        self.alias_marks: dict[tuple[int, int], Any] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) and event.start_mark:
            self.alias_marks[id(parent), index if isinstance(index, int) else id(index)] = event.start_mark
        if self.depth >= DEEPEST:
            raise _TooDeep(event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_YamlComposer.add_implicit_resolver(_NULL_TAG, re.compile(r"(?:~|null|Null|NULL)?\Z"), ["~", "n", "N", ""])
_YamlComposer.add_implicit_resolver(_MERGE_TAG, re.compile(r"<<\Z"), ["<"])


@dataclass
class _Builder:
    """Turn composed nodes into plain values and spots."""

    alias_marks: dict[tuple[int, int], Any]
    spots: dict[Place, Spot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open_nodes: set[int] = field(default_factory=set)
    count: int = 0

    def problem(self, code: str, node: yaml.Node, message: str, place: Place) -> None:
        self.problems.append(Problem(code, _position(node.start_mark), message, place))

    def alias(self, parent: yaml.Node, index: int | yaml.Node) -> Position | None:
        mark = self.alias_marks.get((id(parent), index if isinstance(index, int) else id(index)))
        return _position(mark) if mark else None

    def build(self, node: yaml.Node, place: Place, key: Position | None, used: Position | None) -> Data:
        self.count += 1
        if self.count > MOST_VALUES:
            raise _TooMuch
        self.spots[place] = Spot(key, _position(node.start_mark), used)
        if node.tag not in _KNOWN_TAGS:
            message = _("tag `{tag}` means nothing here; expected a value without a tag").format(tag=node.tag)
            self.problem("unknown-tag", node, message, place)
        if isinstance(node, yaml.ScalarNode):
            return None if node.tag == _NULL_TAG else self.text(node, place)
        if id(node) in self.open_nodes:
            message = _("this anchor contains itself; expected an alias to another place")
            self.problem("recursive-alias", node, message, place)
            return None
        self.open_nodes.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [
                    self.build(item, (*place, index), None, self.alias(node, index) or used)
                    for index, item in enumerate(node.value)
                ]
            return self.mapping(node, place, used)
        finally:
            self.open_nodes.discard(id(node))

    def text(self, node: yaml.ScalarNode, place: Place) -> str:
        bad = unprintable(node.value)
        if bad:
            message = _("the text has the character {character}; expected printable text").format(character=bad)
            self.problem("bad-character", node, message, place)
            return "".join("?" if unprintable(char) else char for char in node.value)
        return str(node.value)

    def mapping(self, node: yaml.Node, place: Place, used: Position | None) -> dict[str, Data]:
        result: dict[str, Data] = {}
        first: dict[str, Position] = {}
        merges: list[tuple[yaml.Node, Position]] = []
        for key_node, value_node in node.value:
            where = _position(key_node.start_mark)
            if key_node.tag == _MERGE_TAG:
                merges += self.merged(key_node, value_node, place)
                continue
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _NULL_TAG:
                self.problem("bad-key", key_node, _("a key must be a word; expected `key: value`"), place)
                continue
            key = self.text(key_node, place)
            if key in first:
                message = _("key `{key}` stands twice; expected it once (the first is on line {line})").format(
                    key=key, line=first[key].line
                )
                self.problem("duplicate-key", key_node, message, (*place, key))
                continue
            first[key] = where
            result[key] = self.build(value_node, (*place, key), where, self.alias(node, key_node) or used)
        for merged_node, merge_used in merges:
            result.update(self.merge(merged_node, place, merge_used, frozenset(result)))
        return result

    def merged(self, key: yaml.Node, value: yaml.Node, place: Place) -> list[tuple[yaml.Node, Position]]:
        """Return the mappings that a `<<` key brings in, nearest first."""
        where = _position(key.start_mark)
        nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if not all(isinstance(item, yaml.MappingNode) for item in nodes):
            message = _("`<<` merges something that has no keys; expected an alias to a mapping, or a list of such")
            self.problem("bad-merge", value, message, place)
            return []
        return [(item, where) for item in nodes]

    def merge(self, node: yaml.Node, place: Place, used: Position, known: frozenset[str]) -> dict[str, Data]:
        """Return the keys of a merged mapping that are not there yet, with the spots they have there."""
        if id(node) in self.open_nodes:
            message = _("this mapping merges itself; expected an alias to another place")
            self.problem("recursive-alias", node, message, place)
            return {}
        self.count += 1
        if self.count > MOST_VALUES:
            raise _TooMuch
        own_spots, self.spots = self.spots, {}
        own_problems, self.problems = self.problems, []
        self.open_nodes.add(id(node))
        values = self.mapping(node, place, used)
        self.open_nodes.discard(id(node))
        merged_spots, self.spots = self.spots, own_spots
        reported = {(problem.code, problem.position) for problem in own_problems}  # where the anchor stands
        self.problems = own_problems + [p for p in self.problems if (p.code, p.position) not in reported]
        for spot_place, spot in merged_spots.items():
            if spot_place[len(place)] not in known:
                self.spots.setdefault(spot_place, spot)
        return {key: value for key, value in values.items() if key not in known}


def unprintable(text: str) -> str | None:
    """Return the name of the first character that no file or terminal should get, if the text has one."""
    for char in text:
        code = ord(char)
        if (code < 0x20 and char not in "\t\n\r") or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000:
            return f"U+{code:04X}"
    return None


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def read_source(path: Path, *, shown: str | None = None) -> Source:
    """Read a YAML file; what is wrong but lets the reading go on is in the source's problems.

    Raises UsageError when the file cannot be read, TopologyInvalid when it is not YAML.
    """
    file = shown or str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        said = _(error.strerror) if error.strerror else str(error)
        raise UsageError(_("{file}: cannot be read").format(file=file), details=[said]) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        message = _("byte 0x{byte:02X} is not UTF-8; expected a text file saved as UTF-8").format(
            byte=content[error.start]
        )
        raise invalid(file, [Problem("not-utf8", Position(line, column), message)]) from error
    return parse_source(text, file)


def parse_source(text: str, file: str) -> Source:
    """Parse YAML text; `file` is how problems name it. Raises TopologyInvalid when it is not YAML."""
    try:
        composer = _YamlComposer(text)
        node = composer.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _position(mark) if mark else Position(1, 1)
        said = [told(each) for each in (error.problem, error.context) if each]
        if len(said) == 2:
            message = _("this is not YAML: {problem} ({context})").format(problem=said[0], context=said[1])
        else:
            message = _("this is not YAML: {problem}").format(problem="".join(said))
        marks = (error.problem_mark, error.context_mark)
        near = [Problem("not-yaml", _position(each), message) for each in marks if each]
        raise invalid(file, [Problem("not-yaml", where, message), *lookalikes(text, near)]) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        where = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = _("this is not YAML: the character {character} is not allowed").format(
            character=f"U+{ord(text[error.position]):04X}"
        )
        raise invalid(file, [Problem("not-yaml", where, message)]) from error
    except (ValueError, OverflowError) as error:  # PyYAML lets chr() and int() fail on impossible escapes and versions
        message = _("this is not YAML: {problem}").format(problem=error)
        raise invalid(file, [Problem("not-yaml", Position(1, 1), message)]) from error
    except _TooDeep as error:
        message = _("more than {count} levels of keys and lists; expected a topology").format(count=DEEPEST)
        raise invalid(file, [Problem("too-deep", _position(error.args[0]), message)]) from error
    builder = _Builder(composer.alias_marks)
    if node is None:
        return Source(file, None, {(): Spot(None, Position(1, 1))}, text=text)
    try:
        data = builder.build(node, (), None, None)
    except _TooMuch as error:
        message = _("aliases make more than {count} values of this file; expected a topology").format(count=MOST_VALUES)
        raise invalid(file, [Problem("too-large", Position(1, 1), message)]) from error
    return Source(file, data, builder.spots, builder.problems, text=text)
