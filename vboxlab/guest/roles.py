"""The interface of a role, as far as its guest is concerned: `IN_GUEST` of its guest.py is a GuestRole.

The topology's side, and which files a role consists of, is vboxlab.topology.roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Await, Command, File, Resource
from vboxlab.guest.steps import Steps
from vboxlab.guest.wording import Texts
from vboxlab.lazily import dataclass
from vboxlab.topology.roles import Role

OfRole = TypeVar("OfRole", bound=Role)
NO_TEXTS: Texts = MappingProxyType({})


@dataclass(frozen=True)
class Copied:
    """Files of a role that come from another machine, and the sentence that says so, in the language spoken."""

    master: str
    folder: str
    text: str


@dataclass(frozen=True)
class Seen:
    """What is to be seen once all is done, as the rest of a sentence in the language spoken, and what shows it."""

    text: str
    command: str


@dataclass(frozen=True)
class Judged:
    """What is known of a guest that was looked at, and what was found in it by itself."""

    place: Place
    facts: Facts
    findings: tuple[Finding, ...] = ()

    def has(self, code: str) -> bool:
        """Tell whether there is a finding of this code."""
        return any(each.code == code for each in self.findings)


class GuestRole(Generic[OfRole]):
    """What a role is in a guest. Pure.

    Where a resource is given, it may be anybody's: a role answers for its own and leaves the others as they are.
    """

    found: Texts = NO_TEXTS
    """What was found, by the code of a finding: sentences marked with N_ for the role's own catalogue."""
    expected: Texts = NO_TEXTS
    """What is expected instead, by the code of a finding, marked with NC_("expected", …); none where it is plain."""
    understood: frozenset[str] = frozenset()
    """Files whose meaning `slips` compares in full: that the text is another is worth no more than a hint."""
    other_secrets: Mapping[str, str] = MappingProxyType({})
    """By the file that a secret is in, the code of the finding that it is another one than the lab's."""
    identity_files: tuple[str, ...] = ()
    """Files that tell one machine from others, which a clone must not keep."""
    fact_functions: str = ""
    """Functions of POSIX sh that `questions` call, put behind vboxlab/guest/facts.sh."""

    def resources(self, role: OfRole, place: Place) -> Iterable[Resource]:
        """Return what the role wants to be true in the guest of a place."""
        raise NotImplementedError

    def slips(self, role: OfRole, place: Place, facts: Facts) -> Iterable[Finding]:
        """Return what a student got wrong, recognised by name."""
        del role, place, facts
        return ()

    def means_the_same(self, path: str, wanted: bytes, found: bytes, facts: Facts) -> bool:
        """Tell whether a file that is understood is only in other words: then there is not even a hint.

        It is asked for files of which `slips` tell nothing.
        """
        del path, wanted, found, facts
        return False

    def together(self, role: OfRole, nodes: Mapping[str, Judged]) -> Iterable[Finding]:
        """Return what does not fit between the nodes of a cluster, of which these, two or more, were looked at.

        They come in the order of the role. What a node's own findings tell is not told again; each finding is of the
        node that departs from the topology, or else of the later one, and names the other.
        """
        del role, nodes
        return ()

    def questions(self, resources: Iterable[Resource]) -> Iterable[str]:
        """Return the commands that ask a guest for facts of the role, for resources that the guest shall have.

        Each prints lines of `said`, a word and fields, separated by tabs: Facts.said. They change nothing.
        """
        del resources
        return ()

    def as_it_was(self, resource: Resource) -> Resource:
        """Return a resource as it was when vboxlab gave its digests no version; never add to it."""
        return resource

    def copied(self, role: OfRole, place: Place) -> Copied | None:
        """Return which files somebody who types copies from another machine."""
        del role, place
        return None

    def made_by(self, file: File, steps: Steps) -> bool:
        """Say how a file comes about where no editor makes it, and return whether it is said."""
        del file, steps
        return False

    def typed(self, command: Command) -> str | None:
        """Return a command as somebody would type it, where that is another one."""
        del command
        return None

    def seen(self, wish: Await) -> Seen | None:
        """Return how somebody sees what the configuration waits for."""
        del wish
        return None
