"""`base build`, `base list` and `base remove`: the images that machines are clones of."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import Any

from vboxlab.base.added import AddedBase
from vboxlab.base.store import BaseStore
from vboxlab.base.stored import StoredBase
from vboxlab.events import ActionProgress, EventSink
from vboxlab.hypervisor.driver import Driver, Progress
from vboxlab.hypervisor.registry import open_driver, others_in_use
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.settings import Settings, load_settings

_BUILT_HERE = N_("built here; package layers: {count}")


@dataclass(frozen=True)
class BuildRequest:
    """The base to build; with `again` also when it is there."""

    name: str
    again: bool = False


@dataclass(frozen=True)
class BuiltBase:
    """A base that is ready. `seconds` are wall time."""

    name: str
    image: str
    digest: str
    size: int  # bytes on disk
    seconds: float


@dataclass(frozen=True)
class ListRequest:
    """The driver whose machines are shown with the bases."""

    driver: str | None = None


@dataclass(frozen=True)
class ListedBase:
    """A base of this host, with the machines that depend on it."""

    name: str
    image: str
    digest: str
    current: bool  # built from today's recipe and key
    size: int | None  # bytes on disk; None where the driver has it
    built: float  # seconds since the epoch
    layers: Mapping[str, tuple[str, ...]]  # packages by the image that has them
    machines: tuple[str, ...]
    origin: str  # in English, as programs read it
    origin_told: str
    user: str | None = None  # who logs in, of a base that was added

    def record(self) -> dict[str, Any]:
        """Return it as plain data; keys are stable."""
        left_out = {"origin_told"} if self.user is not None else {"origin_told", "user"}
        return {key: value for key, value in asdict(self).items() if key not in left_out}


@dataclass(frozen=True)
class RemoveRequest:
    """What is removed: a base by its name, or one image."""

    which: str
    driver: str | None = None


def progress_of(events: EventSink) -> Progress:
    """Return what tells of a base's progress as events."""
    return lambda text, percent: events(ActionProgress("build", None, text, percent))


def build(request: BuildRequest, door: Door) -> BuiltBase:
    """Build a base unless it is there. Raises as BaseStore.build does."""
    started = time.monotonic()
    settings = load_settings()
    with _all_drivers(settings) if request.again else nullcontext(()) as drivers:
        made = BaseStore(settings).build(request.name, progress_of(door.show), again=request.again, drivers=drivers)
    return BuiltBase(made.name, made.image, made.digest, made.size, time.monotonic() - started)


def list_bases(request: ListRequest) -> list[ListedBase]:
    """Return the bases that were built here, then those that were added."""
    settings = load_settings()
    store = BaseStore(settings)
    clones = _clones(settings, request.driver)
    built = [_built(store, stored, clones) for stored in store.list()]
    return built + [_added(each, clones) for each in store.added.all()]


def _built(store: BaseStore, base: StoredBase, clones: Mapping[str, tuple[str, ...]]) -> ListedBase:
    machines = sorted({machine for name in (base.image, *base.layers) for machine in clones.get(name, ())})
    layers = {name: store.layers.packages_of(name) for name in base.layers}
    return ListedBase(
        base.name, base.image, base.digest, base.current, base.size, base.built, layers, tuple(machines),
        origin=_BUILT_HERE.format(count=len(layers)), origin_told=_(_BUILT_HERE).format(count=len(layers)),
    )  # fmt: skip


def _added(base: AddedBase, clones: Mapping[str, tuple[str, ...]]) -> ListedBase:
    return ListedBase(
        base.name, base.image, digest="", current=True, size=None, built=base.added, layers={},
        machines=tuple(sorted(clones.get(base.image, ()))), origin=f"{base.origin} ({base.driver})",
        origin_told=f"{base.origin_told} ({base.driver})", user=base.user,
    )  # fmt: skip


def remove(request: RemoveRequest) -> tuple[str, ...]:
    """Remove a base with its layers unless machines depend on it, and return what went. Raises as BaseStore.remove."""
    settings = load_settings()
    with _all_drivers(settings, request.driver) as drivers:
        return BaseStore(settings).remove(request.which, drivers[0], drivers[1:])


@contextmanager
def _all_drivers(settings: Settings, name: str | None = None) -> Iterator[tuple[Driver, ...]]:
    """Open the driver that is meant, and each other one that has machines here: a base's files serve them all."""
    chosen = open_driver(settings, name).driver
    others = others_in_use(settings, chosen)
    try:
        yield (chosen, *others)
    finally:
        for driver in (chosen, *others):
            driver.close()


def _clones(settings: Settings, name: str | None) -> dict[str, tuple[str, ...]]:
    driver = open_driver(settings, name).driver
    try:
        return {image.name: image.clones for image in driver.images()}
    finally:
        driver.close()
