"""Say in words which part of a topology file a place is."""

from __future__ import annotations

from vboxlab.topology.problems import Place
from vboxlab.topology.source import Data, look

_NOUNS = {"machines": "machine", "networks": "network", "parameters": "parameter"}
_ITEM_NOUNS = {"adapters": "adapter", "roles": "role", "stages": "stage", "verify": "step", "steps": "step"}
LONGEST_SHOWN = 60


def describe(place: Place, data: Data) -> str:
    """Return how a sentence names a place: `adapter 1 of machine srv-web`, `gateway of adapter 1 of …`."""
    if not place:
        return "the file"
    if len(place) == 2 and place[0] in _NOUNS:
        return f"{_NOUNS[str(place[0])]} `{place[1]}`"
    if len(place) == 4 and place[0] == "machines" and place[2] == "stages":
        return f"stage `{place[3]}` of {describe(place[:2], data)}"
    parent, last = place[:-1], place[-1]
    if isinstance(last, str):
        return f"`{last}`" if not parent else f"`{last}` of {describe(parent, data)}"
    return _describe_item(parent, last, data)


def _describe_item(parent: Place, index: int, data: Data) -> str:
    key = parent[-1] if parent else ""
    if len(parent) == 4 and parent[2] == "stages":
        return f"{_role(data, (*parent, index))} of {describe(parent, data)}"
    if key == "roles" and len(parent) == 3:
        return f"{_role(data, (*parent, index))} of {describe(parent[:-1], data)}"
    if parent in (("verify",), ("verify", "steps")):
        return f"step {index + 1} of `verify`"
    if key in _ITEM_NOUNS:
        noun = _ITEM_NOUNS[str(key)]
        return f"{noun} {index + 1}" if len(parent) == 1 else f"{noun} {index + 1} of {describe(parent[:-1], data)}"
    return f"item {index + 1} of {describe(parent, data)}"


def _role(data: Data, place: Place) -> str:
    name = look(data, (*place, "role"))
    return f"role `{name}`" if isinstance(name, str) else f"role {int(place[-1]) + 1}"


def show(value: Data) -> str:
    """Return a value as a message shows it, shortened where it is long."""
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    line = value.strip().replace("\n", "↵")
    return f"`{line if len(line) <= LONGEST_SHOWN else line[: LONGEST_SHOWN - 1] + '…'}`"
