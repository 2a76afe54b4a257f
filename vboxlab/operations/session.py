"""What a verb works with: the lab layer's collaborators, the files, and the door that it came in by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from vboxlab.base.store import BaseStore
from vboxlab.hypervisor.registry import open_driver
from vboxlab.lab.access import SshGuests
from vboxlab.lab.context import Context
from vboxlab.lab.listing import Listing
from vboxlab.lazily import dataclass
from vboxlab.operations import ahead
from vboxlab.operations.door import Door
from vboxlab.planning.observed import PowerState
from vboxlab.settings import Settings, load_settings
from vboxlab.topology.library import Library

# How much longer than on hardware virtualisation guests are waited for when they run in software emulation.
EMULATION = 4.0


@dataclass(frozen=True)
class Session:
    """One run of a verb."""

    context: Context
    library: Library
    door: Door

    @property
    def settings(self) -> Settings:
        """Return the settings in force."""
        return self.context.settings

    def having(self, **changes: Any) -> Session:
        """Return the session with something of its context replaced (`events`, `confirm`)."""
        return replace(self, context=replace(self.context, **changes))


@contextmanager
def opened(door: Door, driver: str | None = None) -> Iterator[Session]:
    """Open the driver and all that goes with it; close it at the end. Machines go on running.

    The host is looked at once, when its machines are first asked for.
    Raises DriverUnavailable, SettingsInvalid.
    """
    settings = load_settings()
    chosen = open_driver(settings, driver, door.remark)
    if chosen.note:
        door.note(chosen.note)
    bases = BaseStore(settings)

    def alive(handle: str) -> bool:
        return chosen.driver.inspect(handle).power in (PowerState.RUNNING, PowerState.CHANGING)

    scale = settings.time_scale or 1.0
    patience = scale if chosen.driver.capabilities.accelerated else max(scale, EMULATION)
    guests = SshGuests(settings, bases, alive, patience=patience, work=chosen.driver.work)
    try:
        listing = Listing(chosen.driver, ahead.looked_since())
        context = Context(chosen.driver, bases, guests, settings, door.show, door.stop, listing)
        yield Session(context, Library(settings), door)
    finally:
        guests.close()
        chosen.driver.close()
