"""The troubles that a scenario may make on purpose, and what each leaves that is not as it was.

A fault has a `key` for what it leaves, and `ends` those with other keys. What is left at a scenario's end is undone.
Several of them in time order, and random ones, are in vboxlab.topology.fault_sequences.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from vboxlab.language import _
from vboxlab.topology.disks import NAME
from vboxlab.topology.fault_step import FaultStep, Key, MachineFault
from vboxlab.topology.step import Seconds

SERVICE = r"^[A-Za-z0-9:_.@\\-]+$"


class GuestFault(MachineFault):
    """Something done in the guest of one machine."""

    @property
    def logins(self) -> tuple[str, ...]:
        """Return the machine."""
        return (self.machine,)


class PowerOffFault(MachineFault):
    """Pull a machine's plug, as a power cut does."""

    fault: Literal["power-off"]

    @property
    def key(self) -> Key:
        """Return that the machine is off."""
        return ("off", self.machine)

    @property
    def ends(self) -> tuple[Key, ...]:
        """Return that the machine was paused."""
        return (("paused", self.machine),)

    def summary(self) -> str:
        """Return what happens."""
        return _("{machine} is powered off brutally").format(machine=self.machine)

    def state(self) -> str:
        """Say that it is off."""
        return _("{machine} is powered off").format(machine=self.machine)


class StartFault(MachineFault):
    """Start a machine; as a step of its own, wait until it can be worked with."""

    fault: Literal["start"]
    within: Seconds = 120.0

    @property
    def ends(self) -> tuple[Key, ...]:
        """Return that the machine was off, or paused."""
        return ("off", self.machine), ("paused", self.machine)

    def summary(self) -> str:
        """Return what happens."""
        return _("{machine} is started").format(machine=self.machine)


class PauseFault(MachineFault):
    """Let a machine stand still, or go on: its guest notices nothing but the time that is gone."""

    fault: Literal["pause", "resume"]
    within: Seconds = 120.0

    @property
    def key(self) -> Key | None:
        """Return that the machine stands still."""
        return ("paused", self.machine) if self.fault == "pause" else None

    @property
    def ends(self) -> tuple[Key, ...]:
        """Return that the machine stood still."""
        return (("paused", self.machine),) if self.fault == "resume" else ()

    def summary(self) -> str:
        """Return what happens."""
        text = _("{machine} is paused") if self.fault == "pause" else _("{machine} is resumed")
        return text.format(machine=self.machine)

    def state(self) -> str:
        """Say that it stands still."""
        return self.summary()


class CableFault(MachineFault):
    """Unplug or plug the cable of one of a machine's adapters."""

    fault: Literal["unplug", "plug"]
    slot: int = Field(ge=1, le=7)

    @property
    def key(self) -> Key | None:
        """Return which cable is out."""
        return ("cable", self.machine, str(self.slot)) if self.fault == "unplug" else None

    @property
    def ends(self) -> tuple[Key, ...]:
        """Return which cable was out."""
        return (("cable", self.machine, str(self.slot)),) if self.fault == "plug" else ()

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


class ImpairFault(MachineFault):
    """Make the line of an adapter bad: frames that it sends are lost, late or slow, as with tc-netem(8)."""

    fault: Literal["impair"]
    slot: int = Field(ge=1, le=7)
    loss: float = Field(default=0.0, ge=0, le=1, description="share of the frames sent that is lost, 0 to 1")
    delay: Seconds = Field(default=0.0, description="seconds that each frame sent is late, times --time-scale")
    rate: int = Field(default=0, ge=0, description="bytes a second that can be sent; 0: as many as can be")

    @property
    def key(self) -> Key:
        """Return which line is bad."""
        return ("line", self.machine, str(self.slot))

    @model_validator(mode="after")
    def _something_is_bad(self) -> Self:
        if not (self.loss or self.delay or self.rate):
            raise ValueError(_("expected at least one of loss, delay, rate"))
        return self

    @property
    def _figures(self) -> str:
        said = [
            _("loss {percent:g} %").format(percent=100 * self.loss) if self.loss else "",
            _("delay {seconds:g} s").format(seconds=self.delay) if self.delay else "",
            _("rate {rate} bytes/s").format(rate=self.rate) if self.rate else "",
        ]
        return ", ".join(filter(None, said))

    def summary(self) -> str:
        """Return what happens."""
        text = _("the line of adapter {slot} of {machine} becomes bad ({figures})")
        return text.format(slot=self.slot, machine=self.machine, figures=self._figures)

    def state(self) -> str:
        """Say which line is bad."""
        text = _("the line of adapter {slot} of {machine} is bad ({figures})")
        return text.format(slot=self.slot, machine=self.machine, figures=self._figures)


class RepairFault(MachineFault):
    """Make the line of an adapter good again."""

    fault: Literal["repair"]
    slot: int = Field(ge=1, le=7)

    @property
    def ends(self) -> tuple[Key, ...]:
        """Return which line was bad."""
        return (("line", self.machine, str(self.slot)),)

    def summary(self) -> str:
        """Return what happens."""
        text = _("the line of adapter {slot} of {machine} is repaired")
        return text.format(slot=self.slot, machine=self.machine)


class PartitionFault(FaultStep):
    """Cut a network into groups of machines: each sees those that it shares a group with, and nobody else."""

    fault: Literal["partition"]
    network: str
    groups: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = Field(
        min_length=1, description="machines that see each other; those that none names are one group more"
    )

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the machines that are named."""
        return tuple(dict.fromkeys(machine for group in self.groups for machine in group))

    @property
    def key(self) -> Key:
        """Return which network is cut."""
        return ("partition", self.network)

    @property
    def _parts(self) -> str:
        return " | ".join(", ".join(group) for group in self.groups)

    def summary(self) -> str:
        """Return what happens."""
        return _("network {network} is cut ({groups})").format(network=self.network, groups=self._parts)

    def state(self) -> str:
        """Say which network is cut."""
        return self.summary()


class HealFault(FaultStep):
    """Join the parts of a network again."""

    fault: Literal["heal"]
    network: str

    @property
    def ends(self) -> tuple[Key, ...]:
        """Return which network was cut."""
        return (("partition", self.network),)

    def summary(self) -> str:
        """Return what happens."""
        return _("network {network} is whole again").format(network=self.network)


class ServiceFault(GuestFault):
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
    def ends(self) -> tuple[Key, ...]:
        """Return which service works again."""
        return (self._what,) if self.fault in ("start-service", "continue-service") else ()

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


class ClockFault(GuestFault):
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
        """Say how wrong the clock is; 0 stands for that of a machine that was paused."""
        if not self.seconds:
            return _("the clock of {machine} is behind").format(machine=self.machine)
        return _("the clock of {machine} is {seconds} s off").format(machine=self.machine, seconds=self.seconds)


class DiskFault(GuestFault):
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


class PulledDiskFault(GuestFault):
    """Take one of a machine's disks out of its guest, or put it back: as if somebody pulled it while it runs."""

    fault: Literal["disk-out", "disk-in"]
    disk: str = Field(pattern=f"^{NAME.pattern}$", description="name of one of its disks besides the first")

    @property
    def _what(self) -> Key:
        return ("disk-out", self.machine, self.disk)

    @property
    def key(self) -> Key | None:
        """Return which disk is out."""
        return self._what if self.fault == "disk-out" else None

    @property
    def ends(self) -> tuple[Key, ...]:
        """Return which disk was out."""
        return (self._what,) if self.fault == "disk-in" else ()

    def summary(self) -> str:
        """Return what happens."""
        out, back = _("disk {disk} of {machine} is pulled out"), _("disk {disk} of {machine} is put back")
        return (out if self.fault == "disk-out" else back).format(disk=self.disk, machine=self.machine)

    def state(self) -> str:
        """Say which disk is out."""
        return _("disk {disk} of {machine} is out").format(disk=self.disk, machine=self.machine)


class CommandFault(GuestFault):
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


class RebootFault(GuestFault):
    """Reboot a machine from within; as a step of its own, wait until it has booted."""

    fault: Literal["reboot"]
    within: Seconds = 120.0

    def summary(self) -> str:
        """Return what happens."""
        return _("{machine} is rebooted").format(machine=self.machine)


Fault = Annotated[
    PowerOffFault
    | StartFault
    | PauseFault
    | CableFault
    | ImpairFault
    | RepairFault
    | PartitionFault
    | HealFault
    | ServiceFault
    | ClockFault
    | DiskFault
    | PulledDiskFault
    | CommandFault
    | RebootFault,
    Field(discriminator="fault"),
]
_fault: TypeAdapter[Fault] = TypeAdapter(Fault)


def fault_of(step: Mapping[str, Any]) -> Fault:
    """Return the fault that plain data says. Raises pydantic's ValidationError for anything else."""
    return _fault.validate_python(step)
