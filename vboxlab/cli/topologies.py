"""`vboxlab list`: the topologies that can be named."""

from __future__ import annotations

import click

from vboxlab.language import C_, N_, NC_, _

_ORIGINS = {
    "project": NC_("topology from", "project"),
    "user": NC_("topology from", "user"),
    "packaged": NC_("topology from", "packaged"),
}


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help=N_("Print the list as JSON."))
@click.option("--roles", is_flag=True, help=N_("List the roles that topologies may use, and whose they are."))
@click.option("--checks", is_flag=True, help=N_("List the checks that verifications may use, and whose they are."))
def list_(*, as_json: bool, roles: bool, checks: bool) -> None:
    """List the topologies that can be brought up: the project's, yours, and those that come with vboxlab."""
    from vboxlab.cli import output
    from vboxlab.operations.topologies import list_topologies

    if roles or checks:
        _list_words(as_json=as_json, roles=roles, checks=checks)
        return
    found = list_topologies()
    entries = found.entries
    if as_json:
        output.say_json(
            [{**e.__dict__, "path": str(e.path), "untrusted": list(found.untrusted.get(e.name, ()))} for e in entries]
        )
        return
    rows = [
        (
            e.name, e.lab or "?", e.title if e.problem is None else _("(has problems)"),
            C_("topology from", _ORIGINS[e.origin]), str(e.path),
        )
        for e in entries
    ]  # fmt: skip
    headers = (
        C_("column", "TOPOLOGY"), C_("column", "LAB"), C_("column", "TITLE"), C_("column", "FROM"),
        C_("column", "FILE"),
    )  # fmt: skip
    output.table(headers, rows)
    for entry in entries:
        if entry.problem is not None:
            output.remark(entry.problem)
    for name, lines in found.untrusted.items():
        for line in lines:
            output.remark(_("{subject}: {text}").format(subject=name, text=line))


def _list_words(*, as_json: bool, roles: bool, checks: bool) -> None:
    """Show the roles, with the checks that are not vboxlab's own; or the checks; or all of them."""
    from vboxlab.cli import output
    from vboxlab.operations.words import list_checks, list_words

    words = list_words() if roles else []
    words += [word for word in (list_checks() if checks else ()) if word not in words]
    if as_json:
        output.say_json([word.__dict__ for word in words])
        return
    headers = ("", C_("column", "NAME"), C_("column", "FROM"), C_("column", "WHAT IT IS"))
    kinds = {"role": _("role"), "check": _("check")}
    vain = _("cannot be used: {why}")
    rows = [(kinds[w.kind], w.name, w.origin, w.text if w.usable else vain.format(why=w.text)) for w in words]
    output.table(headers, rows)
