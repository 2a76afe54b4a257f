"""Repairs of what is VirtualBox's and its user's, not ours: found here, carried out only for somebody who agreed."""

from __future__ import annotations

import errno
import shutil
import time
from pathlib import Path

from vboxlab.errors import DriverError
from vboxlab.files import flush, replacing
from vboxlab.hypervisor.virtualbox.failures import KINDS
from vboxlab.hypervisor.virtualbox.readiness import find_installation
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.service import running_services
from vboxlab.hypervisor.virtualbox.worker import registry
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass

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
    found = (_("VirtualBox's list of machines is lost"), *map(say, loss.describe()))
    _error, advice = KINDS[registry.kind_of(loss)]
    advice = _(advice) if advice else ""
    if loss.copy is None:
        return Repair(found, "", advice, loss)
    if loss.missing:
        proposal = _("put {copy} back as {target}").format(copy=loss.copy.name, target=loss.target)
    else:
        proposal = _("put {copy} back as {target}, keeping the damaged file as {file}.vboxlab-DATE").format(
            copy=loss.copy.name, target=loss.target, file=loss.target.name
        )
    return Repair(found, proposal, advice, loss)


def carry_out(repair: Repair, *, patience: float = SERVICE_ENDS) -> list[str]:
    """Put the list back and say what was done, a sentence each.

    Raises DriverError, and has changed nothing then, while a service of VirtualBox's runs: it does not know the list
    and would write its own over it. It is given so many seconds to end.
    """
    deadline = time.monotonic() + patience
    while running := list(running_services()):
        if time.monotonic() >= deadline:
            raise DriverError(
                _("VirtualBox is running, and would write its own list over the one that is put back"),
                details=[str(each) for each in running],
                resolution=_("power off VMs that run, close all windows of VirtualBox, wait ten seconds and try again"),
            )
        time.sleep(0.2)
    try:
        kept = put_back(repair.loss)
    except OSError as error:
        raise DriverError(
            _("{file} cannot be put back").format(file=repair.loss.target),
            details=[str(error)],
            resolution=_("look at the folder's rights and free space, and run it again"),
        ) from error
    count = repair.loss.machines
    sentence = n_("{file} is put back, with {count} machine", "{file} is put back, with {count} machines", count)
    done = [sentence.format(file=repair.loss.target, count=count)]
    return done if kept is None else [*done, _("what was there is kept as {file}").format(file=kept)]


def put_back(loss: registry.Loss) -> Path | None:
    """Put the whole copy in the place of a lost list, in one step; return where the damaged file was kept (None: none).

    The copies stay as they are. Raises OSError; FileExistsError when a list has come there meanwhile.
    """
    if loss.copy is None:
        raise FileNotFoundError(errno.ENOENT, _("there is no copy to put back"), str(loss.target))
    with replacing(loss.target, mode=loss.copy.stat().st_mode & 0o777) as stream:
        with loss.copy.open("rb") as source:
            shutil.copyfileobj(source, stream)
        flush(stream)
        if registry.machines_in(loss.copy) != loss.machines:
            raise FileNotFoundError(errno.ENOENT, _("the copy has changed meanwhile"), str(loss.copy))
        kept = None if loss.missing else registry.keep_beside(loss.target)
        if registry.machines_in(loss.target) is not None:
            raise FileExistsError(errno.EEXIST, _("there is a list again"), str(loss.target))
    return kept
