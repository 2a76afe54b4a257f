"""What every operation on a lab needs: the driver, the bases, the guests, the settings and where events go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import field

from vboxlab.base.model import Bases
from vboxlab.errors import UsageError
from vboxlab.events import EventSink, discard
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.guests import Guests
from vboxlab.lab.listing import Listing
from vboxlab.lab.ports import Reservations
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.host import Host
from vboxlab.settings import Settings
from vboxlab.topology.addressing import LabName

Confirm = Callable[[LabName, str], None]
"""Asks whether work may be thrown away ("throw away ...?") and returns if so; raises, whatever the reason, if not."""


ImageKey = tuple[str, tuple[str, ...], tuple[str, ...]]
"""What an image is made of: a base, packages that are installed, and packages that are offered."""


def refuse(_lab: LabName, question: str) -> None:
    """Answer for somebody who cannot be asked. Raises UsageError."""
    what = question.removesuffix("?").rstrip()
    raise UsageError(_("will not {what} without asking").format(what=what), resolution=_("add --yes"))


@dataclass(frozen=True)
class Context:
    """The collaborators of an operation, passed down explicitly."""

    driver: Driver
    bases: Bases
    guests: Guests
    settings: Settings
    events: EventSink = discard
    stop: threading.Event = field(default_factory=threading.Event)  # set by the first Ctrl-C
    listing: Listing | None = None  # one look at the host for the whole operation; None: a new one each time
    ports: Reservations = field(default_factory=Reservations)
    confirm: Confirm = refuse
    # The driver's images that were made ready in this run: not asked for again for each machine.
    images: dict[ImageKey, str] = field(default_factory=dict)
    plain_free: bool | None = None  # whether a new lab may have the plain names; None: nobody has claimed them for it

    def directory(self, lab: LabName) -> LabDirectory:
        """Return the folder of a lab."""
        return LabDirectory(self.settings.home, lab)

    def machines(self, lab: LabName | None = None) -> Host:
        """Return all machines of the host, those of the lab as they are now."""
        return Host(self.driver.machines()) if self.listing is None else self.listing.machines(lab)
