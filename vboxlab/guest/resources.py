"""Typed resources: what a role wants to be true in a guest. Pure data; compiled by vboxlab.guest.script.

A later resource with the same key replaces an earlier one (a later stage has the last word).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field

from vboxlab.lazily import dataclass

Argv = tuple[str, ...]
APT_SOURCES = "/etc/apt/sources.list.d/"
"""The folder of the sources that packages come from besides the base's own."""
NEW_FILE = "{}"
"""Stands in the check of a file for the path of what is checked."""
HIDDEN_SECRET = "<secret>"  # noqa: S105 -- what is shown in the place of one


@dataclass(frozen=True)
class Hole:
    """Where something of the lab's secrets goes in a text, and how that is made where there is none of it yet."""

    marker: str
    secret: str  # its name
    part: str = "secret"  # a word of vboxlab.topology.secret.KINDS, or CA
    length: int = 0  # characters of a password that the topology declares; 0: of one that it does not
    names: tuple[str, ...] = ()  # in a certificate
    addresses: tuple[str, ...] = ()  # in a certificate

    @property
    def key(self) -> str:
        """Return what identifies its value among all that resources need."""
        return self.secret if self.part == "secret" else f"{self.part} {self.secret}"

    @property
    def shown(self) -> str:
        """Return what is shown in the place of its value."""
        return f"<{self.part} {self.secret}>" if self.length or self.part != "secret" else HIDDEN_SECRET


@dataclass(frozen=True)
class SecretText:
    """Text with holes for secrets: markers are replaced only when the script is compiled, never shown.

    One hole is the marker, for the secret, where that has a name; `holes` are the others.
    """

    template: str
    secret: str  # name of the lab's secret that replaces the marker; "": only `holes` count
    marker: str = "<secret>"
    holes: tuple[Hole, ...] = ()

    @property
    def all_holes(self) -> tuple[Hole, ...]:
        """Return every hole."""
        return (*((Hole(self.marker, self.secret),) if self.secret else ()), *self.holes)

    def filled(self, value: Callable[[Hole], str]) -> str:
        """Return the text with the value of each hole in its place."""
        values = {hole.marker: value(hole) for hole in self.all_holes}
        if not values:
            return self.template
        # In one go: a value may look like the marker of another hole.
        return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], self.template)

    def shown(self) -> str:
        """Return the text as it may be shown: with the names of secrets in their places."""
        return self.filled(lambda hole: hole.shown)


@dataclass(frozen=True)
class File:
    """A regular file with exactly this content. `notifies` names services restarted when it changes.

    `before_packages` is for what package installation itself needs: the network's files. `as_written` resources are
    brought about one after the other, in their order, until one of them fails. `check` is a command that the new file
    has to pass before it replaces what is there: NEW_FILE in it stands for the path of the new file beside, or with
    `check_in_place` for the path itself, where the new file is tried and taken away again.
    """

    path: str
    content: str | SecretText
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    notifies: tuple[str, ...] = ()
    before_packages: bool = False
    as_written: bool = False
    check: Argv = ()
    check_in_place: bool = False

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"file:{self.path}"


@dataclass(frozen=True)
class AbsentFile:
    """A file that must not exist."""

    path: str
    notifies: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"file:{self.path}"


@dataclass(frozen=True)
class Package:
    """An installed Debian package."""

    name: str

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"package:{self.name}"


@dataclass(frozen=True)
class Service:
    """A systemd unit. None leaves the aspect as it is.

    `pause` are the seconds for which it stays stopped when it is restarted. `as_written`: as of a File.
    """

    name: str
    enabled: bool | None = True
    running: bool | None = True
    pause: int = 0
    as_written: bool = False

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"service:{self.name}"


@dataclass(frozen=True)
class Restart:
    """A service, whoever declares it, that is restarted at the end if a file changed since it was looked at."""

    name: str

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"restart:{self.name}"


@dataclass(frozen=True)
class Sysctl:
    """A kernel setting, now and after a reboot (in the given file). `as_written`: as of a File."""

    name: str
    value: str
    file: str = "/etc/sysctl.conf"
    as_written: bool = False

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"sysctl:{self.name}"


@dataclass(frozen=True)
class Hostname:
    """The host name, as `hostnamectl hostname` sets it."""

    name: str
    key: str = field(default="hostname", init=False)


@dataclass(frozen=True)
class Interface:
    """A configured interface of ifupdown, brought up when its stanza changed (the stanza itself is in a File)."""

    name: str
    address: str  # 192.168.200.51/24, or "dhcp"
    gateway: str | None = None

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"interface:{self.name}"


@dataclass(frozen=True)
class Password:
    """The password of an existing user, from a secret. `length` is as in Hole."""

    user: str
    secret: str
    length: int = 0

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"password:{self.user}"


@dataclass(frozen=True)
class Command:
    """A command run when `unless` fails (argv lists; `unless` must be free of side effects).

    `as_written`: as of a File; `unless` must then succeed once it has run, and it may take `timeout` seconds (times the
    time scale). `explained`: whoever types it is told its name and `unless`; that is nothing of the guest's state.
    """

    name: str
    run: Argv
    unless: Argv
    as_written: bool = False
    timeout: int = 300
    explained: bool = field(default=False, compare=False)

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"command:{self.name}"


@dataclass(frozen=True)
class Await:
    """A state that must come about by itself: `until` succeeds within so many seconds (times the time scale).

    `nudge` is a command run each time that `nudge_after` seconds (times the time scale) have passed without it.
    `unit` is the systemd unit that brings it about: what it logged last is the reason when it does not.
    """

    name: str
    until: Argv
    within: float = 60.0
    nudge: Argv = ()
    nudge_after: float = 0.0
    unit: str = ""

    @property
    def key(self) -> str:
        """Return what identifies the resource within a machine."""
        return f"await:{self.name}"


Resource = File | AbsentFile | Package | Service | Restart | Sysctl | Hostname | Interface | Password | Command | Await


def merge(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Return the resources without those that a later one of the same key replaces, in the order of what is left.

    The later one keeps its own place, as it may rest on what its role declares before it.
    """
    merged: dict[str, Resource] = {}
    for resource in resources:
        merged.pop(resource.key, None)
        merged[resource.key] = resource
    return tuple(merged.values())


def prepared_packages(resources: Sequence[Resource]) -> tuple[str, ...]:
    """Return the names of the packages that can be installed before the guest is reached, sorted.

    None of them where a guest gets packages from a source of its own: which ones those are is not known.
    """
    sources = any(isinstance(each, File) and each.path.startswith(APT_SOURCES) for each in resources)
    return () if sources else packages(resources)


def packages(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Return the names of the packages wanted, sorted."""
    return tuple(sorted({resource.name for resource in resources if isinstance(resource, Package)}))
