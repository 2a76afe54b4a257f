"""Say in words which part of a topology file a place is."""

from __future__ import annotations

from vboxlab.language import C_, N_, _
from vboxlab.topology.problems import Place
from vboxlab.topology.source import Data, look

_NAMED = {
    "machines": N_("machine `{name}`"),
    "networks": N_("network `{name}`"),
    "disks": N_("shared disk `{name}`"),
    "parameters": N_("parameter `{name}`"),
    "secrets": N_("secret `{name}`"),
}
# Items of a list at the top of the file, and of one that is a part of something.
_ITEMS = {
    "adapters": (N_("adapter {number}"), N_("adapter {number} of {whole}")),
    "roles": (N_("role {number}"), N_("role {number} of {whole}")),
    "stages": (N_("stage {number}"), N_("stage {number} of {whole}")),
    "verify": (N_("step {number}"), N_("step {number} of {whole}")),
    "questions": (N_("question {number}"), N_("question {number} of {whole}")),
    "steps": (N_("step {number}"), N_("step {number} of {whole}")),
}
LONGEST_SHOWN = 60


def describe(place: Place, data: Data) -> str:
    """Return how a sentence names a place: `adapter 1 of machine srv-web`, `gateway of adapter 1 of …`."""
    if not place:
        return _("the file")
    if len(place) == 2 and place[0] in _NAMED:
        return _(_NAMED[str(place[0])]).format(name=place[1])
    if len(place) == 4 and place[0] == "machines" and place[2] == "stages":
        return _("stage `{stage}` of {whole}").format(stage=place[3], whole=describe(place[:2], data))
    parent, last = place[:-1], place[-1]
    if isinstance(last, str):
        return _("`{key}` of {whole}").format(key=last, whole=describe(parent, data)) if parent else f"`{last}`"
    return _describe_item(parent, last, data)


def _describe_item(parent: Place, index: int, data: Data) -> str:
    key = parent[-1] if parent else ""
    if len(parent) == 4 and parent[2] == "stages":
        return _role(data, (*parent, index), describe(parent, data))
    if key == "roles" and len(parent) == 3:
        return _role(data, (*parent, index), describe(parent[:-1], data))
    if parent in (("verify",), ("verify", "steps")):
        return _("step {number} of `verify`").format(number=index + 1)
    if key in _ITEMS:
        alone, of_whole = _ITEMS[str(key)]
        if len(parent) == 1:
            return _(alone).format(number=index + 1)
        return _(of_whole).format(number=index + 1, whole=describe(parent[:-1], data))
    return _("item {number} of {whole}").format(number=index + 1, whole=describe(parent, data))


def _role(data: Data, place: Place, whole: str) -> str:
    name = look(data, (*place, "role"))
    if isinstance(name, str):
        return _("role `{role}` of {whole}").format(role=name, whole=whole)
    return _("role {number} of {whole}").format(number=int(place[-1]) + 1, whole=whole)


def show(value: Data) -> str:
    """Return a value as a message shows it, shortened where it is long."""
    if value is None:
        return C_("value", "empty")
    if isinstance(value, dict):
        return _("keys and values")
    if isinstance(value, list):
        return _("a list") if value else _("an empty list")
    line = value.strip("\n").replace("\n", "↵")
    return f"`{line if len(line) <= LONGEST_SHOWN else line[: LONGEST_SHOWN - 1] + '…'}`"
