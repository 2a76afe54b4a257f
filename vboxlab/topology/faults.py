"""The troubles that a scenario may make on purpose, and what each leaves that is not as it was.

A fault has a `key` for what it leaves, or `ends` the one with that key. What is left at a scenario's end is undone.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from vboxlab.language import _
from vboxlab.topology.step import Seconds, Step

SERVICE = r"^[A-Za-z0-9:_.@\\-]+$"
Key = tuple[str, ...]


class FaultStep(Step):
    """Something done to a machine. Faults still in force when the scenario ends are undone."""

    machine: str

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machine that suffers."""
        return (self.machine,)

    @property
    def key(self) -> Key | None:
        """Return what is not as it was afterwards, None where nothing is."""
        return None

    @property
    def ends(self) -> Key | None:
        """Return what is as it was again afterwards."""
        return None

    def state(self) -> str:
        """Say what is not as it was while it is in force."""
        return self.describe()


class PowerOffFault(FaultStep):
    """Pull a machine's plug, as a power cut does."""

    fault: Literal["power-off"]

    @property
    def key(self) -> Key:
        """Return that the machine is off."""
        return ("off", self.machine)

    def summary(self) -> str:
        """Return what happens."""
        return _("{machine} is powered off brutally").format(machine=self.machine)

    def state(self) -> str:
        """Say that it is off."""
        return _("{machine} is powered off").format(machine=self.machine)


class StartFault(FaultStep):
    """Start a machine; as a step of its own, wait until it can be worked with."""

    fault: Literal["start"]
    within: Seconds = 120.0

    @property
    def ends(self) -> Key:
        """Return that the machine was off."""
        return ("off", self.machine)

    def summary(self) -> str:
        """Return what happens."""
        return _("{machine} is started").format(machine=self.machine)


class CableFault(FaultStep):
    """Unplug or plug the cable of one of a machine's adapters."""

    fault: Literal["unplug", "plug"]
    slot: int = Field(ge=1, le=7)

    @property
    def key(self) -> Key | None:
        """Return which cable is out."""
        return ("cable", self.machine, str(self.slot)) if self.fault == "unplug" else None

    @property
    def ends(self) -> Key | None:
        """Return which cable was out."""
        return ("cable", self.machine, str(self.slot)) if self.fault == "plug" else None

    def summary(self) -> str:
        """Return what happens."""
        if self.fault == "unplug":
            text = _("the cable of adapter {slot} of {machine} is unplugged")
        else:
            text = _("the cable of adapter {slot} of {machine} is plugged")
        return text.format(slot=self.slot, machine=self.machine)

    def state(self) -> str:
        """Say which cable is out."""
        return _("adapter {slot} of {machine} is unplugged").format(slot=self.slot, machine=self.machine)


class ServiceFault(FaultStep):
    """Stop, start, kill, hang or continue a service of a machine: hanging, it is there and does nothing."""

    fault: Literal["stop-service", "start-service", "kill-service", "hang-service", "continue-service"]
    service: str = Field(pattern=SERVICE)

    @property
    def _what(self) -> Key:
        kind = "hanging" if self.fault in ("hang-service", "continue-service") else "service"
        return (kind, self.machine, self.service)

    @property
    def key(self) -> Key | None:
        """Return which service does not work."""
        return None if self.fault in ("start-service", "continue-service") else self._what

    @property
    def ends(self) -> Key | None:
        """Return which service works again."""
        return self._what if self.fault in ("start-service", "continue-service") else None

    def summary(self) -> str:
        """Return what happens."""
        text = {
            "stop-service": _("{service} is stopped on {machine}"),
            "start-service": _("{service} is started on {machine}"),
            "kill-service": _("{service} is killed on {machine}"),
            "hang-service": _("{service} hangs on {machine}"),
            "continue-service": _("{service} goes on working on {machine}"),
        }[self.fault]
        return text.format(service=self.service, machine=self.machine)

    def state(self) -> str:
        """Say what is the matter with the service."""
        return self.summary()


class ClockFault(FaultStep):
    """Set a machine's clock forward or back by so many seconds."""

    fault: Literal["clock-jump"]
    seconds: int = Field(ge=-(10**8), le=10**8, description="negative: back")

    @property
    def key(self) -> Key:
        """Return whose clock is wrong."""
        return ("clock", self.machine)

    def summary(self) -> str:
        """Return what happens."""
        return _("the clock of {machine} jumps by {seconds} s").format(machine=self.machine, seconds=self.seconds)

    def state(self) -> str:
        """Say how wrong the clock is."""
        return _("the clock of {machine} is {seconds} s off").format(machine=self.machine, seconds=self.seconds)


class DiskFault(FaultStep):
    """Fill the file system of a folder to its last byte."""

    fault: Literal["fill-disk"]
    path: str = Field(default="/var", pattern="^/")

    @property
    def key(self) -> Key:
        """Return which folder is full."""
        return ("disk", self.machine, self.path)

    def summary(self) -> str:
        """Return what happens."""
        return _("the file system of {path} on {machine} is filled").format(path=self.path, machine=self.machine)

    def state(self) -> str:
        """Say which file system is full."""
        return _("the file system of {path} on {machine} is full").format(path=self.path, machine=self.machine)


class CommandFault(FaultStep):
    """Run a command as root that makes trouble, and another one that undoes it; both without a shell."""

    fault: Literal["command"]
    run: tuple[str, ...] = Field(min_length=1, description="its words")
    undo: tuple[str, ...] = Field(min_length=1, description="the words of the command that undoes it")

    @property
    def key(self) -> Key:
        """Return which command's trouble is there."""
        return ("command", self.machine, shlex.join(self.run))

    def summary(self) -> str:
        """Return what happens."""
        return _("{command} runs on {machine}").format(command=shlex.join(self.run), machine=self.machine)


class RebootFault(FaultStep):
    """Reboot a machine from within; as a step of its own, wait until it has booted."""

    fault: Literal["reboot"]
    within: Seconds = 120.0

    def summary(self) -> str:
        """Return what happens."""
        return _("{machine} is rebooted").format(machine=self.machine)


Fault = Annotated[
    PowerOffFault | StartFault | CableFault | ServiceFault | ClockFault | DiskFault | CommandFault | RebootFault,
    Field(discriminator="fault"),
]
_fault: TypeAdapter[Fault] = TypeAdapter(Fault)


def fault_of(step: Mapping[str, Any]) -> Fault:
    """Return the fault that plain data says. Raises pydantic's ValidationError for anything else."""
    return _fault.validate_python(step)
