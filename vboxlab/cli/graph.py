"""`vboxlab graph`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output

if TYPE_CHECKING:
    from vboxlab.lab.graphs.drawing import Drawing


@click.command()
@click.argument("topology", metavar="[LAB|TOPOLOGY]", required=False)
@options.set_values
@options.copy
@options.driver
@click.option("--format", "kind", type=click.Choice(["mermaid", "dot", "svg"]), default="mermaid", show_default=True)
@click.option("--output", "-o", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def graph(
    topology: str | None, values: dict[str, str], copy: str | None, driver: str | None, kind: str, target: Path | None
) -> None:
    """Draw LAB or TOPOLOGY (default: the only lab): networks, machines, adapters; coloured by state where it exists.

    Green runs, grey does not, orange is not wired as the topology says, dashed does not exist.
    """
    from vboxlab.errors import UsageError

    drawing = _observed(topology, values, copy, driver)
    if kind == "svg":
        from vboxlab.lab.graphs.svg import render_svg as render
    elif kind == "dot":
        from vboxlab.lab.graphs.dot import render_dot as render
    else:
        from vboxlab.lab.graphs.mermaid import render_mermaid as render
    text = render(drawing)
    if target is None:
        output.say(text.removesuffix("\n"))
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written", details=[str(error)]) from error


def _observed(name: str | None, values: dict[str, str], copy: str | None, driver: str | None) -> Drawing:
    """Return the drawing with the states of the lab's machines, or of the topology alone where there is no lab."""
    from vboxlab.cli import session
    from vboxlab.errors import DriverUnavailable
    from vboxlab.lab.graphs.drawing import drawing
    from vboxlab.lab.up import make_plan
    from vboxlab.settings import load_settings

    try:
        with session.opened(driver, quiet=True) as context:
            target = session.only_lab(context, None, copy) if name is None else session.target(
                context, name, values, copy
            )  # fmt: skip
            topology = target.needed.topology
            _, desired, observed = make_plan(context, target.needed, target.lab)
            exists = bool(observed.machines or observed.adopted)
            return drawing(topology, desired, observed) if exists else drawing(topology)
    except DriverUnavailable as error:
        if name is None or driver is not None:
            raise
        output.remark(f"note: drawn without the state of its machines: {error.brief}")
    return drawing(session.blueprint(load_settings(), name, values, copy, []).topology)
