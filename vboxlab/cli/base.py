"""`vboxlab base`: the Debian images that machines are clones of."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from vboxlab.cli import options
from vboxlab.cli.base_add import add

if TYPE_CHECKING:
    from vboxlab.base.added import AddedBase
    from vboxlab.base.store import BaseStore, StoredBase
    from vboxlab.hypervisor.driver import Driver
    from vboxlab.settings import Settings


@click.group()
def base() -> None:
    """Build, add, list and remove the bases that machines are clones of."""


base.add_command(add)


@base.command("build")
@click.argument("name", default="debian12")
@click.option("--again", is_flag=True, help="Build it even when it is there; not while machines are clones of it.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def build(name: str, *, again: bool, as_json: bool) -> None:
    """Build the base NAME (debian12) unless it is there already."""
    from vboxlab.base.store import BaseStore
    from vboxlab.cli import output
    from vboxlab.settings import load_settings

    started = time.monotonic()
    settings = load_settings()
    with _all_drivers(settings) if again else nullcontext(()) as drivers:
        made = BaseStore(settings).build(name, output.timed_progress(started), again=again, drivers=drivers)
    seconds = time.monotonic() - started
    if as_json:
        output.say_json({"name": made.name, "image": made.image, "digest": made.digest, "seconds": round(seconds, 1)})
    else:
        output.say(f"base {made.name} is ready ({_size(made.size)}, {seconds:.0f} s)")


@base.command("list")
@options.driver
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_bases(*, driver: str | None, as_json: bool) -> None:
    """List the bases with the package layers made from them and the machines that depend on them."""
    from vboxlab.base.store import BaseStore
    from vboxlab.cli import output
    from vboxlab.cli.questions import shortened
    from vboxlab.settings import load_settings

    settings = load_settings()
    store = BaseStore(settings)
    clones = _clones(settings, driver)
    rows = [_built(store, stored, clones) for stored in store.list()]
    rows += [_added(each, clones) for each in store.added.all()]
    if as_json:
        output.say_json(rows)
        return
    if not rows:
        output.say("no bases yet: `vboxlab base build` makes one, `vboxlab base add` takes a VM of yours")
        return
    cells = [
        (
            row["name"] + ("" if row["current"] else " (out of date)"),
            row["image"],
            "-" if row["size"] is None else _size(row["size"]),
            _age(time.time() - row["built"]),
            shortened(row["machines"]) or "-",
            row["origin"],
        )
        for row in rows
    ]
    output.table(("BASE", "IMAGE", "SIZE", "AGE", "MACHINES", "ORIGIN"), cells)


def _built(store: BaseStore, base: StoredBase, clones: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    machines = sorted({machine for name in (base.image, *base.layers) for machine in clones.get(name, ())})
    layers = {name: store.layers.packages_of(name) for name in base.layers}
    return {
        "name": base.name, "image": base.image, "digest": base.digest, "current": base.current, "size": base.size,
        "built": base.built, "layers": layers, "machines": machines,
        "origin": f"built here; package layers: {len(layers)}",
    }  # fmt: skip


def _added(base: AddedBase, clones: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    return {
        "name": base.name, "image": base.image, "digest": "", "current": True, "size": None, "built": base.added,
        "layers": {}, "machines": sorted(clones.get(base.image, ())), "origin": f"{base.origin} ({base.driver})",
        "user": base.user,
    }  # fmt: skip


@base.command("remove")
@click.argument("which")
@options.driver
def remove(which: str, *, driver: str | None) -> None:
    """Remove the base WHICH (a name, or one image) with its layers, unless machines depend on it.

    Of a base that is a VM of yours, only what vboxlab knows of it goes.
    """
    from vboxlab.base.store import BaseStore
    from vboxlab.cli import output
    from vboxlab.settings import load_settings

    settings = load_settings()
    with _all_drivers(settings, driver) as drivers:
        removed = BaseStore(settings).remove(which, drivers[0], drivers[1:])
    for name in removed:
        output.say(f"removed {name}")


def _driver(settings: Settings, name: str | None) -> Driver:
    from vboxlab.hypervisor.registry import open_driver

    return open_driver(settings, name).driver


@contextmanager
def _all_drivers(settings: Settings, name: str | None = None) -> Iterator[tuple[Driver, ...]]:
    """Open the driver that is meant, and each other one that has machines here: a base's files serve them all."""
    from vboxlab.hypervisor.registry import others_in_use

    chosen = _driver(settings, name)
    others = others_in_use(settings, chosen)
    try:
        yield (chosen, *others)
    finally:
        for driver in (chosen, *others):
            driver.close()


def _clones(settings: Settings, name: str | None) -> dict[str, tuple[str, ...]]:
    driver = _driver(settings, name)
    try:
        return {image.name: image.clones for image in driver.images()}
    finally:
        driver.close()


def _size(size: float) -> str:
    return f"{size / 1024**2:.0f} MiB" if size < 10 * 1024**3 else f"{size / 1024**3:.0f} GiB"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"
