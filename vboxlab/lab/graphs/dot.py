"""A drawing in Graphviz's language (graphviz.org, "DOT Language"), for those who want its layouts."""

from __future__ import annotations

from vboxlab.harmless import for_dot
from vboxlab.lab.graphs.colours import STATES, network_colours
from vboxlab.lab.graphs.drawing import Drawing, DrawnMachine, DrawnNetwork
from vboxlab.language import _


def render_dot(drawing: Drawing) -> str:
    """Return the drawing as an undirected DOT graph."""
    colours = network_colours([network.name for network in drawing.networks])
    lines = [
        f"graph {for_dot(drawing.name)} {{",
        f'    graph [label={for_dot(drawing.title)}, labelloc=t, fontname="Helvetica", nodesep=0.4, ranksep=0.7]',
        '    node [fontname="Helvetica", fontsize=11]',
        '    edge [fontname="Helvetica", fontsize=9]',
    ]
    for network in drawing.networks:
        colour = colours[network.name]
        lines.append(
            f"    {for_dot('network: ' + network.name)} [label={for_dot(*_network_lines(network))}, shape=ellipse, "
            f'style=filled, fillcolor="{colour}", color="{colour}", fontcolor="#ffffff"]'
        )
    lines += [
        f"    {for_dot('disk: ' + disk.name)} [label={for_dot(disk.name, disk.size)}, shape=cylinder, style=filled, "
        'fillcolor="#f3eede", color="#8a7a4a", fontcolor="#3a3320"]'
        for disk in drawing.shared_disks
    ]
    for machine in drawing.machines:
        look = STATES[machine.state]
        style = "rounded,filled,dashed" if look.dashed else "rounded,filled"
        lines.append(
            f"    {for_dot(machine.name)} [label={for_dot(*_machine_lines(machine))}, shape=box, "
            f'style="{style}", fillcolor="{look.fill}", color="{look.stroke}", fontcolor="{look.text}"]'
        )
        for link in machine.links:
            style = "" if link.cable else ", style=dashed"
            lines.append(
                f"    {for_dot(machine.name)} -- {for_dot('network: ' + link.network)} "
                f'[label={for_dot(link.interface, link.address)}, color="{colours[link.network]}"{style}]'
            )
        lines += [
            f'    {for_dot(machine.name)} -- {for_dot("disk: " + disk.name)} [color="#8a7a4a"]'
            for disk in machine.disks
            if disk.shared
        ]
    return "\n".join([*lines, "}"]) + "\n"


def _machine_lines(machine: DrawnMachine) -> list[str]:
    adopted = _("adopted: {vm}").format(vm=machine.adopted) if machine.adopted else ""
    disks = [disk.label for disk in machine.disks if not disk.shared]
    return [machine.name, machine.hostname, ", ".join(machine.roles), *disks, machine.drive, adopted, machine.remark]


def _network_lines(network: DrawnNetwork) -> list[str]:
    return [network.name, network.label, *network.shared]
