"""`vboxlab explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output

if TYPE_CHECKING:
    from vboxlab.guest.explain import Surroundings
    from vboxlab.lab.up import Blueprint


@click.command()
@click.argument("topology")
@options.set_values
@click.option("--stage", metavar="STAGE", help="Stop after this stage (default: the last).")
@click.option("--machine", metavar="MACHINE", help="Only this machine.")
@options.lang
def explain(topology: str, values: dict[str, str], stage: str | None, machine: str | None, lang: str | None) -> None:
    """Print the answer key of TOPOLOGY as Markdown: every file and every command, as a student would type them."""
    from vboxlab.cli import session
    from vboxlab.cli.language import language
    from vboxlab.errors import UsageError
    from vboxlab.guest.explain import explain as answer_key
    from vboxlab.settings import load_settings

    settings = load_settings()
    blueprint = session.blueprint(settings, topology, values, None, [])
    known = blueprint.topology
    if machine is not None and machine not in known.machines:
        raise UsageError(f"--machine {machine}: expected {', '.join(known.machines)}")
    if stage is not None and stage not in known.stage_order:
        raise UsageError(f"--stage {stage}: expected {', '.join(known.stage_order)}")
    text = answer_key(
        known, language(lang, settings), machine=machine, stage=stage, surroundings=_surroundings(blueprint)
    )
    output.say(text.removesuffix("\n"))


def _surroundings(blueprint: Blueprint) -> Surroundings:
    """Return the snapshot sets, and what is true in a machine restored from the one that the topology starts from."""
    from vboxlab.guest.explain import Surroundings
    from vboxlab.guest.roles import resources_for

    members = {entry.name: entry.machines for entry in blueprint.sets}
    source = next((entry for entry in blueprint.sets if entry.name == blueprint.topology.start_from), None)
    if source is None:
        return Surroundings(members)
    maker = blueprint.load(source.topology).topology
    already = {
        name: resources_for(maker, maker.machines[name], source.stage)
        for name in source.machines
        if name in maker.machines and name in blueprint.topology.machines
    }
    return Surroundings(members, already)
