"""`list --roles` and `list --checks`: the roles and checks that topologies may use."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab import __version__
from vboxlab.guest.role_registry import broken_guest_sides
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.settings import load_settings
from vboxlab.topology.catalog import list_topologies
from vboxlab.topology.check_registry import FoundCheck, names_of
from vboxlab.topology.checks import OWN_CHECKS
from vboxlab.topology.code import Broken, Kind
from vboxlab.topology.library import Library
from vboxlab.topology.role_registry import FoundRole
from vboxlab.topology.trust import Untrusted
from vboxlab.topology.vocabulary import Vocabulary, installed_vocabulary

_NOT_TRUSTED = N_("not run yet: `vboxlab trust {file}` shows its files and asks")


@dataclass(frozen=True)
class Word:
    """A role or check: its name, whose it is, one line of what it is or why it cannot be used."""

    kind: Kind
    name: str
    origin: str
    text: str
    usable: bool


def list_words() -> list[Word]:
    """Return the roles, and the checks that are not vboxlab's own: those installed, then those beside topologies.

    Nothing of a folder runs that its user has not agreed to run.
    """
    settings = load_settings()
    library = Library(settings)
    found = dict.fromkeys(_words(installed_vocabulary(), ""))
    for entry in list_topologies(settings, library.source):
        found.update(dict.fromkeys(_words(library.vocabulary(entry.path), entry.name)))
    found.update(dict.fromkeys(_broken(each) for each in broken_guest_sides()))
    first: dict[tuple[str, str, str], Word] = {}
    for word in sorted(found, key=lambda word: word.usable):  # what is broken is told, though a part of it loads
        first.setdefault((word.kind, word.name, word.origin), word)
    return list(dict.fromkeys(first[word.kind, word.name, word.origin] for word in found))


def list_checks() -> list[Word]:
    """Return the checks that topologies may use: vboxlab's own, then those installed, then those beside topologies."""
    origin = f"vboxlab {__version__}"
    own = [
        Word("check", name, origin, _first_line(kind), usable=True) for kind in OWN_CHECKS for name in names_of(kind)
    ]
    return [*own, *(word for word in list_words() if word.kind == "check")]


def _words(vocabulary: Vocabulary, topology: str) -> Iterator[Word]:
    found: list[FoundRole | FoundCheck] = [*vocabulary.roles.values(), *vocabulary.checks.values()]
    for each in found:
        yield Word(each.code.kind, each.code.name, each.origin, _first_line(each.kind), usable=True)
    for unusable in vocabulary.unusable.values():
        if isinstance(unusable, Untrusted):
            text = _(_NOT_TRUSTED).format(file=topology)
            yield Word(unusable.kind, unusable.name, unusable.place, text, usable=False)
        elif isinstance(unusable, Broken):
            yield _broken(unusable)


def _broken(broken: Broken) -> Word:
    return Word(broken.kind, broken.name, broken.origin, broken.why.told(), usable=False)


def _first_line(kind: type) -> str:
    lines = (kind.__doc__ or "").strip().splitlines()
    return lines[0].strip() if lines else ""
