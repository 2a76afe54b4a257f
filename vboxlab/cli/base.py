"""`vboxlab base`: the Debian images that machines are clones of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vboxlab.hypervisor.driver import Driver, Progress
    from vboxlab.settings import Settings


@click.group()
def base() -> None:
    """Build, list and remove the bases that machines are clones of."""


@base.command("build")
@click.argument("name", default="debian12")
@click.option("--again", is_flag=True, help="Build it even when it is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def build(name: str, *, again: bool, as_json: bool) -> None:
    """Build the base NAME (debian12) unless it is there already."""
    from vboxlab.base.store import BaseStore
    from vboxlab.cli import output
    from vboxlab.settings import load_settings

    started = time.monotonic()
    made = BaseStore(load_settings()).build(name, _show_progress(started), again=again)
    seconds = time.monotonic() - started
    if as_json:
        output.say_json({"name": made.name, "image": made.image, "digest": made.digest, "seconds": round(seconds, 1)})
    else:
        output.say(f"base {made.name} is ready ({_size(made.size)}, {seconds:.0f} s)")


@base.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_bases(*, as_json: bool) -> None:
    """List the bases with the package layers made from them and the machines that depend on them."""
    from vboxlab.base.store import BaseStore
    from vboxlab.cli import output
    from vboxlab.settings import load_settings

    settings = load_settings()
    store = BaseStore(settings)
    bases = store.list()
    layers = {stored.image: {name: store.layers.packages_of(name) for name in stored.layers} for stored in bases}
    clones = _clones(settings)
    machines = {
        stored.image: sorted({m for name in (stored.image, *stored.layers) for m in clones.get(name, ())})
        for stored in bases
    }
    if as_json:
        output.say_json(
            [
                {"name": b.name, "image": b.image, "digest": b.digest, "current": b.current, "size": b.size}
                | {"built": b.built, "layers": layers[b.image], "machines": machines[b.image]}
                for b in bases
            ]
        )
        return
    if not bases:
        output.say("no bases yet: vboxlab base build")
        return
    rows = [
        (
            stored.name + ("" if stored.current else " (out of date)"),
            stored.image,
            _size(stored.size),
            _age(time.time() - stored.built),
            "; ".join(" ".join(packages) for packages in layers[stored.image].values()) or "-",
            ", ".join(machines[stored.image]) or "-",
        )
        for stored in bases
    ]
    output.table(("BASE", "IMAGE", "SIZE", "AGE", "LAYERS", "MACHINES"), rows)


@base.command("remove")
@click.argument("which")
def remove(which: str) -> None:
    """Remove the base WHICH (a name, or one image) with its layers, unless machines depend on it."""
    from vboxlab.base.store import BaseStore
    from vboxlab.cli import output
    from vboxlab.settings import load_settings

    settings = load_settings()
    driver = _driver(settings)
    try:
        removed = BaseStore(settings).remove(which, driver)
    finally:
        driver.close()
    for name in removed:
        output.say(f"removed {name}")


def _driver(settings: Settings) -> Driver:
    from vboxlab.hypervisor.registry import open_driver

    return open_driver(settings).driver


def _clones(settings: Settings) -> dict[str, tuple[str, ...]]:
    driver = _driver(settings)
    try:
        return {image.name: image.clones for image in driver.images()}
    finally:
        driver.close()


def _show_progress(started: float) -> Progress:
    from vboxlab.cli import output

    def show(text: str, percent: int | None) -> None:
        mark = "" if percent is None else f"{percent:3} % "
        output.remark(f"{time.monotonic() - started:5.0f} s  {mark}{text}")

    return show


def _size(size: float) -> str:
    return f"{size / 1024**2:.0f} MiB" if size < 10 * 1024**3 else f"{size / 1024**3:.0f} GiB"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"
