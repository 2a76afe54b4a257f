"""Disc images for a machine's drive."""

from __future__ import annotations

from pathlib import Path

from vboxlab.errors import DriverError
from vboxlab.language import _


def check_disc(machine: str, image: str) -> None:
    """Raise DriverError unless an image is there, or it is "" for an empty drive."""
    if image and not Path(image).is_file():
        raise DriverError(
            _("{machine}: there is no disc image {file}").format(machine=machine, file=image),
            resolution=_("put it there, or change `dvd` in the topology"),
        )
