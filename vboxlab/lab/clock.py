"""The clock of a guest that went on from a saved state: it stands where the machine was saved."""

from __future__ import annotations

import time

from vboxlab.base.model import Base
from vboxlab.errors import GuestError
from vboxlab.lab.context import Context
from vboxlab.language import _
from vboxlab.planning.observed import ObservedMachine
from vboxlab.topology.addressing import LabName


def set_clock(context: Context, lab: LabName, machine: ObservedMachine, base: Base) -> None:
    """Set the guest's clock from the machine's hardware clock, which the hypervisor keeps right (hwclock(8), -s).

    Where the guest has no hwclock (Debian's util-linux-extra), it is set from the host's. Raises GuestError.
    """
    script = f"if command -v hwclock >/dev/null; then hwclock -s; else date -u -s @{round(time.time())} >/dev/null; fi"
    done = context.guests.executor(context.directory(lab), machine, base).run(script, root=True)
    if done.exit_code != 0:
        raise GuestError(
            _("{machine}: its clock could not be set").format(machine=machine.machine),
            details=done.stderr.strip().splitlines()[-3:],
            resolution=f"vboxlab ssh {machine.machine} -- sudo date -s ...",
        )
