"""The answer key of a topology: every file and every command, made from the resources that are deployed. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vboxlab.guest.explain_steps import Copy, steps_for
from vboxlab.guest.explain_texts import TEXTS
from vboxlab.guest.place import Place, static_addresses
from vboxlab.guest.resources import File, Resource, merge
from vboxlab.guest.role_registry import in_guest, resources_for
from vboxlab.guest.steps import SECRET
from vboxlab.guest.wording import block, code, say
from vboxlab.language import Language
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import Adapter, Machine, Topology

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
    language: Language,
    *,
    machine: str | None = None,
    stage: str | None = None,
    surroundings: Surroundings | None = None,
) -> str:
    """Return the answer key as Markdown: of one machine or all, up to a stage (default: the last).

    Raises KeyError for a machine, ValueError for a stage that the topology does not have.
    """
    key = _Key(topology, language, stage, surroundings or Surroundings())
    machines = [topology.machines[machine]] if machine is not None else list(topology.machines.values())
    lines = key.head()
    for each in machines:
        lines += key.machine(each)
    while lines[-1] == "":
        lines.pop()
    return "\n".join(lines) + "\n"


class _Key:
    """One answer key in the making."""

    def __init__(self, topology: Topology, language: Language, stage: str | None, surroundings: Surroundings) -> None:
        order = topology.stage_order
        self._topology = topology
        self._language: Language = language
        self._stages = order[: order.index(stage) + 1] if stage is not None else order
        self._stage = stage
        self._surroundings = surroundings

    def _say(self, key: str, **values: object) -> str:
        return say(TEXTS, key, self._language, **values)

    def head(self) -> list[str]:
        """Return the title and what the key is of."""
        values = ", ".join(f"{key}={value}" for key, value in self._topology.values.items()) or "-"
        stage = self._say("until", stage=code(self._stage)) if self._stage else self._say("all-stages")
        return [
            f"# {self._say('title', title=self._topology.title or self._topology.name)}",
            "",
            self._say("of", topology=code(self._topology.name), stage=stage, values=code(values)),
            self._say("source", secret=SECRET),
            "",
        ]

    def machine(self, machine: Machine) -> list[str]:
        """Return all of one machine."""
        lines = [f"## {machine.name} ({code(machine.hostname)})", ""]
        if self._topology.is_adopted(machine) and machine.adopt is not None:
            return [*lines, self._say("adopted", vm=code(machine.adopt.vm)), "", *self._adapters(machine)]
        lines += [f"### {self._say('hypervisor')}", "", *self._made(machine), "", *self._adapters(machine)]
        if machine.adapters:
            lines += [self._say("same-by-command"), "", *block(_modifyvm(self._topology, machine), "sh"), ""]
        return [*lines, *self._configured(machine)]

    def _made(self, machine: Machine) -> list[str]:
        source = self._topology.start_from
        vm = code(machine.name)
        if source and machine.name in self._surroundings.members.get(source, ()):
            return [self._say("restore", vm=vm, snapshot=code(source))]
        base = code(machine.base or self._topology.base)
        return [self._say("clone", vm=vm, base=base, cpus=machine.cpus, memory=machine.memory)]

    def _adapters(self, machine: Machine) -> list[str]:
        if not machine.adapters:
            return [self._say("no-adapters"), ""]
        rows = [
            f"| {adapter.slot} | {self._attached(adapter)} | {code(interface_name(adapter.slot))} "
            f"| {self._address(adapter)} |"
            for adapter in sorted(machine.adapters, key=lambda adapter: adapter.slot)
        ]
        return [self._say("adapters-head"), "|---|---|---|---|", *rows, ""]

    def _attached(self, adapter: Adapter) -> str:
        network = self._topology.networks[adapter.network]
        where = self._say(network.kind, name=code(network.host_name or adapter.network))
        return where if adapter.cable else self._say("unplugged", where=where)

    def _address(self, adapter: Adapter) -> str:
        if adapter.address is None:
            return self._say("no-address")
        return self._say("dhcp") if adapter.address == "dhcp" else str(adapter.address)

    def _configured(self, machine: Machine) -> Iterator[str]:
        """Yield what is typed in the guest, stage by stage: in each only what is new there."""
        already: Sequence[Resource] = self._surroundings.already.get(machine.name, ())
        empty = True
        for stage in (None, *self._stages):
            resources = resources_for(self._topology, machine, stage)
            copied = self._copied(Place(self._topology, machine, stage), resources)
            steps = steps_for(resources, already, self._language, copied=copied)
            taken = self._snapshot(machine, stage)
            if steps or taken:
                empty = False
                title = self._say("stage", stage=code(stage)) if stage is not None else self._say("initial")
                yield from (f"### {title}", "", *steps, *taken)
            already = merge((*already, *resources))
        if empty:
            yield from (self._say("nothing"), "")

    def _snapshot(self, machine: Machine, stage: str | None) -> list[str]:
        taken = next((s.snapshot for s in self._topology.stages if s.name == stage), None)
        if taken is None or machine.name not in self._surroundings.members.get(taken, ()):
            return []
        return [self._say("snapshot", vm=code(machine.name), snapshot=code(taken)), ""]

    def _copied(self, place: Place, resources: Sequence[Resource]) -> Copy | None:
        """Return which files come from another machine: those of a role that are the same there."""
        copied = next((found for role in place.roles if (found := in_guest(role).copied(role, place))), None)
        addresses = static_addresses(place.machine)
        if copied is None or not addresses:
            return None
        there = resources_for(self._topology, self._topology.machines[copied.master], place.stage)
        paths = tuple(
            resource.path
            for resource in resources
            if isinstance(resource, File) and resource.path.startswith(copied.folder) and resource in there
        )
        return Copy(copied.master, place.machine.name, str(addresses[0].ip), paths, copied.text) if paths else None


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
