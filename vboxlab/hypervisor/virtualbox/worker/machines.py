"""Machines: seen, made, marked, sized and removed."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import (
    adapters,
    disks,
    garbage,
    images,
    layout,
    looking,
    lookup,
    marks,
    noted_disks,
    ownership,
    power,
    repeating,
    settings_file,
    storage,
)
from vboxlab.hypervisor.virtualbox.worker.calls import (
    ConsoleLog,
    Create,
    Delete,
    Details,
    Inspect,
    ListMachines,
    Machine,
    SetHardware,
    SetMarks,
)
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import ONLINE, locked, retried, state_name
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatims
from vboxlab.hypervisor.virtualbox.worker.versions import create_machine, set_execution_engine, set_serial_address

CONSOLE_LOG = "console.log"
UNREADABLE = "Inaccessible"
# COM1 of a PC, where Debian's kernel and ours write their console.
SERIAL_ADDRESS, SERIAL_IRQ = 0x3F8, 4
SERIAL_PORTS, PARALLEL_PORTS = 4, 2  # of a machine (ISystemProperties::serialPortCount, parallelPortCount)


def describe(connection: Connection, machine: Any, *, through_api: bool = False) -> Machine:
    """Return what is known of a machine; an inaccessible one has a problem and no details.

    With `through_api` no settings file is read.
    """
    return _described(connection, machine, full=True, through_api=through_api)[0]


def _described(
    connection: Connection, machine: Any, *, full: bool, through_api: bool = False
) -> tuple[Machine, marks.Label]:
    """Return what is known of a machine, with the details of a foreign one or an image only in `full`."""
    handle = str(machine.id)
    if not machine.accessible:
        unreadable = Machine(handle, lookup.name_of(machine), UNREADABLE, problem=lookup.why_unreadable(machine))
        return unreadable, marks.Label()
    settings = Path(str(machine.settingsFilePath))
    written = None if through_api else looking.written(connection, machine, handle, settings)
    label = marks.read_label(machine) if written is None else marks.label_in(written.extra_data, handle)
    cpus, memory = (None, None) if written is None else (written.cpus, written.memory)
    state = state_name(connection, machine)
    found = Machine(
        handle,
        str(machine.name) if written is None else written.name,
        state,
        int(machine.CPUCount) if cpus is None else cpus,
        int(machine.memorySize) if memory is None else memory,
        label.source,
        label.marks,
    )
    if full or marks.LAB in label.marks:
        found = replace(
            found,
            details=_with_disks(connection, machine, written, _details(connection, machine, written)),
            last_power_change=power.last_power_change(machine, settings, running=state in ONLINE),
        )
    return found, label


def _details(connection: Connection, machine: Any, written: settings_file.Settings | None) -> Details:
    if written is not None and written.adapters is not None and written.snapshots is not None:
        return settings_file.details_of(
            written.adapters, written.snapshots, written.current, written.modified, marks.SNAPSHOT_MARKS
        )
    current = machine.currentSnapshot
    return settings_file.details_of(
        adapters.read_adapters(connection, machine),
        tuple(looking.snapshots_of(connection, machine)),
        None if current is None else str(current.id),
        # True from a change of settings or a start on, before its guest runs (SDK: IMachine::currentStateModified).
        bool(machine.currentStateModified),
        marks.SNAPSHOT_MARKS,
    )


def _with_disks(
    connection: Connection, machine: Any, written: settings_file.Settings | None, details: Details
) -> Details:
    key = noted_disks.KEY
    noted = noted_disks.read(machine) if written is None else noted_disks.parse(written.extra_data.get(key, ""))
    found, dvd = disks.look(connection, machine, noted)
    return replace(details, disks=found, dvd=dvd)


def list_machines(connection: Connection, _call: Call[ListMachines] | None = None) -> tuple[Machine, ...]:
    """Return every registered machine but images. One that cannot be read is in the list, with the reason."""
    found: list[Machine] = []
    with connection.errors(Told("listing-machines")):
        registered = connection.array(connection.vbox, "machines")
    for machine in registered:
        try:
            described, label = _described(connection, machine, full=False)
            found += [] if label.image else [described]
        except connection.api_error as error:
            failure = connection.failure(error, Told("reading-a-machine"))
            if failure.kind == "dead":
                raise failure from error
            with contextlib.suppress(connection.api_error):  # removed by somebody in this moment
                found.append(Machine(str(machine.id), str(machine.id), UNREADABLE, problem=failure.told))
    return tuple(found)


def inspect(connection: Connection, call: Call[Inspect]) -> Machine:
    """Return one machine in full, an inaccessible one with the reason."""
    machine = lookup.find_machine(connection, call.arguments.handle, readable=False)
    with connection.errors(Told("reading-the-machine")):
        return describe(connection, machine, through_api=call.arguments.through_api)


def create(connection: Connection, call: Call[Create]) -> Machine:
    """Make a linked clone of an image with exactly these adapters and marks. Registered last: all or nothing."""
    asked = call.arguments
    name, group, own = asked.name, asked.group, asked.marks
    with connection.errors(Told("making", {"machine": name})):
        existing = _existing(connection, call)
        if existing is not None:
            return describe(connection, existing)
    image = lookup.need_image(connection, asked.image)
    clean = images.leaves_nothing(image)
    judgements = [] if clean else images.judged(connection, image)
    settings = layout.place_for(connection, name, group)
    folder = settings.parent
    record = {"what": "create", "name": name, "lab": own.get("lab", ""), "copy": own.get("copy", "")}
    with layout.making(connection, folder, record):
        # Made by another thread or process until the folder was ours.
        if lookup.find_named(connection, name) is not None:
            raise Failure("busy", Told("just-made", {"machine": name}))
        machine = _clone(connection, image.snapshot, settings, name, call)
        with connection.errors(Told("setting-up", {"machine": name})):
            handle = str(machine.id)
            if clean:
                adapters.add_adapters(connection, machine, asked.adapters)
            else:
                _strip_inherited(connection, machine)
                storage.strip(connection, machine, judgements, folder)
                adapters.write_adapters(connection, machine, asked.adapters, running=False)
            connection.set_array(machine, "groups", [group])
            machine.CPUCount, machine.memorySize = asked.cpus, asked.memory
            _log_console(connection, machine, folder)
            if connection.engine:
                set_execution_engine(machine, connection.constants, connection.differences, connection.engine)
            marks.write_label(machine, marks.Label(id=handle, source=asked.image, marks=own))  # saves all of it
            machine.saveSettings()
            call.note(made=[*call.noted.get("made", ()), handle])
            connection.vbox.registerMachine(machine)
    return Machine(
        handle, name, "PoweredOff", asked.cpus, asked.memory, asked.image, own,
        Details(tuple(sorted(asked.adapters, key=lambda adapter: adapter.slot))),
        last_power_change=power.last_power_change(machine, settings, running=False),
    )  # fmt: skip


def _existing(connection: Connection, call: Call[Create]) -> Any | None:
    """Return the machine that the same call made before it was lost, None if there is none.

    Raises Failure when another machine has the name.
    """
    name = call.arguments.name
    machine = lookup.find_named(connection, name)
    if machine is None:
        return None
    if str(machine.id) in call.noted.get("made", ()):
        return machine
    own = marks.read_marks(machine)
    if not own.get("lab"):
        raise Failure("conflict", Told("vm-exists", {"vm": name}))
    lab = "/".join(own[key] for key in ("lab", "copy") if own.get(key))
    raise Failure("conflict", Told("vm-of-lab-exists", {"vm": name, "lab": lab}))


def _clone(connection: Connection, snapshot: Any, settings: Path, name: str, call: Call[Create]) -> Any:
    """Return a linked clone that is saved but not registered."""
    doing = Told("cloning", {"machine": name})

    def attempt() -> Any:
        group = call.arguments.group
        machine = create_machine(
            connection.vbox, connection.constants, connection.differences, str(settings), name, group, ""
        )
        mode = connection.value_of("CloneMode", "MachineState")
        link = [connection.value_of("CloneOptions", "Link")]
        connection.wait(snapshot.machine.cloneTo(machine, mode, link), doing, call.report)
        return machine

    # Clones of one base get into each other's way for a moment, those of another process too.
    return retried(connection, attempt, doing)


def _strip_inherited(connection: Connection, machine: Any) -> None:
    """Remove what a clone takes over from its source and may lead to files or devices of the host.

    The window's memory, shared folders, remote desktop, serial and parallel ports, the recording of the screen.
    """
    for key in machine.getExtraDataKeys():
        if str(key).startswith("GUI/"):
            machine.setExtraData(key, "")
    for shared in connection.array(machine, "sharedFolders"):
        machine.removeSharedFolder(shared.name)
    remote_desktop = machine.VRDEServer
    if remote_desktop is not None and remote_desktop.enabled:
        remote_desktop.enabled = False
    for port in (
        *map(machine.getSerialPort, range(SERIAL_PORTS)),
        *map(machine.getParallelPort, range(PARALLEL_PORTS)),
    ):
        if port.enabled:
            port.enabled = False
    if machine.recordingSettings.enabled:
        machine.recordingSettings.enabled = False


def _log_console(connection: Connection, machine: Any, folder: Path) -> None:
    port = machine.getSerialPort(0)
    set_serial_address(port, connection.differences, SERIAL_ADDRESS)
    port.IRQ = SERIAL_IRQ
    port.path = str(folder / CONSOLE_LOG)
    port.hostMode = connection.value_of("PortMode", "RawFile")
    port.enabled = True


def delete(connection: Connection, call: Call[Delete]) -> None:
    """Remove a machine of ours with the disks that we made for it; whatever else is in its folder stays there."""
    try:
        machine = lookup.find_machine(connection, call.arguments.handle)
    except Failure as failure:
        if (call.noted or call.waited) and failure.kind == "not-found":
            garbage.clear(connection)
            return
        raise
    with connection.errors(Told("removing-the-machine")):
        seen = looking.look_at_ours(connection, machine)
        name, folder, label = seen.name, seen.settings.parent, seen.label
        first = ownership.first_disks(connection, label.source) | noted_disks.own(machine)
        own_disks = ownership.own_disks(connection, machine, seen, first)
        users = ownership.dependants(connection, seen.handle, own_disks)
        if users:
            raise Failure("machine-in-use", Told("machine-in-use", {"machine": name}), details=verbatims(users))
        power.note_power(connection, machine, seen.settings, call, ended=True)
    power.bring_down(connection, machine, hard=True, timeout=0)
    with connection.errors(Told("removing-the-machine")):
        if any(garbage.machines_with_strangers(connection, folder.parent, folder.name)):
            garbage.remove_orphans(connection, machine)
            own_disks = ownership.without_parents_of_others(connection, own_disks)
    own = label.marks
    record = {"what": "delete", "name": name, "lab": own.get("lab", ""), "copy": own.get("copy", "")}
    layout.remove_registered(connection, machine, seen.settings, record, own_disks, call.report)
    disks.clear_shared(connection, folder.parent / layout.SHARED)


def set_marks(connection: Connection, call: Call[SetMarks]) -> None:
    """Set and remove marks, running or not."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    wanted = call.arguments.marks
    with connection.errors(Told("setting-marks")):
        own = marks.check_ours(machine)
        told = Told("marks-changed-meanwhile", {"machine": str(machine.name)})
        if not repeating.still_to_do(call, {key: own.get(key) for key in wanted}, wanted, told):
            return
    with locked(connection, machine, Told("setting-marks")) as session:
        marks.change_marks(session.machine, wanted)
        session.machine.saveSettings()


def set_hardware(connection: Connection, call: Call[SetHardware]) -> None:
    """Set processors and memory of a machine that is off."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    wanted = {"cpus": call.arguments.cpus, "memory": call.arguments.memory}
    with connection.errors(Told("reading-the-machine")):
        marks.check_ours(machine)
        now = {"cpus": int(machine.CPUCount), "memory": int(machine.memorySize)}
        told = Told("hardware-changed-meanwhile", {"machine": str(machine.name)})
        if call.noted and not repeating.still_to_do(call, now, wanted, told):
            return
        power.check_off(connection, machine)
        repeating.still_to_do(call, now, wanted, told)
    with locked(connection, machine, Told("setting-hardware")) as session:
        session.machine.CPUCount, session.machine.memorySize = wanted["cpus"], wanted["memory"]
        session.machine.saveSettings()


def console_log(connection: Connection, call: Call[ConsoleLog]) -> str:
    """Return the path of the file that a machine of ours writes its serial console to."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    with connection.errors(Told("reading-the-machine")):
        return str(Path(str(machine.settingsFilePath)).parent / CONSOLE_LOG)
