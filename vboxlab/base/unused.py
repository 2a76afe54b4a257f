"""Package layers that no machine is a clone of any more."""

from __future__ import annotations

from collections.abc import Sequence

from vboxlab.base.store import BaseStore
from vboxlab.hypervisor.driver import Driver
from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class UnusedLayer:
    """An image with packages that nothing depends on. `up` makes it again when it is needed."""

    name: str
    size: int  # bytes on disk, where the driver has it
    in_driver: bool


def unused_layers(store: BaseStore, driver: Driver) -> list[UnusedLayer]:
    """Return the package layers of all bases that no machine and no other image of the driver depends on."""
    present = {image.name: image for image in driver.images()}
    layers = sorted(name for base in store.list() for name in base.layers)
    return [
        UnusedLayer(name, present[name].size if name in present else 0, name in present)
        for name in layers
        if name not in present or not present[name].clones
    ]


def remove_layers(store: BaseStore, driver: Driver, layers: Sequence[UnusedLayer]) -> None:
    """Remove layers from the driver and from this home. Raises BaseError when one has come into use meanwhile."""
    with store.locked():
        for layer in layers:
            if layer.in_driver:
                driver.remove_image(layer.name)
            store.layers.discard([layer.name])
