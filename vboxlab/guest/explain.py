"""The answer key of a topology: every file and every command, made from the resources that are deployed. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import PurePath

from vboxlab.guest.explain_steps import Copy, steps_for
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Resource, merge
from vboxlab.guest.role_registry import in_guest, resources_for
from vboxlab.guest.steps import SECRET
from vboxlab.guest.wording import attached_to, block, code
from vboxlab.language import C_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.disks import guest_path, in_words
from vboxlab.topology.model import Adapter, Machine, Topology
from vboxlab.topology.sites import addresses_seen

# What VBoxManage calls the kinds of attachment, and its option for the network's name (VBoxManage manual, modifyvm).
_NIC_KINDS = {
    "internal": ("intnet", "--intnet"),
    "nat": ("nat", ""),
    "host-only": ("hostonly", "--hostonlyadapter"),
    "bridged": ("bridged", "--bridgeadapter"),
    "nat-network": ("natnetwork", "--nat-network"),
}


@dataclass(frozen=True)
class Surroundings:
    """What the topology's file alone does not say.

    `members`: the machines of each snapshot set. `already`: what is true in a machine once it has been restored from
    the snapshot set that the topology starts from.
    """

    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    already: Mapping[str, Sequence[Resource]] = field(default_factory=dict)


def explain(
    topology: Topology,
    *,
    machine: str | None = None,
    stage: str | None = None,
    surroundings: Surroundings | None = None,
) -> str:
    """Return the answer key as Markdown: of one machine or all, up to a stage (default: the last).

    Raises KeyError for a machine, ValueError for a stage that the topology does not have.
    """
    key = _Key(topology, stage, surroundings or Surroundings())
    machines = [topology.machines[machine]] if machine is not None else list(topology.machines.values())
    lines = key.head()
    for each in machines:
        lines += key.machine(each)
    while lines[-1] == "":
        lines.pop()
    return "\n".join(lines) + "\n"


class _Key:
    """One answer key in the making."""

    def __init__(self, topology: Topology, stage: str | None, surroundings: Surroundings) -> None:
        order = topology.stage_order
        self._topology = topology
        self._stages = order[: order.index(stage) + 1] if stage is not None else order
        self._stage = stage
        self._surroundings = surroundings

    def head(self) -> list[str]:
        """Return the title and what the key is of."""
        title = _("{title}: answer key").format(title=self._topology.title or self._topology.name)
        values = ", ".join(f"{key}={value}" for key, value in self._topology.values.items()) or "-"
        if self._stage:
            made_of = _("Topology {topology}, up to stage {stage}. Values: {values}.")
        else:
            made_of = _("Topology {topology}, all stages. Values: {values}.")
        source = _(
            "Made by vboxlab from what it deploys itself. All commands are typed as root (`su -`); `{secret}` stands "
            "for a secret that is yours to choose."
        )
        return [
            f"# {title}",
            "",
            made_of.format(topology=code(self._topology.name), stage=code(self._stage or ""), values=code(values)),
            source.format(secret=SECRET),
            "",
        ]

    def machine(self, machine: Machine) -> list[str]:
        """Return all of one machine."""
        lines = [f"## {machine.name} ({code(machine.hostname)})", ""]
        if self._topology.is_adopted(machine) and machine.adopt is not None:
            text = _("The VM {vm} stands ready: start it, change nothing in it. The topology expects of it:")
            return [*lines, text.format(vm=code(machine.adopt.vm)), "", *self._adapters(machine)]
        title = _("In VirtualBox")
        lines += [f"### {title}", "", *self._made(machine), "", *self._disks(machine), *self._adapters(machine)]
        if machine.adapters:
            text = _("*Settings › Network* of the VM, or on the host, with the VM off:")
            lines += [text, "", *block(_modifyvm(self._topology, machine), "sh"), ""]
        return [*lines, *self._configured(machine)]

    def _made(self, machine: Machine) -> list[str]:
        source = self._topology.start_from
        vm = code(machine.name)
        if source and machine.name in self._surroundings.members.get(source, ()):
            text = _("Power {vm} off and restore its snapshot {snapshot}. What follows is what changes from there.")
            return [text.format(vm=vm, snapshot=code(source))]
        base = code(machine.base or self._topology.base)
        text = n_(
            "Linked clone {vm} of the base VM {base} (new MAC addresses): {cpus} processor(s), {memory} MiB.",
            "Linked clone {vm} of the base VM {base} (new MAC addresses): {cpus} processor(s), {memory} MiB.",
            machine.cpus,
        )
        return [text.format(vm=vm, base=base, cpus=machine.cpus, memory=machine.memory)]

    def _disks(self, machine: Machine) -> list[str]:
        """Return the disks besides the first, where a guest finds them, and what is in the drive."""
        rows = []
        for disk in machine.disks:
            size = in_words(self._topology.disk_size(disk))
            said = _("{size}, shared (of fixed size, *Shareable*)").format(size=size) if disk.shared else size
            rows.append(f"| {code(disk.called)} | {said} | {code(guest_path(disk.called))} |")
        lines = [_("| disk | size | in the guest |"), "|---|---|---|", *rows, ""] if rows else []
        if machine.dvd:
            lines += [_("In the drive: {file}.").format(file=code(PurePath(machine.dvd).name)), ""]
        return lines

    def _adapters(self, machine: Machine) -> list[str]:
        if not machine.adapters:
            return [_("No network adapter."), ""]
        rows = [
            f"| {adapter.slot} | {self._attached(adapter)} | {code(interface_name(adapter.slot))} "
            f"| {_address(adapter)} |"
            for adapter in sorted(machine.adapters, key=lambda adapter: adapter.slot)
        ]
        return [_("| adapter | attached to | in the guest | address |"), "|---|---|---|---|", *rows, ""]

    def _attached(self, adapter: Adapter) -> str:
        network = self._topology.networks[adapter.network]
        where = attached_to(network.kind, network.host_name or adapter.network)
        return where if adapter.cable else _("{where} (cable unplugged)").format(where=where)

    def _configured(self, machine: Machine) -> Iterator[str]:
        """Yield what is typed in the guest, stage by stage: in each only what is new there."""
        already: Sequence[Resource] = self._surroundings.already.get(machine.name, ())
        empty = True
        if not machine.configured:
            text = _(
                "It is left alone: nothing is configured in it. The addresses above are those that it has by itself."
            )
            yield from (text, "")
            empty = False
        for stage in (None, *self._stages):
            resources = resources_for(self._topology, machine, stage)
            copied = self._copied(Place(self._topology, machine, stage), resources)
            steps = steps_for(resources, already, copied=copied)
            taken = self._snapshot(machine, stage)
            if steps or taken:
                empty = False
                title = _("Stage {stage}").format(stage=code(stage)) if stage else _("Initial configuration")
                yield from (f"### {title}", "", *steps, *taken)
            already = merge((*already, *resources))
        if empty:
            yield from (_("Nothing to do on this machine."), "")

    def _snapshot(self, machine: Machine, stage: str | None) -> list[str]:
        taken = next((s.snapshot for s in self._topology.stages if s.name == stage), None)
        if taken is None or machine.name not in self._surroundings.members.get(taken, ()):
            return []
        text = _("The stage ends here: power {vm} off and take its snapshot {snapshot}.")
        return [text.format(vm=code(machine.name), snapshot=code(taken)), ""]

    def _copied(self, place: Place, resources: Sequence[Resource]) -> Copy | None:
        """Return which files come from another machine: those of a role that are the same there."""
        copied = next((found for role in place.roles if (found := in_guest(role).copied(role, place))), None)
        if copied is None:
            return None
        master = self._topology.machines[copied.master]
        addresses = addresses_seen(self._topology, master, place.machine)
        there = resources_for(self._topology, master, place.stage)
        paths = tuple(
            resource.path
            for resource in resources
            if isinstance(resource, File) and resource.path.startswith(copied.folder) and resource in there
        )
        return Copy(str(addresses[0]), paths, copied.text) if paths and addresses else None


def _address(adapter: Adapter) -> str:
    if adapter.address is None:
        return C_("address", "none")
    return _("by DHCP") if adapter.address == "dhcp" else str(adapter.address)


def _modifyvm(topology: Topology, machine: Machine) -> str:
    vm = shlex.quote(machine.name)
    commands = []
    for adapter in sorted(machine.adapters, key=lambda adapter: adapter.slot):
        network = topology.networks[adapter.network]
        kind, option = _NIC_KINDS[network.kind]
        command = f"VBoxManage modifyvm {vm} --nic{adapter.slot} {kind}"
        if option:
            command += f" {option}{adapter.slot} {shlex.quote(network.host_name or adapter.network)}"
        commands.append(command if adapter.cable else f"{command} --cableconnected{adapter.slot} off")
    return "\n".join(commands)
