"""Repairs of what is VirtualBox's and its user's, not ours: found here, carried out only for somebody who agreed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from vboxlab.errors import DriverError
from vboxlab.hypervisor.virtualbox.failures import KINDS
from vboxlab.hypervisor.virtualbox.readiness import find_installation
from vboxlab.hypervisor.virtualbox.service import running_services
from vboxlab.hypervisor.virtualbox.worker import registry

# VirtualBox's service ends five seconds after its last client.
SERVICE_ENDS = 8.0


@dataclass(frozen=True)
class Repair:
    """Something of VirtualBox's that is broken: what can be done ("": nothing), and what its user is advised."""

    found: tuple[str, ...]
    proposal: str
    advice: str
    loss: registry.Loss


def find_repair() -> Repair | None:
    """Return what is broken, None if nothing is or VirtualBox is not here. Changes nothing."""
    loss = registry.find_loss(registry.home()) if find_installation() is not None else None
    if loss is None:
        return None
    found = ("VirtualBox's list of machines is lost", *loss.describe())
    advice = KINDS[registry.kind_of(loss)][1] or ""
    if loss.copy is None:
        return Repair(found, "", advice, loss)
    kept = "" if loss.missing else f", keeping the damaged file as {loss.target.name}.vboxlab-DATE"
    return Repair(found, f"put {loss.copy.name} back as {loss.target}{kept}", advice, loss)


def carry_out(repair: Repair, *, patience: float = SERVICE_ENDS) -> list[str]:
    """Put the list back and say what was done, a sentence each.

    Raises DriverError, and has changed nothing then, while a service of VirtualBox's runs: it does not know the list
    and would write its own over it. It is given so many seconds to end.
    """
    deadline = time.monotonic() + patience
    while running := list(running_services()):
        if time.monotonic() >= deadline:
            raise DriverError(
                "VirtualBox is running, and would write its own list over the one that is put back",
                details=[str(each) for each in running],
                resolution="power off VMs that run, close all windows of VirtualBox, wait ten seconds and try again",
            )
        time.sleep(0.2)
    try:
        kept = registry.put_back(repair.loss)
    except OSError as error:
        raise DriverError(
            f"{repair.loss.target} cannot be put back",
            details=[str(error)],
            resolution="look at the folder's rights and free space, and run it again",
        ) from error
    done = [f"{repair.loss.target} is put back, with {repair.loss.machines} machines"]
    return done if kept is None else [*done, f"what was there is kept as {kept}"]
