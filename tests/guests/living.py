"""A lab as `verify` has it, for tests that carry out single steps in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.guests.command import CommandLine
from tests.unit.operations.doors import RecordingDoor
from vboxlab.operations.session import opened
from vboxlab.operations.targets import find_target
from vboxlab.topology.addressing import LabName
from vboxlab.verification.live import LiveLab

PRACTICAL = LabName("ha")


@contextmanager
def live(vboxlab: CommandLine, monkeypatch: pytest.MonkeyPatch, lab: LabName = PRACTICAL) -> Iterator[LiveLab]:
    """Give a lab as `verify` has it."""
    for name, value in vboxlab.environment().items():
        monkeypatch.setenv(name, value)
    with opened(RecordingDoor(), "qemu") as session:
        yield LiveLab(session.context, lab, find_target(session, lab.lab, copy=lab.copy).needed.topology)
