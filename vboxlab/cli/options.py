"""Options that several verbs share, each in one place with one meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _pairs(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        key, equals, content = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r}: expected KEY=VALUE")
        pairs[key] = content
    return pairs


def set_values(command: F) -> F:
    """Add --set."""
    return click.option(
        "--set", "values", multiple=True, metavar="KEY=VALUE", callback=_pairs,
        help="Give a parameter of the topology a value; it is kept with the lab.",
    )(command)  # fmt: skip


def copy(command: F) -> F:
    """Add --copy."""
    return click.option("--copy", metavar="NAME", help="Work on this student's own copy of the lab.")(command)


def driver(command: F) -> F:
    """Add --driver."""
    return click.option(
        "--driver", type=click.Choice(["auto", "virtualbox", "qemu"]), help="Hypervisor to use (default: auto)."
    )(command)


def as_json(command: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print machine-readable JSON.")(command)


def jobs(command: F) -> F:
    """Add --jobs."""
    return click.option(
        "--jobs", type=click.IntRange(min=1), help="Actions at once (default: the number of processors, at least 2)."
    )(command)


def patience(command: F) -> F:
    """Add --wait."""
    return click.option(
        "--wait", "patience", type=click.FloatRange(min=0), default=600.0, show_default=True, metavar="SECONDS",
        help="How long to wait for another vboxlab that works on the lab.",
    )(command)  # fmt: skip


def yes(command: F) -> F:
    """Add --yes."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def lang(command: F) -> F:
    """Add --lang."""
    return click.option(
        "--lang", type=click.Choice(["en", "fr"]), help="Language (default: the settings', else the locale's)."
    )(command)
