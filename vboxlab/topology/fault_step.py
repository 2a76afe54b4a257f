"""What all faults of a scenario have in common.

A fault has a `key` for what it leaves that is not as it was, and `ends` those with other keys.
"""

from __future__ import annotations

from pydantic import Field

from vboxlab.topology.step import Seconds, Step

Key = tuple[str, ...]


class FaultStep(Step):
    """Something done to a lab. Faults still in force when the scenario ends are undone."""

    at: Seconds = Field(default=0.0, description="seconds from the first moment until it is made, times --time-scale")

    @property
    def key(self) -> Key | None:
        """Return what is not as it was afterwards, None where nothing is."""
        return None

    @property
    def ends(self) -> tuple[Key, ...]:
        """Return what is as it was again afterwards."""
        return ()

    @property
    def logins(self) -> tuple[str, ...]:
        """Return the machines in whose guests it is done; none where the hypervisor can do it."""
        return ()

    def state(self) -> str:
        """Say what is not as it was while it is in force."""
        return self.describe()


class MachineFault(FaultStep):
    """Something done to one machine."""

    machine: str

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that suffers."""
        return (self.machine,)
