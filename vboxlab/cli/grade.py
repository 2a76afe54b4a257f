"""`vboxlab grade` and `vboxlab mark`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_OK, UsageError
from vboxlab.language import N_, _

if TYPE_CHECKING:
    from vboxlab.operations.request import Which

FOLDER = Path("grades")
PROOFS = Path("proofs")
SEPARATORS = ("comma", "semicolon", "tab")


def _tables(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of tables."""
    command = click.option("--separator", type=click.Choice(SEPARATORS), default="comma",
                           help=N_("What separates the cells of CSV tables (default: comma)."))(command)  # fmt: skip
    command = click.option("--decimal", type=click.Choice(["point", "comma"]), default="point",
                           help=N_("Decimal mark of CSV tables (default: point)."))(command)  # fmt: skip
    return click.option("--identity", default="ID number", metavar=N_("COLUMN"),
                        help=N_("Moodle's word for the names of copies (default: ID number)."))(command)  # fmt: skip


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.patience
@options.as_json
@click.option("--at", default="as-is", metavar=N_("STATE"),
              help=N_("What to grade: `as-is` (the default), `reboot`, or the name of a snapshot."))  # fmt: skip
@click.option("--time-scale", type=click.FloatRange(min=0, min_open=True), metavar="N",
              help=N_("Stretch limits and waits N times; default: as slow as the guests are."))  # fmt: skip
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), metavar=N_("FOLDER"),
              help=N_("Where to keep what came out (default: grades/TOPOLOGY)."))  # fmt: skip
@click.option("--prove", is_flag=True,
              help=N_("Prove the scheme instead: each mutant must cost exactly what it names."))  # fmt: skip
@click.option("--mutant", "mutants", multiple=True, metavar=N_("NAME"),
              help=N_("With --prove: only this mutant, or `reference`; repeatable."))  # fmt: skip
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), metavar=N_("FOLDER"),
              help=N_("With --prove: where to keep results (default: proofs/TOPOLOGY)."))  # fmt: skip
@options.yes
@_tables
def grade(
    topology: str,
    values: dict[str, str],
    which: Which,
    driver: str | None,
    jobs: int | None,
    patience: float | None,
    at: str,
    time_scale: float | None,
    into: Path | None,
    mutants: tuple[str, ...],
    results: Path | None,
    separator: str,
    decimal: str,
    identity: str,
    *,
    prove: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Grade a lab, or each copy, by the scheme of TOPOLOGY, and leave it as it was.

    Says for each question how many points it got and what was found; what nobody can tell is said, never counted as
    wrong in silence. Exits 0 when all could be looked at, 8 when a copy could not; with --prove 1 when something is not
    proved.
    """
    from vboxlab.cli import summary
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.grade import GradeRequest
    from vboxlab.operations.grade import grade as judge

    if prove:
        from vboxlab.cli import prove_grading
        from vboxlab.operations.prove_grading import ProveRequest

        proving = ProveRequest(
            topology=topology, values=values, which=which, driver=driver, jobs=jobs, patience=patience,
            names=mutants, folder=results or PROOFS / Path(topology).stem, time_scale=time_scale, yes=yes,
        )  # fmt: skip
        return prove_grading.prove(proving, as_json=as_json)
    if mutants or results:
        raise UsageError(_("--mutant and --results go with --prove"))
    folder = into or FOLDER / Path(topology).stem
    request = GradeRequest(
        topology=topology, values=values, which=which, driver=driver, jobs=jobs, patience=patience, at=at,
        time_scale=time_scale, folder=folder, separator=separator, decimal=decimal, identity=identity,
    )  # fmt: skip
    with output.progress(as_json=False) as events:
        result = judge(request, Terminal(events, quiet=as_json))
    if isinstance(result, list):
        code = summary.report_whole(
            result, lambda each: each.record(), lambda each: [f"{each.lab}", *each.lines(), ""],
            lambda each: each.sum(), as_json=as_json,
        )  # fmt: skip
        return _kept(folder, code, as_json=as_json)
    if as_json:
        output.say_json(result.record())
    for line in result.lines() if not as_json else ():
        output.say(line)
    return _kept(folder, EXIT_OK, as_json=as_json)


def _kept(folder: Path, code: int, *, as_json: bool) -> int:
    if not as_json:
        output.say(_("kept in {folder}").format(folder=folder))
    return code


@click.command()
@click.argument("name", metavar="COPY")
@click.argument("question", metavar="QUESTION")
@click.argument("points", type=click.FloatRange(min=0), required=False, metavar="POINTS")
@click.option("--reason", default="", metavar=N_("TEXT"), help=N_("Why; it stands in the report."))
@click.option("--undo", is_flag=True, help=N_("Take an earlier change back."))
@click.option("--in", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar=N_("FOLDER"),
              help=N_("Where the marks are kept (default: the only folder in grades)."))  # fmt: skip
@_tables
def mark(
    name: str,
    question: str,
    points: float | None,
    reason: str,
    folder: Path | None,
    separator: str,
    decimal: str,
    identity: str,
    *,
    undo: bool,
) -> int:
    """Give COPY (or the lab, by its name) POINTS for QUESTION instead of what was found.

    It is kept apart from what was found, with the reason, and survives grading again.
    """
    from vboxlab.operations.grade import MarkRequest
    from vboxlab.operations.grade import mark as change

    if undo == (points is not None):
        raise UsageError(_("expected either POINTS or --undo"))
    if not undo and not reason:
        raise UsageError(_("a change needs a reason"), resolution=_("add --reason TEXT"))
    where = folder or _only_folder()
    total = change(MarkRequest(
        folder=where, name=name, question=question, points=points, reason=reason,
        separator=separator, decimal=decimal, identity=identity,
    ))  # fmt: skip
    output.say(_("{name}: {sum}").format(name=name, sum=total))
    return EXIT_OK


def _only_folder() -> Path:

    found = [path for path in sorted(FOLDER.glob("*")) if path.is_dir()] if FOLDER.is_dir() else []
    if len(found) == 1:
        return found[0]
    brief = _("there are marks of several topologies") if found else _("nothing was graded here yet")
    raise UsageError(brief, details=[str(path) for path in found], resolution=_("add --in FOLDER"))
