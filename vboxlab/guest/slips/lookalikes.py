"""Slips that cannot be seen: characters in a guest's files that are not what they look like, and whether they hurt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, Severity, Where
from vboxlab.guest.grammars import sysctl
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Resource, Sysctl
from vboxlab.invisible import hurts, strays
from vboxlab.language import N_

Meaning = Callable[[bytes], object]
"""What a program reads in a file, line numbers apart."""

MEANINGS: Mapping[str, Meaning] = MappingProxyType({})
"""By path, of the files that a grammar reads."""

_HURTS, _HARMLESS = N_("the program reads something else because of it"), N_("the program reads the same with it")
_UNKNOWN = N_("whether it hurts depends on the program")


def slips(place: Place, resources: Sequence[Resource], facts: Facts) -> Iterator[Finding]:
    """Yield such characters in the files of the resources, but those that the wanted text has as well.

    What hurts is a warning: the slip that comes of it is told by its own name. A file's differences stay unexplained.
    """
    for path, (wanted, meaning) in _files(resources, facts).items():
        data = facts.files[path].data
        for stray in strays(facts.files[path].content, apart=wanted):
            effect, severity = _UNKNOWN, _severity(None)
            if meaning is not None:
                is_harmful = hurts(data, stray, meaning)
                if stray.is_typography and not is_harmful:
                    continue
                effect, severity = _HURTS if is_harmful else _HARMLESS, _severity(is_harmful)
            values = {"character": stray.name, "point": stray.point, "column": str(stray.column), "effect": effect}
            where = Where("file", path, stray.line)
            yield Finding("invisible-character", place.machine.name, where, values, severity)


def _severity(is_harmful: bool | None) -> Severity:
    return "warning" if is_harmful else "hint"


def _files(resources: Sequence[Resource], facts: Facts) -> Mapping[str, tuple[str, Meaning | None]]:
    """Return the files that were read, each with the wanted text and its meaning, if that is known."""
    found: dict[str, tuple[str, Meaning | None]] = {}
    for resource in resources:
        match resource:
            case File(path=path, content=str(wanted)) if path in facts.files:
                found[path] = wanted, MEANINGS.get(path)
            case Sysctl():
                link, conf = facts.files.get(sysctl.LINK), facts.files.get(sysctl.CONF)
                linked = link is not None and conf is not None and link.data == conf.data
                for path in facts.files:
                    is_read = path == sysctl.CONF or path.rpartition("/")[0] in sysctl.FOLDERS
                    if is_read and not (path == sysctl.LINK and linked):
                        found[path] = "", _settings
            case _:
                pass
    return found


def _settings(data: bytes) -> object:
    return [(each.key, each.value) for each in sysctl.lines_at_boot("", data)]
