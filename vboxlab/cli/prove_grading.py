"""`vboxlab grade --prove`: the table of what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vboxlab.cli import output
from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_OK
from vboxlab.language import C_, _

if TYPE_CHECKING:
    from vboxlab.operations.prove_grading import ProveRequest


def prove(request: ProveRequest, *, as_json: bool) -> int:
    """Prove a scheme, say what came out of each mutant, and return the exit code."""
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.prove_grading import prove_grading

    with output.progress(as_json=False) as events:
        result = prove_grading(request, Terminal(events, quiet=as_json))
    code = EXIT_OK if result.passed else EXIT_CHECK_FAILED
    if as_json:
        proofs = [{**each.model_dump(mode="json"), "passed": each.passed} for each in result.proofs]
        output.say_json({"passed": result.passed, "proofs": proofs, "left": list(result.left)})
        return code
    rows = [
        (
            each.mutant,
            _("proved before") if each.mutant in result.earlier else _("proved") if each.passed else _("NOT PROVED"),
            f"{each.seconds:.0f}",
            ", ".join(each.fails) or C_("questions", "none"),
        )
        for each in result.proofs
    ]
    output.table(
        (C_("column", "MUTANT"), C_("column", "OUTCOME"), C_("column", "SECONDS"), C_("column", "COSTS")), rows
    )
    for each in result.proofs:
        for line in (*each.differences, *([each.trouble] if each.trouble else [])):
            output.say(_("{subject}: {text}").format(subject=each.mutant, text=line))
    if result.left:
        output.say(_("not begun: {names}").format(names=", ".join(result.left)))
    done = sum(each.passed for each in result.proofs)
    output.say(_("{done} of {count} proved").format(done=done, count=len(rows) + len(result.left)))
    return code
