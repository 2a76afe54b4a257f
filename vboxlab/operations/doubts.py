"""How many warnings `validate` would give of a topology: told in one line wherever it is planned or brought up."""

from __future__ import annotations

from contextlib import suppress

from vboxlab.errors import VboxlabError
from vboxlab.language import n_
from vboxlab.operations.copies import Chosen
from vboxlab.operations.session import Session
from vboxlab.topology.loader import doubts_in


def tell_of_doubts(session: Session, entry: Chosen) -> None:
    """Say where more is told, when the topology has warnings."""
    library = session.library
    with suppress(VboxlabError):  # a topology that cannot be loaded is told when it is planned
        topology = entry.target(session).needed.topology
        path = library.find_topology(entry.name)
        count = len(doubts_in(library.source(path), topology.values, topology.name, beside=library.beside(path)))
        if count:
            text = n_(
                "{count} warning: `vboxlab validate {file}`", "{count} warnings: `vboxlab validate {file}`", count
            )
            session.door.note(text.format(count=count, file=entry.name))
