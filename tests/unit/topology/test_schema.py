from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from vboxlab.topology.schema import SCHEMA_FILE, schema_text, topology_schema

REPOSITORY = Path(__file__).parents[3]
TOPOLOGIES = [each for each in (REPOSITORY / "topologies").rglob("*.yaml") if each.parent.name != "mutants"]
FILES = [*TOPOLOGIES, *(REPOSITORY / "snapshots").glob("*.yaml")]


class Yaml12Loader(yaml.SafeLoader):
    """Reads as editors do: only true and false are truth values."""


Yaml12Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Yaml12Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), ["t", "f"])


def errors(text: str) -> list[str]:
    validator = Draft7Validator(topology_schema())
    found: Any = yaml.load(text, Yaml12Loader)
    return sorted("/".join(map(str, error.absolute_path)) for error in validator.iter_errors(found))


def test_the_committed_file_is_up_to_date() -> None:
    """`vboxlab schema > vboxlab/topology/topology.schema.json` writes it again."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_the_shipped_files_keep_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert errors(text) == []
    up = "../" * len(file.relative_to(REPOSITORY).parent.parts)
    assert text.startswith(f"# yaml-language-server: $schema={up}vboxlab/topology/topology.schema.json\n")


def test_it_is_a_schema_and_finds_what_is_wrong() -> None:
    Draft7Validator.check_schema(topology_schema())
    failover = (REPOSITORY / "topologies" / "failover.yaml").read_text(encoding="utf-8")
    assert errors(failover.replace("domain: mlif.local", "domian: mlif.local")) == [""]
    assert errors(failover.replace("hostname: srv-web-{student}", "hostnam: x")) == [
        "machines/srv-web",
        "machines/srv-web-bis",
    ]
    firewall = (REPOSITORY / "topologies" / "parts" / "firewall.yaml").read_text(encoding="utf-8")
    assert errors(firewall.replace("hostname: pf-firewall", "hostnam: pf-firewall")) == ["machines/firewall"]
    assert errors(firewall.replace("kind: nat", "kind: net")) == ["networks/wan/kind"]
    assert errors(firewall.replace("kind: nat", 'kind: "{kind}"')) == [], "a parameter may stand for any value"


def test_only_who_names_parts_may_leave_out_what_a_machine_must_have() -> None:
    failover = (REPOSITORY / "topologies" / "failover.yaml").read_text(encoding="utf-8")
    assert errors(failover.replace("machines:\n", "machines:\n  client: {memory: 1024}\n")) == []
    alone = failover.replace("parts:\n", "networks: {}\nx-parts:\n").replace("  - {part: firewall, ", "  - {")
    assert errors(alone.replace("hostname: srv-web-{student}", "")) == ["", "machines/srv-web"]
    assert errors(failover.replace("part: firewall, service", "service")) == ["parts/0"]


def test_names_that_come_from_keys_are_not_asked_for() -> None:
    definitions = topology_schema()["$defs"]
    assert "name" not in definitions["Machine"]["properties"]
    assert definitions["Machine"]["required"] == ["hostname", "adapters"]
    assert definitions["Adapter"]["required"] == ["network"]
    assert definitions["PingCheck"]["properties"]["to"]["anyOf"][0]["minItems"] == 1
