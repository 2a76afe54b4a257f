"""The practical's lab, brought up once and brought back by resuming its machines."""

from __future__ import annotations

from dataclasses import dataclass

from tests.guests.command import CommandLine

LAB = ("--lab", "ha")
FRESH = "fresh"


@dataclass
class BootedLab:
    """Lab `ha` with the topology failover, as `up` leaves it."""

    vboxlab: CommandLine
    taken: bool = False

    def fresh(self) -> CommandLine:
        """Bring the lab up, or back to what it was then; return the command line to work on it with."""
        if self.taken:
            self.vboxlab("snapshot", "restore", FRESH, *LAB, "--yes")
        # After a restore the machines go on one after the other. On a slow computer that is a pause after which
        # Heartbeat's nodes have to find each other again: `up` waits until they have.
        self.vboxlab("up", "failover")
        if not self.taken:
            self.vboxlab("snapshot", "take", FRESH, "--live", *LAB)
            self.taken = True
        return self.vboxlab
