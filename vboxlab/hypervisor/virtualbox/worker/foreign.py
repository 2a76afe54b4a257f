"""Images from what was not made by vboxlab: the user's own VMs, by reference, and appliances."""

from __future__ import annotations

import difflib
import itertools
import json
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import images, layout, lookup, marks, power, snapshots, storage
from vboxlab.hypervisor.virtualbox.worker.calls import Adopted, AdoptImage, ImportAppliance
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import ONLINE, locked, state_name
from vboxlab.hypervisor.virtualbox.worker.told import Told, names, verbatims

NEAREST, KNOWN = 5, 20  # names that an error offers


def adopt(connection: Connection, call: Call[AdoptImage]) -> Adopted:
    """Make an existing VM an image by reference, and say what clones get of its disks and drives.

    A snapshot is made on it only when it has none. Raises Failure, before that, when it can be none.
    """
    name, vm = call.arguments.name, call.arguments.vm
    with connection.errors(Told("looking-for", {"name": vm})):
        machine = _named(connection, vm)
        _check_name(connection, name, machine)
        label = marks.read_label(machine)
        if label.image:
            raise Failure("ours", Told("ours-as-image", {"vm": vm, "image": label.image}))
        if label.marks.get(marks.LAB):
            raise Failure("ours", Told("ours-in-lab", {"vm": vm, "lab": label.marks[marks.LAB]}))
        if call.noted:
            power.settle(connection, machine)  # the snapshot that a lost call began to take comes to its end
        snapshot = _snapshot(connection, machine, call.arguments.snapshot)
        looked_at = machine if snapshot is None else snapshot.machine
        judgements = storage.judged(connection, looked_at, Told("vm-no-base", {"vm": str(machine.name)}))
    made = snapshot is None or (bool(call.noted) and str(snapshot.name) == images.SNAPSHOT)
    if snapshot is None:
        call.note(taking=True)
        with locked(connection, machine, Told("taking-snapshot-of", {"vm": vm})) as session:
            snapshots.take_locked(
                connection, session, images.SNAPSHOT, images.SNAPSHOT_TEXT, running=False, report=call.report
            )
    with connection.errors(Told("recording", {"name": name})):
        used = snapshot if snapshot is not None else machine.currentSnapshot
        reference = {"vm": str(machine.id), "snapshot": str(used.id)}
        connection.vbox.setExtraData(lookup.REFERENCE + name, json.dumps(reference))
        return Adopted(
            vm=str(machine.name),
            snapshot=str(used.name),
            made=made,
            media=tuple(judgement.told for judgement in judgements),
            changed=_has_changed(machine, used),
        )


def _has_changed(machine: Any, snapshot: Any) -> bool:
    """Tell whether a machine is not (or no longer) as its snapshot holds it."""
    current = machine.currentSnapshot
    return current is None or current.id != snapshot.id or bool(machine.currentStateModified)


def _check_name(connection: Connection, name: str, machine: Any = None) -> None:
    """Raise Failure when an image of that name exists, other than the same VM referred to."""
    existing = lookup.find_image(connection, name)
    if existing is None or (machine is not None and not existing.owned and existing.machine.id == machine.id):
        return
    details = [Told("image-is-vm", {"vm": str(existing.machine.name)})]
    raise Failure("image-exists", Told("image-exists", {"image": name}), details=details)


def _named(connection: Connection, wanted: str) -> Any:
    """Return the VM of a name or UUID. Raises Failure when there is none or several."""
    readable = [each for each in connection.array(connection.vbox, "machines") if each.accessible]
    by_id = [each for each in readable if str(each.id) == wanted.strip("{}").lower()]
    found = by_id or [each for each in readable if each.name == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        details = verbatims(f"{each.id}  {each.settingsFilePath}" for each in found)
        raise Failure("ambiguous", Told("several-vms", {"count": len(found), "name": wanted}), details=details)
    known = sorted({str(each.name) for each in readable if not marks.read_label(each).image})
    raise Failure("no-vm", Told("no-vm", {"vm": wanted}), details=[_near(wanted, known)])


def _near(wanted: str, known: list[str]) -> Told:
    by_lower = {name.lower(): name for name in known}
    near = [by_lower[name] for name in difflib.get_close_matches(wanted.lower(), by_lower, NEAREST, 0.4)]
    if near:
        return Told("vms-near", {"vms": names(near)})
    return Told("vms-known", {"vms": names(known[:KNOWN])}) if known else Told("vms-none")


def _snapshot(connection: Connection, machine: Any, name: str) -> Any | None:
    """Return the snapshot that clones are to be made from, None when one must be taken. Raises Failure."""
    known = list(lookup.all_snapshots(connection, machine))
    offline = [str(each.name) for each in known if not each.online]
    listed = [Told("snapshots-off", {"snapshots": names(offline)}) if offline else Told("snapshots-off-none")]
    if name:
        found = [each for each in known if name in (each.name, each.id)]
        if not found:
            told = Told("no-snapshot", {"machine": str(machine.name), "snapshot": name})
            raise Failure("no-base-snapshot", told, details=listed)
        if len(found) > 1:
            told = Told("many-snapshots", {"machine": str(machine.name), "count": len(found), "snapshot": name})
            details = verbatims(f"{each.id}  {each.description}" for each in found)
            raise Failure("no-base-snapshot", told, details=details)
    else:
        current = machine.currentSnapshot
        found = [current] if current is not None else []
    if found and found[0].online:
        told = Told("snapshot-was-live", {"machine": str(machine.name), "snapshot": str(found[0].name)})
        raise Failure("no-base-snapshot", told, details=listed)
    if found:
        return found[0]
    state = state_name(connection, machine)
    if state in ONLINE or state in ("Saved", "AbortedSaved"):
        told = Told("no-snapshot-and-not-off", {"machine": str(machine.name), "state": state.lower()})
        raise Failure("no-base-snapshot", told)
    return None


def import_appliance(connection: Connection, call: Call[ImportAppliance]) -> None:
    """Make an image of an appliance of one machine. All or nothing."""
    name, file = call.arguments.name, call.arguments.file
    with connection.errors(Told("looking-for", {"name": name})):
        found = lookup.find_image(connection, name)
        if found is not None and str(found.machine.id) == call.noted.get("made"):
            return
        _check_name(connection, name)
    vm_name = lookup.VM_PREFIX + name
    settings = layout.place_for(connection, vm_name, layout.GROUP)
    folder = settings.parent
    with layout.making_or_nothing(connection, folder, {"what": "image", "name": vm_name}) as note:
        with connection.errors(Told("importing", {"file": file})):
            appliance = connection.vbox.createAppliance()
            connection.wait(appliance.read(file), Told("reading", {"file": file}), call.report)
            appliance.interpret()
            systems = connection.array(appliance, "virtualSystemDescriptions")
            if len(systems) != 1:
                raise Failure("appliance", Told("appliance-machines", {"file": file, "count": len(systems)}))
            note(_rename(connection, systems[0], {"Name": vm_name, "SettingsFile": str(settings),
                                                  "BaseFolder": str(folder.parent),
                                                  "PrimaryGroup": layout.GROUP}, folder))  # fmt: skip
            connection.wait(appliance.importMachines([]), Told("importing", {"file": file}), call.report)
            (handle,) = connection.array(appliance, "machines")
        machine = lookup.find_machine(connection, str(handle))
        call.note(made=str(handle))
        images.finish(connection, machine, name, call)


def _rename(connection: Connection, system: Any, values: dict[str, str], folder: Path) -> list[Path]:
    """Give an appliance's machine a name and place of ours, its disks beside its settings; return where these lie."""
    kinds, _references, _original, settings, extra = system.getDescription()
    known = [connection.name_of("VirtualSystemDescriptionType", kind) for kind in kinds]
    settings = list(settings)
    paths = (folder / f"disk{number}.vmdk" for number in itertools.count())
    free, disks = (path for path in paths if not path.exists()), []
    for number, kind in enumerate(known):
        if kind in values:
            settings[number] = values[kind]
        elif kind == "HardDiskImage":
            disks.append(next(free))
            settings[number] = str(disks[-1])
    system.setFinalValues([True] * len(known), settings, list(extra))
    for kind, value in values.items():
        if kind not in known:
            system.addDescription(connection.value_of("VirtualSystemDescriptionType", kind), value, value)
    return disks
