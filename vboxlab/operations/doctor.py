"""`doctor`: what is right and wrong with this computer, and what can be repaired of VirtualBox's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from vboxlab.base.mirror import check_reachable, find_mirror
from vboxlab.errors import BaseError, VboxlabError
from vboxlab.guest.role_registry import broken_guest_sides
from vboxlab.hypervisor.doctor import Finding, Needs, examine, whatever_it_meets
from vboxlab.hypervisor.virtualbox.repairs import carry_out, find_repair
from vboxlab.lab.capacity import disks_room
from vboxlab.language import N_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.settings import Settings, load_settings
from vboxlab.topology.catalog import list_topologies
from vboxlab.topology.check_registry import broken_checks
from vboxlab.topology.library import Library
from vboxlab.topology.role_registry import broken_roles, installed_roles

MIRROR_TIMEOUT = 10.0
SUITE = "bookworm"
_MIRROR = N_("Debian mirror")
_ROLES = N_("roles")


@dataclass(frozen=True)
class DoctorRequest:
    """What is looked at; `offline`: nothing on the network. `repair` is done first, without asking with `yes`."""

    offline: bool = False
    repair: bool = False
    yes: bool = False


@dataclass(frozen=True)
class Health:
    """What was found on this computer."""

    findings: tuple[Finding, ...]

    @property
    def is_fine(self) -> bool:
        """Tell whether there is no problem; warnings are none."""
        return all(finding.verdict != "problem" for finding in self.findings)

    @property
    def to_do(self) -> tuple[Finding, ...]:
        """Return the findings that say what to do."""
        return tuple(finding for finding in self.findings if finding.fix and finding.verdict != "ok")

    def record(self) -> dict[str, Any]:
        """Return it as plain data; keys are stable."""
        return {"healthy": self.is_fine, "findings": [asdict(finding) for finding in self.findings]}


def doctor(request: DoctorRequest, door: Door) -> Health:
    """Look at everything. Changes nothing but what `repair` asks for. Raises DriverError when a repair fails."""
    settings = load_settings()
    if request.repair:
        _repair(door, yes=request.yes)
    findings = examine(settings, _largest(settings))
    findings += whatever_it_meets(_ROLES, _roles)
    if not request.offline:
        findings += whatever_it_meets(_MIRROR, lambda: _mirror(settings))
    return Health(tuple(findings))


def _repair(door: Door, *, yes: bool) -> None:
    """Show what is broken, ask, and repair it."""
    broken = find_repair()
    if broken is None:
        door.remark(_("nothing to repair"))
        return
    for line in broken.found:
        door.remark(line)
    if not broken.proposal:
        door.remark(_("nothing can be put back: {advice}").format(advice=broken.advice))
        return
    door.remark(_("what would be done: {proposal}").format(proposal=broken.proposal))
    if not yes:
        door.confirm(_("{proposal}?").format(proposal=broken.proposal))
    for line in carry_out(broken):
        door.remark(line)


def _largest(settings: Settings) -> Needs | None:
    """Return what the topology that needs most memory needs; topologies that cannot be read are left out."""
    library, found = Library(settings), []
    with suppress(OSError):
        for entry in list_topologies(settings, library.source):
            with suppress(VboxlabError, OSError):
                topology = library.topology(entry.path)
                memory = sum(machine.memory for machine in topology.owned_machines)
                found.append(Needs(entry.name, len(topology.owned_machines), memory, disks_room(topology)))
    return max(found, key=lambda needs: needs.memory, default=None)


def _roles() -> Iterator[Finding]:
    """Name the roles and checks that cannot be used: those who use them are told why, and nobody else."""
    broken = (*broken_roles(), *broken_guest_sides(), *broken_checks())
    for each in broken:
        text = _("{what}: {why}").format(what=each.brief, why=each.why.told())
        yield Finding(_ROLES, "warning", text, each.advice)
    if not broken:
        count = len(installed_roles())
        yield Finding(_ROLES, "ok", n_("{count} role", "{count} roles", count).format(count=count))


def _mirror(settings: Settings) -> Iterator[Finding]:
    mirror = find_mirror(settings)
    try:
        check_reachable(mirror, SUITE, timeout=MIRROR_TIMEOUT)
    except BaseError as error:
        yield Finding(_MIRROR, "warning", _("; ").join([error.brief, *error.details]), error.resolution or "")
    else:
        yield Finding(_MIRROR, "ok", _("it answers (from {origin})").format(origin=mirror.origin))
