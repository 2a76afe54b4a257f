"""`vboxlab doctor`: what is right and wrong with this computer."""

from __future__ import annotations

import click

from vboxlab.cli import options
from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_OK
from vboxlab.language import C_, N_, NC_, _

SIGNS = {
    "ok": NC_("finding", "ok"),
    "note": NC_("finding", "note"),
    "warning": NC_("finding", "WARNING"),
    "problem": NC_("finding", "PROBLEM"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help=N_("Print the findings as JSON."))
@click.option("--offline", is_flag=True, help=N_("Do not ask whether the Debian mirror answers."))
@click.option("--repair", is_flag=True, help=N_("Show what can be repaired of VirtualBox's own, ask, and do it."))
@options.yes
def doctor(*, as_json: bool, offline: bool, repair: bool, yes: bool) -> int:
    """Check this computer: VirtualBox, QEMU, memory, disk, network; say what to do. Exits 1 when there is a problem.

    Nothing is changed but with --repair: it puts VirtualBox's list of machines back from the copy beside it when
    VirtualBox lost it in a crash. It asks first, and keeps the file as it was.
    """
    from vboxlab.cli import output
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.doctor import DoctorRequest
    from vboxlab.operations.doctor import doctor as look

    health = look(DoctorRequest(offline=offline, repair=repair, yes=yes), Terminal())
    if as_json:
        output.say_json(health.record())
    else:
        headers = ("", C_("column", "CHECK"), C_("column", "FINDING"))
        output.table(headers, [(C_("finding", SIGNS[f.verdict]), _(f.check), f.text) for f in health.findings])
        if health.to_do:
            output.say()
            output.say(_("What to do:"))
        for finding in health.to_do:
            advice = _("{subject}: {text}").format(subject=_(finding.check), text=finding.fix)
            output.say(f"  {advice}")
    return EXIT_OK if health.is_fine else EXIT_CHECK_FAILED
