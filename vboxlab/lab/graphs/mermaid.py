"""A drawing as Mermaid (mermaid.js.org, "Flowcharts"), which many Markdown viewers show."""

from __future__ import annotations

from vboxlab.harmless import for_mermaid
from vboxlab.lab.graphs.colours import STATES
from vboxlab.lab.graphs.drawing import Drawing, DrawnMachine, DrawnNetwork
from vboxlab.language import _


def render_mermaid(drawing: Drawing) -> str:
    """Return the drawing as a Mermaid flowchart."""
    networks = {network.name: f"net{number}" for number, network in enumerate(drawing.networks, 1)}
    lines = ["---", f"title: {_title(drawing.title)}", "---", "flowchart TB"]
    lines += [f"    {networks[network.name]}([{_network_label(network)}]):::network" for network in drawing.networks]
    disks = {disk: f"disk{number}" for number, disk in enumerate(drawing.shared_disks, 1)}
    for disk, name in disks.items():
        lines.append(f'    {name}[("<b>{for_mermaid(disk.name)}</b><br/>{for_mermaid(disk.size)}")]:::disk')
    for number, machine in enumerate(drawing.machines, 1):
        lines.append(f"    vm{number}[{_machine_label(machine)}]:::{machine.state}")
        for link in machine.links:
            line = "---" if link.cable else "-.-"
            label = link.label if link.cable else _("{adapter} (unplugged)").format(adapter=link.label)
            lines.append(f"    vm{number} {line}|{_quoted(label)}| {networks[link.network]}")
        lines += [f"    vm{number} --- {disks[disk]}" for disk in machine.disks if disk.shared]
    if disks:
        lines.append("    classDef disk fill:#f3eede,stroke:#8a7a4a,color:#3a3320")
    lines.append("    classDef network fill:#e8eef7,stroke:#4a6fa5,color:#1f2a3a")
    for state, look in STATES.items():
        dashes = ",stroke-dasharray:5 4" if look.dashed else ""
        lines.append(f"    classDef {state} fill:{look.fill},stroke:{look.stroke},color:{look.text}{dashes}")
    return "\n".join(lines) + "\n"


def _title(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'  # a double-quoted YAML scalar


def _machine_label(machine: DrawnMachine) -> str:
    parts = [f"<b>{for_mermaid(machine.name)}</b>", for_mermaid(machine.hostname)]
    if machine.roles:
        parts.append(f"<i>{for_mermaid(', '.join(machine.roles))}</i>")
    parts += [for_mermaid(disk.label) for disk in machine.disks if not disk.shared]
    if machine.drive:
        parts.append(for_mermaid(machine.drive))
    if machine.adopted:
        parts.append(for_mermaid(_("adopted: {vm}").format(vm=machine.adopted)))
    if machine.remark:
        parts.append(for_mermaid(machine.remark))
    return '"' + "<br/>".join(parts) + '"'


def _network_label(network: DrawnNetwork) -> str:
    parts = [f"<b>{for_mermaid(network.name)}</b>", for_mermaid(network.label), *map(for_mermaid, network.shared)]
    return '"' + "<br/>".join(part for part in parts if part) + '"'


def _quoted(text: str) -> str:
    return f'"{for_mermaid(text)}"'
