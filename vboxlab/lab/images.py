"""Making the images and package deltas of many labs ready once, before any of them begins."""

from __future__ import annotations

import time
from collections.abc import Iterable

from vboxlab.events import ActionFinished, ActionProgress, ActionStarted
from vboxlab.lab.context import Context
from vboxlab.lab.desire import members_of, package_sets
from vboxlab.lab.up import Blueprint
from vboxlab.language import _, n_


def ensure_images(context: Context, blueprints: Iterable[Blueprint]) -> int:
    """Make every image and package delta that the labs will need, each once, and return how many images that were.

    Raises BaseError.
    """
    images: dict[tuple[str, tuple[str, ...]], None] = {}
    deltas: dict[tuple[str, tuple[str, ...], tuple[str, ...]], None] = {}
    for blueprint in blueprints:
        topology = blueprint.topology
        for machine in topology.owned_machines:
            base = machine.base or topology.base
            wanted = package_sets(topology, machine, members_of(blueprint.sets))
            images[base, wanted.image] = None
            for packages in wanted.by_stage.values():
                if not set(packages) <= set(wanted.image):
                    deltas[base, wanted.image, packages] = None

    title = _("prepare images")
    begin = time.monotonic()
    context.events(ActionStarted("images", None, title))

    def report(text: str, percent: int | None) -> None:
        context.events(ActionProgress("images", None, text, percent))

    for base, packages in images:
        found = context.bases.get(base)
        context.images[base, packages] = context.bases.ensure_image(context.driver, found, packages, progress=report)
    for base, before, after in deltas:
        found = context.bases.get(base)
        if found.prepared:
            context.bases.package_delta(found, before, after, progress=report)
    count = len(images)
    summary = n_("{count} shared by all copies", "{count} shared by all copies", count).format(count=count)
    context.events(ActionFinished("images", None, title, time.monotonic() - begin, summary))
    return len(images)
