"""The state of a lab in a few lines, from what the driver reports and the marks alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from vboxlab.language import NC_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.adapters import in_words
from vboxlab.planning.desired import Desired
from vboxlab.planning.disks import differences, dvd_difference
from vboxlab.planning.observed import MARK_STAGE, MARK_TOPOLOGY, AdapterState, ObservedLab, ObservedMachine
from vboxlab.topology.disks import in_words as size_in_words


@dataclass(frozen=True)
class MachineStatus:
    """One line of `vboxlab status`."""

    machine: str
    vm: str
    power: str
    adapters: tuple[str, ...]
    port: int | None
    topology: str
    stage: str
    configured: bool | None  # whether vboxlab logs in to it and configures it; None where that is not known
    drift: tuple[str, ...]
    disks: tuple[str, ...] = ()  # besides the first, and what is in the drive


def machine_statuses(observed: ObservedLab, desired: Desired | None) -> list[MachineStatus]:
    """Report each machine of a lab; with a desired state also how it differs (drift), adopted and missing ones too."""
    rows = []
    for name, machine in sorted(
        [*observed.adopted.items(), *observed.machines.items()], key=lambda entry: (entry[0], entry[1].lab is not None)
    ):
        adopted = machine.lab is None
        drift: list[str] = []
        wanted = desired.machines.get(name) if desired and not adopted else None
        if wanted is not None:
            drift = [
                *in_words(wanted.adapters, machine.adapters),
                *differences(wanted.disks, machine.disks),
                *dvd_difference(wanted.dvd, machine.dvd),
            ]
        if machine.problem:
            drift.append(machine.problem)
        rows.append(
            MachineStatus(
                machine=name,
                vm=machine.name,
                power=machine.power.value,
                adapters=tuple(map(_adapter, machine.adapters)),
                port=machine.management_port,
                topology=NC_("machine", "adopted") if adopted else machine.marks.get(MARK_TOPOLOGY, "-"),
                stage=machine.marks.get(MARK_STAGE, "-"),
                configured=wanted.configured if wanted is not None else None,
                drift=tuple(drift),
                disks=tuple(_disks(machine)),
            )
        )
    missing = [name for name in (desired.machines if desired else ()) if name not in observed.machines]
    absent, drifted = NC_("machine", "absent"), (_("not created"),)
    rows.extend(MachineStatus(name, "-", absent, (), None, "-", "-", None, drifted) for name in missing)
    return rows


def _disks(machine: ObservedMachine) -> Iterator[str]:
    for disk in machine.disks:
        text = _("{name} ({size}, shared)") if disk.shared else _("{name} ({size})")
        yield text.format(name=disk.name, size=size_in_words(disk.size))
    if machine.dvd:
        yield _("{file} in the drive").format(file=PurePath(machine.dvd).name)


def _adapter(adapter: AdapterState) -> str:
    plugged = f"{adapter.slot}:{adapter.attachment}"
    return plugged if adapter.cable else _("{adapter} (unplugged)").format(adapter=plugged)
