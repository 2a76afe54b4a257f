"""`vboxlab doctor`: what is right and wrong with this computer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options
from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_OK

if TYPE_CHECKING:
    from vboxlab.hypervisor.doctor import Finding, Needs
    from vboxlab.settings import Settings

SIGNS = {"ok": "ok", "note": "note", "warning": "WARNING", "problem": "PROBLEM"}
MIRROR_TIMEOUT = 10.0
SUITE = "bookworm"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--offline", is_flag=True, help="Do not ask whether the Debian mirror answers.")
@click.option("--repair", is_flag=True, help="Show what can be repaired of VirtualBox's own, ask, and do it.")
@options.yes
def doctor(*, as_json: bool, offline: bool, repair: bool, yes: bool) -> int:
    """Check this computer: VirtualBox, QEMU, memory, disk, network; say what to do. Exits 1 when there is a problem.

    Nothing is changed but with --repair: it puts VirtualBox's list of machines back from the copy beside it when
    VirtualBox lost it in a crash. It asks first, and keeps the file as it was.
    """
    from vboxlab.cli import output
    from vboxlab.hypervisor.doctor import examine, whatever_it_meets
    from vboxlab.settings import load_settings

    settings = load_settings()
    if repair:
        _repair(yes=yes)
    findings = examine(settings, _largest(settings))
    if not offline:
        findings += whatever_it_meets("Debian mirror", lambda: _mirror(settings))
    problems = [finding for finding in findings if finding.verdict == "problem"]
    if as_json:
        output.say_json({"healthy": not problems, "findings": [asdict(finding) for finding in findings]})
        return EXIT_CHECK_FAILED if problems else EXIT_OK
    output.table(("", "CHECK", "FINDING"), [(SIGNS[f.verdict], f.check, f.text) for f in findings])
    to_do = [finding for finding in findings if finding.fix and finding.verdict in ("warning", "problem", "note")]
    if to_do:
        output.say()
        output.say("What to do:")
    for finding in to_do:
        output.say(f"  {finding.check}: {finding.fix}")
    return EXIT_CHECK_FAILED if problems else EXIT_OK


def _repair(*, yes: bool) -> None:
    """Show what is broken, ask, and repair it."""
    from vboxlab.cli import output
    from vboxlab.cli.questions import confirm
    from vboxlab.hypervisor.virtualbox.repairs import carry_out, find_repair

    broken = find_repair()
    if broken is None:
        output.remark("nothing to repair")
        return
    for line in broken.found:
        output.remark(line)
    if not broken.proposal:
        output.remark(f"nothing can be put back: {broken.advice}")
        return
    output.remark(f"what would be done: {broken.proposal}")
    if not yes:
        confirm(f"{broken.proposal}?")
    for line in carry_out(broken):
        output.remark(line)


def _largest(settings: Settings) -> Needs | None:
    """Return what the topology that needs most memory needs; topologies that cannot be read are left out."""
    from vboxlab.errors import VboxlabError
    from vboxlab.hypervisor.doctor import Needs
    from vboxlab.topology.catalog import list_topologies
    from vboxlab.topology.loader import load_topology

    found = []
    with suppress(OSError):
        for entry in list_topologies(settings):
            with suppress(VboxlabError, OSError):
                topology = load_topology(entry.path)
                memory = sum(machine.memory for machine in topology.owned_machines)
                found.append(Needs(entry.name, len(topology.owned_machines), memory))
    return max(found, key=lambda needs: needs.memory, default=None)


def _mirror(settings: Settings) -> Iterator[Finding]:
    from vboxlab.base.mirror import check_reachable, find_mirror
    from vboxlab.errors import BaseError
    from vboxlab.hypervisor.doctor import Finding

    mirror = find_mirror(settings)
    try:
        check_reachable(mirror, SUITE, timeout=MIRROR_TIMEOUT)
    except BaseError as error:
        yield Finding("Debian mirror", "warning", "; ".join([error.brief, *error.details]), error.resolution or "")
    else:
        yield Finding("Debian mirror", "ok", f"it answers (from {mirror.origin})")
