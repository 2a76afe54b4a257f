"""What can go wrong with a QEMU process."""

from __future__ import annotations

from vboxlab.errors import DriverError


class MonitorGone(DriverError):
    """Nobody answers at a machine's QMP socket."""


class MonitorRefused(DriverError):
    """QEMU refused a command."""


class QemuEndedAtOnce(DriverError):
    """QEMU ended before it answered; the details are its own words."""
