"""What a file says once it is expanded, as a tree: each value beside what was written for it, and where."""

from __future__ import annotations

from vboxlab.lazily import dataclass
from vboxlab.topology.problems import Place
from vboxlab.topology.source import Data, Spot


@dataclass(frozen=True)
class Node:
    """A value: a text with what was written for it (holes as they are), or nodes in a list or by key."""

    spot: Spot
    content: str | list[Node] | dict[str, Node] | None
    written: str | None = None


def entries_of(node: Node | None) -> dict[str, Node]:
    """Return what a mapping has by key; nothing of anything else."""
    return node.content if node is not None and isinstance(node.content, dict) else {}


def merged(base: Node, over: Node) -> Node:
    """Return a tree with another laid over it: mappings are merged key by key, anything else is replaced."""
    if not isinstance(base.content, dict) or not isinstance(over.content, dict):
        return over
    both = {key: merged(base.content[key], over.content[key]) for key in base.content.keys() & over.content.keys()}
    return Node(over.spot, {key: both.get(key, node) for key, node in (base.content | over.content).items()})


def values(node: Node) -> Data:
    """Return what a tree says."""
    if isinstance(node.content, dict):
        return {key: values(inner) for key, inner in node.content.items()}
    if isinstance(node.content, list):
        return [values(inner) for inner in node.content]
    return node.content


def written(node: Node) -> Data:
    """Return what was written for a tree, in the same places."""
    if isinstance(node.content, dict):
        return {key: written(inner) for key, inner in node.content.items()}
    if isinstance(node.content, list):
        return [written(inner) for inner in node.content]
    return node.written


def spots(node: Node, place: Place = ()) -> dict[Place, Spot]:
    """Return where everything of a tree stands, by its place below that of the tree."""
    found = {place: node.spot}
    if isinstance(node.content, dict):
        for key, inner in node.content.items():
            found.update(spots(inner, (*place, key)))
    elif isinstance(node.content, list):
        for index, inner in enumerate(node.content):
            found.update(spots(inner, (*place, index)))
    return found
