"""What the world does between two verbs, or during one: students, the user with his own VMs, and bad luck.

A deed changes the host alone, never vboxlab's files. Done to what is not vboxlab's, it changes the control run as well.
Where there is nothing to do it to, it does nothing. What a deed itself destroys, its doer gave up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.campaign.host import CONFIGURED, DISK, EDIT, MEMORY, WORK, Host, joined
from vboxlab.errors import VboxlabError
from vboxlab.hypervisor.memory import MemoryDriver
from vboxlab.hypervisor.virtualbox.worker.media import Medium
from vboxlab.planning.observed import AdapterState, Attachment, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName

Deed = Callable[..., None]
RUNS = (PowerState.RUNNING, PowerState.PAUSED)


def do(host: Host, words: Sequence[str]) -> None:
    """Do a deed: its name, then what it is done to."""
    before = set(host.places())
    watcher, host.watcher = host.watcher, None
    try:
        DEEDS[words[0]](host, *words[1:])
    except VboxlabError:
        pass  # the hypervisor refused it to the user, too
    finally:
        host.watcher = watcher
    host.book.given_up |= before - set(host.places())
    host.calls.clear()


def lab_of(word: str) -> LabName:
    """Return the lab that a word such as duo or duo--ann stands for."""
    lab, _, copy = word.partition("--")
    return LabName(lab, copy or None)


def _own(host: Host, place: str) -> ObservedMachine | None:
    """Return the machine that a word such as duo--ann/one stands for."""
    lab, _, name = place.partition("/")
    return host.of_lab(lab_of(lab)).get(name)


def _foreign(host: Host, name: str) -> ObservedMachine | None:
    return next((host.machines[handle] for handle, each in host.book.foreign.items() if each.name == name), None)


def _put(host: Host, machine: ObservedMachine) -> None:
    """Change a VM that is not vboxlab's, in the control run as well."""
    control = host.book.foreign.get(machine.handle)
    was = host.machines.get(machine.handle)
    host.machines[machine.handle] = machine
    if control is None or was is None:
        host.book.foreign[machine.handle] = machine
        return
    changes = {name: value for name, value in vars(machine).items() if value != getattr(was, name)}
    host.book.foreign[machine.handle] = replace(control, **changes)


def work(host: Host, place: str) -> None:
    """Let a student make a file on a machine, which he switches on for it if need be, and off again."""
    machine = _own(host, place)
    if machine is None or machine.power not in (PowerState.RUNNING, PowerState.OFF):
        return
    off = machine.power is PowerState.OFF
    if off:
        host.switch(machine.handle, PowerState.RUNNING)
    _write(host, machine.handle, place)
    if off:
        host.switch(machine.handle, PowerState.OFF)


def _write(host: Host, handle: str, place: str) -> None:
    machine = host.machines[handle]
    marker = host.book.new_marker(f"a file on {place}")
    host.book.meanwhile[marker] = handle
    host.mark(handle, marks={**machine.marks, WORK: joined(machine.marks.get(WORK), marker)})
    if DISK in machine.marks:
        host.foreign_disks.setdefault(machine.marks[DISK], []).append(marker)


def edit(host: Host, place: str) -> None:
    """Let a student change a file that vboxlab wrote."""
    machine = _own(host, place)
    if machine is None or machine.power is not PowerState.RUNNING or CONFIGURED not in machine.marks:
        return
    before = machine.marks.get(EDIT)
    marker = host.book.new_marker(f"a changed file on {place}")
    host.book.meanwhile[marker] = machine.handle
    host.mark(machine.handle, marks={**machine.marks, EDIT: marker, CONFIGURED: "edited"})
    if before is not None:
        host.book.given_up.add(before)  # he wrote over it himself


def save(host: Host, place: str) -> None:
    """Let a student save the state of a machine in which he has something open."""
    machine = _own(host, place)
    if machine is None or machine.power not in RUNS:
        return
    marker = host.book.new_marker(f"the memory of {place}")
    host.book.meanwhile[marker] = machine.handle
    host.switch(machine.handle, PowerState.SAVED)
    host.mark(machine.handle, marks={**machine.marks, MEMORY: marker})


def power(host: Host, place: str, word: str) -> None:
    """Switch a machine on or off by hand, or let it pause."""
    machine = _own(host, place)
    if machine is None or machine.power is PowerState.INACCESSIBLE:
        return
    if PowerState(word) is PowerState.PAUSED and machine.power is not PowerState.RUNNING:
        return
    host.switch(machine.handle, PowerState(word))


def snapshot(host: Host, place: str, name: str) -> None:
    """Take a snapshot by hand, also of a name that the machine has already."""
    machine = _own(host, place)
    if machine is not None and machine.power is not PowerState.INACCESSIBLE:
        host.take(machine.handle, name)


def go_back(host: Host, place: str, name: str) -> None:
    """Restore the latest snapshot of a name by hand, whatever is lost by it."""
    machine = _own(host, place)
    found = [each.id for each in machine.snapshots if each.name == name] if machine else []
    if machine is None or not found or machine.power is PowerState.INACCESSIBLE:
        return
    host.switch(machine.handle, PowerState.OFF)
    MemoryDriver(host).restore_snapshot(machine.handle, found[-1])


def drop_snapshot(host: Host, place: str, name: str) -> None:
    """Delete the latest snapshot of a name by hand."""
    machine = _own(host, place)
    found = [each.id for each in machine.snapshots if each.name == name] if machine else []
    if machine is not None and found:
        MemoryDriver(host).delete_snapshot(machine.handle, found[-1])


def rename(host: Host, place: str, name: str) -> None:
    """Give a machine of a lab another name, if no VM has it."""
    machine = _own(host, place)
    if machine is not None and all(other.name != name for other in host.machines.values()):
        host.mark(machine.handle, name=name)


def rewire(host: Host, place: str, network: str) -> None:
    """Plug a machine's first adapter into another network, or pull its cable."""
    machine = _own(host, place)
    adapter = machine.adapter(1) if machine is not None else None
    if machine is None or adapter is None or machine.power is PowerState.INACCESSIBLE:
        return
    if network == "nowhere":
        MemoryDriver(host).set_cable(machine.handle, 1, not adapter.cable)
    else:
        MemoryDriver(host).attach(machine.handle, 1, Attachment("internal", network))


def resize(host: Host, place: str, memory: str) -> None:
    """Give a machine that is off, or saved by a careless user's editing, other memory."""
    machine = _own(host, place)
    if machine is not None and machine.power is PowerState.OFF:
        host.mark(machine.handle, memory=int(memory))


def delete(host: Host, place: str) -> None:
    """Remove a machine of a lab by hand."""
    machine = _own(host, place)
    if machine is not None and machine.handle not in host.depends.values():
        host.switch(machine.handle, PowerState.OFF)
        MemoryDriver(host).delete(machine.handle)


def put_disk(host: Host, place: str) -> None:
    """Put a disk of somebody's into a machine's folder."""
    machine = _own(host, place)
    if machine is None:
        return
    marker = host.book.new_marker(f"a disk in the folder of {place}")
    stray = host.put_stray(machine, f"{marker}.vdi", 4096)
    host.book.strays[str(stray.path)] = marker


def take_disk(host: Host, place: str) -> None:
    """Take one's disks out of a machine's folder again."""
    machine = _own(host, place)
    if machine is not None:
        host.strays = [each for each in host.strays if each[0].path.parent.name != machine.name]


def make_vm(host: Host, name: str, network: str = "") -> None:
    """Make a VM that is none of vboxlab's, if none has the name."""
    if all(other.name != name for other in host.machines.values()):
        plug = Attachment("internal", network) if network else Attachment("nat")
        adapters = (AdapterState(1, plug, f"0A0027{host.book.count + 1:06X}"),)
        media = (Medium("SATA", 0, 0, "HardDisk", f"/memory/{name}.vdi"),)
        _register(host, name, adapters, media)


def _register(host: Host, name: str, adapters: tuple[AdapterState, ...], media: tuple[Medium, ...]) -> None:
    made = host.add_foreign(name, adapters=adapters, media=media)
    host.book.foreign[made.handle] = made
    host.book.media[made.handle] = media
    host.book.count += 1


def clone_vm(host: Host, name: str, place: str) -> None:
    """Make a linked clone of a machine of a lab, which is then the user's own."""
    machine = _own(host, place)
    if machine is None or any(other.name == name for other in host.machines.values()):
        return
    make_vm(host, name)
    made = _foreign(host, name)
    assert made is not None
    host.depends[made.handle] = machine.handle


def rename_vm(host: Host, old: str, new: str) -> None:
    """Rename a VM that is none of vboxlab's."""
    machine = _foreign(host, old)
    if machine is not None and all(other.name != new for other in host.machines.values()):
        _put(host, replace(machine, name=new))


def remove_vm(host: Host, name: str) -> None:
    """Remove a VM that is none of vboxlab's, unless machines are linked clones of it."""
    machine = _foreign(host, name)
    images = [image for image, entry in host.images.items() if machine is not None and entry.vm == machine.handle]
    if machine is None or any(other.image in images for other in host.machines.values()):
        return
    for snapshot_ in machine.snapshots:
        host.held.pop((machine.handle, snapshot_.id), None)
    for image in images:  # it was only referred to, and what a reference leads to is gone (VirtualBox's driver)
        del host.images[image]
    for table in (host.machines, host.media, host.book.foreign, host.book.media, host.depends):
        table.pop(machine.handle, None)


def power_vm(host: Host, name: str, word: str) -> None:
    """Switch a VM that is none of vboxlab's on or off."""
    machine = _foreign(host, name)
    if machine is not None:
        host.switch(machine.handle, PowerState(word))
        changed = host.machines[machine.handle]
        host.machines[machine.handle] = machine
        _put(host, changed)


def snapshot_vm(host: Host, name: str) -> None:
    """Take a snapshot of a VM that is none of vboxlab's."""
    machine = _foreign(host, name)
    if machine is not None:
        host.take(machine.handle, "mine")
        changed = host.machines[machine.handle]
        host.machines[machine.handle] = machine
        _put(host, changed)


def set_kind(host: Host, name: str, kind: str) -> None:
    """Make the first disk of a VM that is none of vboxlab's one that snapshots hold, or do not."""
    machine = _foreign(host, name)
    if machine is not None:
        media = tuple(replace(each, kind=kind) for each in host.media.get(machine.handle, ()))
        host.media[machine.handle] = host.book.media[machine.handle] = media


def die(host: Host, place: str) -> None:
    """Kill the process that a running machine is."""
    machine = _own(host, place)
    if machine is not None and machine.power in RUNS:
        host.switch(machine.handle, PowerState.OFF)


def hide(host: Host, place: str) -> None:
    """Pull out the disk that a machine is on, or plug it in again."""
    machine = _own(host, place)
    if machine is None:
        return
    if machine.power is PowerState.INACCESSIBLE:
        host.mark(machine.handle, power=PowerState.OFF, problem="")
    elif machine.power is PowerState.OFF:
        host.mark(machine.handle, power=PowerState.INACCESSIBLE, problem="its files are gone", untouched=False)


def take_port(host: Host, place: str) -> None:
    """Let another program listen at the port that leads to a machine, or let go of it."""
    machine = _own(host, place)
    if host.taken_ports:
        host.taken_ports.clear()
    elif machine is not None and machine.management_port and machine.power is PowerState.OFF:
        host.taken_ports.add(machine.management_port)


def cut_power(host: Host) -> None:
    """Let every machine of the host be off at once."""
    for handle, machine in list(host.machines.items()):
        if machine.power in RUNS:
            host.switch(handle, PowerState.OFF)
            if handle in host.book.foreign:
                changed = host.machines[handle]
                host.machines[handle] = machine
                _put(host, changed)


DEEDS: dict[str, Deed] = {
    "works": work, "edits": edit, "saves": save, "switches": power, "takes": snapshot, "goes-back": go_back,
    "drops-snapshot": drop_snapshot, "renames": rename, "rewires": rewire, "resizes": resize, "deletes": delete,
    "puts-disk": put_disk, "takes-disk": take_disk, "makes-vm": make_vm, "clones": clone_vm, "renames-vm": rename_vm,
    "removes-vm": remove_vm, "switches-vm": power_vm, "takes-vm": snapshot_vm, "sets-kind": set_kind, "kills-vm": die,
    "hides": hide, "takes-port": take_port, "cuts-power": cut_power,
}  # fmt: skip
