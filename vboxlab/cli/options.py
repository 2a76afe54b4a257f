"""Options that several verbs share, each in one place with one meaning."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
from click.core import ParameterSource

from vboxlab.language import N_, _

F = TypeVar("F", bound=Callable[..., Any])


def _pairs(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        key, equals, content = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(_("{value!r}: expected KEY=VALUE").format(value=value))
        pairs[key] = content
    return pairs


def set_values(command: F) -> F:
    """Add --set."""
    return click.option(
        "--set", "values", multiple=True, metavar=N_("KEY=VALUE"), callback=_pairs,
        help=N_("Give a parameter of the topology a value; it is kept with the lab."),
    )(command)  # fmt: skip


def copy(command: F) -> F:
    """Add --copy."""
    return click.option("--copy", metavar=N_("NAME"), help=N_("Work on this student's own copy of the lab."))(command)


def copies(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --copy, --copies and --all, which the command gets as one argument `which`."""

    @functools.wraps(command)
    def chosen(*arguments: Any, copy: str | None, copies: str | None, everything: bool, **others: Any) -> Any:
        from vboxlab.operations.request import which_of

        return command(*arguments, which=which_of(copy, copies, everything=everything), **others)

    one = click.option("--copy", metavar=N_("NAME"), help=N_("Work on this student's own copy of the lab."))
    some = click.option(
        "--copies", metavar=N_("LIST|FILE"),
        help=N_("Work on several copies: alice,bob or 1-30, or a CSV file with a column `copy` and others named as "
                "parameters."),
    )  # fmt: skip
    every = click.option(
        "--all", "everything", is_flag=True, help=N_("Work on all copies that exist, and the lab itself.")
    )
    return one(some(every(chosen)))


def driver(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --driver. What the driver needs first begins before the verb is loaded."""

    @functools.wraps(command)
    def ahead(*arguments: Any, driver: str | None, **others: Any) -> Any:
        from vboxlab.operations.ahead import begun

        with begun(driver):
            return command(*arguments, driver=driver, **others)

    return click.option(
        "--driver", type=click.Choice(["auto", "virtualbox", "qemu"]), help=N_("Hypervisor to use (default: auto).")
    )(ahead)


def as_json(command: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help=N_("Print machine-readable JSON."))(command)


def jobs(command: F) -> F:
    """Add --jobs."""
    return click.option(
        "--jobs", type=click.IntRange(min=1),
        help=N_("Actions at once (default: the number of processors, at least 2, or 8 where no guest is started)."),
    )(command)  # fmt: skip


def _if_given(context: click.Context, parameter: click.Parameter, value: float) -> float | None:
    """Return None for the default: on several copies it is another one, so that none holds the others up."""
    given = parameter.name and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    return value if given else None


def patience(command: F) -> F:
    """Add --wait, which the command gets as None where it is not given."""
    return click.option(
        "--wait", "patience", type=click.FloatRange(min=0), default=600.0, show_default=True, metavar=N_("SECONDS"),
        callback=_if_given,
        help=N_("How long to wait for another vboxlab that works on the lab."),
    )(command)  # fmt: skip


ReportFiles = dict[Literal["text", "json", "junit", "html", "csv"], Path]
"""The files that reports are wanted in, by their forms."""
_report_file = click.Path(dir_okay=False, path_type=Path)


def report_files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --junit, --html and --csv, which the command gets as one argument `files`."""

    @functools.wraps(command)
    def gathered(*arguments: Any, junit: Path | None, html: Path | None, csv_file: Path | None, **others: Any) -> Any:
        given = {"junit": junit, "html": html, "csv": csv_file}
        return command(*arguments, files={form: path for form, path in given.items() if path is not None}, **others)

    junit = click.option("--junit", type=_report_file, metavar=N_("FILE"), help=N_("Write a JUnit report too."))
    html = click.option("--html", type=_report_file, metavar=N_("FILE"), help=N_("Write an HTML report too."))
    as_csv = click.option("--csv", "csv_file", type=_report_file, metavar=N_("FILE"),
                          help=N_("Write the measurements as CSV too."))  # fmt: skip
    return junit(html(as_csv(gathered)))


def yes(command: F) -> F:
    """Add --yes."""
    return click.option("--yes", is_flag=True, help=N_("Do not ask."))(command)
