"""The images and package deltas that labs need: which they are, and making them ready once, before a lab begins."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from vboxlab.base.jobs import side_by_side
from vboxlab.errors import VboxlabError
from vboxlab.events import ActionFinished, ActionProgress, ActionStarted
from vboxlab.hypervisor.driver import Progress
from vboxlab.lab.context import Context, ImageKey
from vboxlab.lab.desire import members_of, package_sets
from vboxlab.lab.planned import Blueprint, source_of
from vboxlab.language import _, n_

Images = dict[ImageKey, tuple[tuple[str, ...], ...]]


def wanted_images(blueprints: Iterable[Blueprint]) -> Images:
    """Return the images that labs need, and what sets of packages later stages want beyond each."""
    images: Images = {}
    for blueprint in blueprints:
        topology = blueprint.topology
        for machine in topology.owned_machines:
            wanted = package_sets(topology, machine, members_of(blueprint.sets))
            key = machine.base or topology.base, wanted.image, wanted.offered
            images[key] = tuple(dict.fromkeys((*images.get(key, ()), *wanted.later)))
    return images


def with_sources(blueprint: Blueprint) -> Iterator[Blueprint]:
    """Yield a topology and those from which it starts, directly or not, as far as they can be read."""
    seen: set[str] = set()
    with suppress(VboxlabError):  # told where it is needed
        while blueprint.topology.name not in seen:
            seen.add(blueprint.topology.name)
            yield blueprint
            source = source_of(blueprint)
            if source is None:
                return
            blueprint = blueprint.load(source.topology)


def build_missing(context: Context, blueprints: Iterable[Blueprint]) -> None:
    """Build the bases of which the labs' machines will be made and that are not there or out of date.

    The package layers that the labs need are made beside them. Raises BaseError.
    """
    sets: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for key, later in wanted_images(each for one in blueprints for each in with_sources(one)).items():
        base, packages, offered = key
        # A layer that offers packages is made of the base once that is there.
        sets.setdefault(base, []).extend([] if offered else [(packages, later[0] if later else ())])
    for base, layers in sets.items():
        if context.bases.can_build(base):
            with _telling(context, "base", _("build base {name}").format(name=base)) as report:
                context.bases.build(base, report, layers=layers)


@contextmanager
def _telling(context: Context, name: str, title: str, summary: str = "") -> Iterator[Progress]:
    """Tell of a piece of work as of an action; `summary` says what came out."""
    begin = time.monotonic()
    context.events(ActionStarted(name, None, title))
    yield lambda text, percent: context.events(ActionProgress(name, None, text, percent))
    context.events(ActionFinished(name, None, title, time.monotonic() - begin, summary))


def ensure_images(context: Context, blueprints: Iterable[Blueprint]) -> int:
    """Make every image and package delta that the labs will need, each once, and return how many images that were.

    Raises BaseError.
    """
    images = wanted_images(blueprints)

    def make(wanted: ImageKey, later: tuple[tuple[str, ...], ...], report: Progress) -> None:
        base, packages, offered = wanted
        found = context.bases.get(base)
        first = later[0] if later else ()
        image = context.bases.ensure_image(context.driver, found, packages, first, progress=report, offered=offered)
        context.images[wanted] = image
        for after in later if found.prepared else ():
            context.bases.package_delta(found, packages, after, progress=report)

    count = len(images)
    summary = n_("{count} shared by all copies", "{count} shared by all copies", count).format(count=count)
    with _telling(context, "images", _("prepare images"), summary) as report:
        side_by_side([partial(make, wanted, later, report) for wanted, later in images.items()])
    return count
