"""The JSON Schema of the files of topologies, parts and snapshot sets: what the model takes, as a file may write it.

Differences from the model: names come from keys, adapters may leave out their slot, `verify` may be a list, one name
may stand for a list of one, and wherever a value is, `{parameter}` may be; machines, networks and what stands in lists
take the keys by which they are expanded (vboxlab.topology.expansion). Editors read it through the comment in a
file's first line; draft 7 is what the YAML language server understands in full.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, create_model
from pydantic.json_schema import models_json_schema

from vboxlab.lazily import dataclass
from vboxlab.topology.conditions import WHEN
from vboxlab.topology.disks import SharedDisk
from vboxlab.topology.expectations import PARTS, Expectation, not_in_file
from vboxlab.topology.growth import VALUE
from vboxlab.topology.loops import FOR_EACH
from vboxlab.topology.model import Adapter, Machine, Network, Parameter, SnapshotSet, Topology
from vboxlab.topology.parts import GIVEN_BY_PARTS, PART, Part, PartParameter
from vboxlab.topology.scenario import Scenario
from vboxlab.topology.secret import LabSecret
from vboxlab.topology.step import listed
from vboxlab.topology.vocabulary import Vocabulary, installed_vocabulary

SCHEMA_FILE = Path(__file__).with_name("topology.schema.json")
_HOLE = {"type": "string", "pattern": r"\{[A-Za-z_][A-Za-z0-9_-]*(\+[0-9]+)?\}"}
_NOT_REQUIRED: dict[type[BaseModel], frozenset[str]] = {Adapter: frozenset({"slot"})}
# What YAML reads as a number or truth value is taken as the text that was typed where text is expected.
_TEXT = ["string", "number", "boolean"]
_AS_THEY_ARE = (Parameter, PartParameter, SnapshotSet)
_EXPANDED = {WHEN: "When", FOR_EACH: "ForEach"}

Schema = dict[str, Any]

_SHARED: Schema = {
    "Hole": {**_HOLE, "description": "`{parameter}`, replaced by its value"},
    "When": {
        "description": "there only when parameters have these values, or one of several",
        "type": "object",
        "additionalProperties": {"anyOf": [{"type": _TEXT}, {"type": "array", "items": {"type": _TEXT}}]},
    },
    "ForEach": {
        "description": "repeated for each value; `{name}` stands for it, and `{name+10}` counts up from a number",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "anyOf": [
                {"type": "string", "pattern": r"\.\.", "description": "a range, such as 1..5"},
                {"$ref": "#/$defs/Hole"},
                {"type": "array", "items": {"type": _TEXT}},
            ]
        },
    },
    "Use": {
        "description": "a part, by its name alone or with values for its parameters",
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "required": [PART],
                "properties": {
                    PART: {"type": "string", "description": "name of a file in the folder `parts`, without its ending"},
                    **{key: {"$ref": f"#/$defs/{name}"} for key, name in _EXPANDED.items()},
                },
                "additionalProperties": {"type": _TEXT},
            },
        ],
    },
    "Element": {
        "description": "a plain value of a list, with what decides whether it is there",
        "type": "object",
        "additionalProperties": False,
        "required": [VALUE],
        "properties": {VALUE: {"type": _TEXT}, **{key: {"$ref": f"#/$defs/{name}"} for key, name in _EXPANDED.items()}},
    },
}


@dataclass(frozen=True)
class _Kinds:
    """The models of a topology that takes certain roles and checks."""

    topology: type[BaseModel]
    machine: type[BaseModel]
    scenario: type[BaseModel]
    part: type[BaseModel]

    @classmethod
    def of(cls, topology: type[BaseModel]) -> Self:
        inner = [model for field in topology.model_fields.values() for model in _models_in(field.annotation)]
        machine: type[BaseModel] = next(model for model in inner if issubclass(model, Machine))
        scenario: type[BaseModel] = next(model for model in inner if issubclass(model, Scenario))
        if topology is Topology:
            return cls(topology, machine, scenario, Part)
        described = Part.model_fields["verify"].description
        part = create_model(
            "Part",
            __base__=Part,
            __doc__=Part.__doc__,
            __module__=Part.__module__,
            machines=(dict[str, machine], Field(default_factory=dict)),  # type: ignore[valid-type]
            verify=(scenario, Field(default_factory=scenario.model_construct, description=described)),
        )
        return cls(topology, machine, scenario, part)


def topology_schema(vocabulary: Vocabulary | None = None) -> Schema:
    """Return the JSON Schema of topology files, of snapshot-set files (`topology`) and parts (those with `part`).

    Their roles and checks are those of the vocabulary; default: the installed ones.
    Raises RoleUnusable when no role is installed.
    """
    topology = (vocabulary or installed_vocabulary()).topology
    kinds = _Kinds.of(topology)
    models = tuple(_models(topology, SnapshotSet, kinds.part))
    places, generated = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions: Schema = generated["$defs"]
    names = {model: places[model, "validation"]["$ref"].rpartition("/")[2] for model in models}
    for model, name in names.items():
        _as_in_files(model, definitions[name])
    definitions = {name: _with_holes(schema) for name, schema in definitions.items()}
    for model, name in names.items():
        if model not in _AS_THEY_ARE:
            _with_elements(definitions[name])
    for model in _elements(kinds):
        properties = definitions[names[model]]["properties"]
        properties.update(
            {key: {"$ref": f"#/$defs/{each}"} for key, each in _EXPANDED.items() if key not in properties}
        )
    _allow_list_of_steps(definitions[names[topology]]["properties"], names[kinds.scenario])
    _allow_parts(definitions, names, kinds)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "vboxlab topology, part of topologies, or snapshot set",
        "type": "object",
        "if": {"required": ["topology"]},
        "then": {"$ref": f"#/$defs/{names[SnapshotSet]}"},
        "else": {
            "if": {"required": [PART]},
            "then": {"$ref": f"#/$defs/{names[kinds.part]}"},
            "else": {"$ref": f"#/$defs/{names[topology]}"},
        },
        "$defs": {**definitions, **_SHARED},
    }


def schema_text() -> str:
    """Return the schema as it is kept in SCHEMA_FILE."""
    return json.dumps(topology_schema(), indent=2, ensure_ascii=False) + "\n"


def _models(*roots: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Return the given models and all that they are made of, each once."""
    waiting, seen = list(roots), set(roots)
    while waiting:
        model = waiting.pop()
        yield model
        for field in model.model_fields.values():
            for inner in _models_in(field.annotation):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append(inner)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    for member in Expectation(annotation).members:
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield member
        elif get_origin(member) in (tuple, dict):
            for argument in get_args(member):
                if argument is not Ellipsis:
                    yield from _models_in(argument)


def _elements(kinds: _Kinds) -> set[type[BaseModel]]:
    """Return the models of what can be expanded: what has a name in a section, and whatever stands in a list."""
    found: set[type[BaseModel]] = {kinds.machine, Network, SharedDisk, LabSecret}
    for model in _models(kinds.topology):
        for field in model.model_fields.values():
            for member in Expectation(field.annotation).members:
                if get_origin(member) is tuple:
                    found.update(_models_in(member))
    return found


def _with_elements(schema: Any) -> None:
    """Let a list have plain values that are expanded, where it is one of plain values."""
    if isinstance(schema, list):
        for each in schema:
            _with_elements(each)
    elif isinstance(schema, dict):
        for each in schema.values():
            _with_elements(each)
        items = schema.get("items")
        if schema.get("type") == "array" and isinstance(items, dict) and _is_plain(items):
            schema["items"] = {"anyOf": [items, {"$ref": "#/$defs/Element"}]}


def _is_plain(items: Schema) -> bool:
    kinds = [items, *items.get("anyOf", ())]
    return any(kind.get("type") in ("string", _TEXT, "integer", "number") or "enum" in kind for kind in kinds)


def _as_in_files(model: type[BaseModel], schema: Schema) -> None:
    """Change a model's schema to what a file says of it."""
    hidden = not_in_file(model)
    optional = hidden | _NOT_REQUIRED.get(model, frozenset())
    schema["properties"] = {key: value for key, value in schema["properties"].items() if key not in hidden}
    required = [key for key in schema.pop("required", []) if key not in optional]
    if required:
        schema["required"] = required
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in schema["properties"] and _may_be_one(field.annotation, field.metadata):
            whole = schema["properties"][key]
            if "minLength" in whole:  # pydantic cannot see through the validator that the limit is of a list
                whole["minItems"] = whole.pop("minLength")
            described = {word: whole.pop(word) for word in ("description", "default", "title") if word in whole}
            schema["properties"][key] = {"anyOf": [whole, whole.get("items", {"type": "string"})], **described}


def _may_be_one(annotation: Any, metadata: list[Any]) -> bool:
    """Tell whether one value may stand for a list of one (vboxlab.topology.checks.listed)."""
    return any(
        isinstance(item, BeforeValidator) and item.func is listed for item in (*metadata, *get_args(annotation)[1:])
    )


def _with_holes(schema: Any) -> Any:
    """Let `{parameter}` stand for every value that is more than plain text, and drop what only pydantic reads."""
    if isinstance(schema, list):
        return [_with_holes(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: Schema = {
        key: _properties_with_holes(value)
        if key == "properties"
        else value
        if key in _LITERAL_KEYS
        else _with_holes(value)
        for key, value in schema.items()
        if key not in ("title", "discriminator")
    }
    kind = result.get("type")
    if kind in ("integer", "number", "boolean") or "enum" in result or (kind == "string" and "format" in result):
        kept = {key: result.pop(key) for key in ("description", "default") if key in result}
        return {"anyOf": [result, {"$ref": "#/$defs/Hole"}], **kept}
    if kind == "string" and "const" not in result:
        result["type"] = "string" if "pattern" in result else _TEXT
        if "pattern" in result:
            return {"anyOf": [result, {"$ref": "#/$defs/Hole"}]}
    return result


_LITERAL_KEYS = frozenset({"default", "description", "enum", "const", "required", "pattern"})


def _properties_with_holes(properties: Schema) -> Schema:
    return {key: _with_holes(value) for key, value in properties.items()}


def _allow_parts(definitions: Schema, names: dict[type[BaseModel], str], kinds: _Kinds) -> None:
    """Let a topology name parts and then say of a machine only what it adds; let a part list its steps."""
    topology, part = definitions[names[kinds.topology]], definitions[names[kinds.part]]
    topology["properties"][PARTS] = {
        "description": "what it shares with other topologies; its own keys add to theirs, or replace them",
        "type": "array",
        "items": {"$ref": "#/$defs/Use"},
    }
    some: Schema = {}
    whole: Schema = {}
    for section, model in (("machines", kinds.machine), ("disks", SharedDisk)):
        own, of_part = names[model], f"{names[model]}OfPart"
        definitions[of_part] = {key: value for key, value in definitions[own].items() if key != "required"}
        some[section], whole[section] = (
            {"additionalProperties": {"$ref": f"#/$defs/{name}"}} for name in (of_part, own)
        )
        part["properties"][section] |= some[section]
        topology["properties"][section].pop("additionalProperties")
    given = [key for key in topology["required"] if key in GIVEN_BY_PARTS]
    topology["required"] = [key for key in topology["required"] if key not in given]
    topology["if"] = {"required": [PARTS]}
    topology["then"] = {"properties": some}
    topology["else"] = {"required": given, "properties": whole}
    steps = {"type": "array", "items": {"$ref": f"#/$defs/{names[kinds.scenario]}/properties/steps/items"}}
    part["properties"]["verify"] = {**steps, "description": "steps that come before the topology's own"}


def _allow_list_of_steps(properties: Schema, scenario: str) -> None:
    verify = properties["verify"]
    steps = {"type": "array", "items": {"$ref": f"#/$defs/{scenario}/properties/steps/items"}}
    described = {key: verify.pop(key) for key in ("description",) if key in verify}
    verify.pop("default", None)
    properties["verify"] = {"anyOf": [verify, steps], **described}
