"""What the world does to a real VirtualBox between two verbs, or during one: as tests.campaign.deeds, with VBoxManage.

What VirtualBox refuses to its user is not done. What a deed itself destroys, its doer gave up.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.campaign.deeds import lab_of
from tests.campaign.host import Host
from tests.campaign.real import media
from tests.campaign.real.computer import DISK_SIZE, Computer
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.planning.observed import ObservedMachine, PowerState

Deed = Callable[..., None]


def do(computer: Computer, words: Sequence[str]) -> None:
    """Do a deed: its name, then what it is done to."""
    host = computer.host()
    before = host.places()
    with suppress(subprocess.CalledProcessError):
        DEEDS[words[0]](computer, host, *words[1:])
    after = computer.host()
    computer.book.given_up |= before.keys() - after.places().keys()
    for handle in list(computer.book.foreign):
        if handle not in after.machines:
            for table in (computer.book.foreign, computer.fingerprints, computer.depends):
                table.pop(handle, None)
        elif after.machines[handle] != host.machines.get(handle):
            _know(computer, after.machines[handle])


def _know(computer: Computer, machine: ObservedMachine) -> None:
    """Remember a VM of the user's as it is now."""
    computer.book.foreign[machine.handle] = machine
    computer.fingerprints[machine.handle] = computer.fingerprint(machine.handle)


def _own(host: Host, place: str) -> ObservedMachine | None:
    lab, _, name = place.partition("/")
    return host.of_lab(lab_of(lab)).get(name)


def _foreign(host: Host, name: str) -> ObservedMachine | None:
    return next((m for m in host.machines.values() if m.handle in host.book.foreign and m.name == name), None)


def _manage(computer: Computer) -> Callable[..., str]:
    world: VirtualBoxWorld = computer.world
    return world.manage


def work(computer: Computer, host: Host, place: str) -> None:
    """Let a student write something on a machine's disk, as its guest would."""
    machine = _own(host, place)
    chain = media.chains(computer.world.settings).get(machine.handle) if machine is not None else None
    if machine is None or machine.power is not PowerState.OFF or chain is None or not chain.now:
        return
    marker = computer.book.new_marker(f"a file on {place}")
    computer.book.meanwhile[marker] = machine.handle
    media.write(chain.now[0], marker)
    _have_run(computer, machine)


def _have_run(computer: Computer, machine: ObservedMachine) -> None:
    """Let VirtualBox note that a machine was on: no guest runs here, but a state can be adopted and discarded."""
    state = computer.folder / "guest.sav"
    state.write_bytes(b"")
    manage = _manage(computer)
    manage("adoptstate", machine.handle, str(state))
    manage("discardstate", machine.handle)


def snapshot(computer: Computer, host: Host, place: str, name: str) -> None:
    """Take a snapshot by hand, also of a name that the machine has already."""
    if (machine := _own(host, place)) is not None:
        _manage(computer)("snapshot", machine.handle, "take", name)


def go_back(computer: Computer, host: Host, place: str, name: str) -> None:
    """Restore the latest snapshot of a name by hand, whatever is lost by it."""
    machine = _own(host, place)
    found = [each.id for each in machine.snapshots if each.name == name] if machine else []
    if machine is not None and found:
        _manage(computer)("snapshot", machine.handle, "restore", found[-1])


def drop_snapshot(computer: Computer, host: Host, place: str, name: str) -> None:
    """Delete the latest snapshot of a name by hand."""
    machine = _own(host, place)
    found = [each.id for each in machine.snapshots if each.name == name] if machine else []
    if machine is not None and found:
        _manage(computer)("snapshot", machine.handle, "delete", found[-1])


def rename(computer: Computer, host: Host, place: str, name: str) -> None:
    """Give a machine of a lab another name."""
    if (machine := _own(host, place)) is not None:
        _manage(computer)("modifyvm", machine.handle, "--name", name)


def rewire(computer: Computer, host: Host, place: str, network: str) -> None:
    """Plug a machine's first adapter into another network, or pull its cable."""
    if (machine := _own(host, place)) is None:
        return
    if network == "nowhere":
        _manage(computer)("modifyvm", machine.handle, "--cableconnected1", "off")
    else:
        _manage(computer)("modifyvm", machine.handle, "--nic1", "intnet", "--intnet1", network)


def resize(computer: Computer, host: Host, place: str, memory: str) -> None:
    """Give a machine other memory."""
    if (machine := _own(host, place)) is not None:
        _manage(computer)("modifyvm", machine.handle, "--memory", memory)


def delete(computer: Computer, host: Host, place: str) -> None:
    """Remove a machine of a lab by hand. VirtualBox leaves its settings file where it may not remove a disk."""
    if (machine := _own(host, place)) is None:
        return
    try:
        _manage(computer)("unregistervm", machine.handle, "--delete")
    finally:
        if machine.handle in computer.depends.values():
            computer.left.update((computer.world.folder / "vboxlab").rglob(f"{machine.name}.vbox*"))


def put_disk(computer: Computer, host: Host, place: str) -> None:
    """Put a disk of somebody's into a machine's folder."""
    machine = _own(host, place)
    chain = media.chains(computer.world.settings).get(machine.handle) if machine is not None else None
    if machine is None or chain is None or not chain.now:
        return
    marker = computer.book.new_marker(f"a disk in the folder of {place}")
    folder = chain.now[0].parent
    disk = (folder.parent if folder.name == "Snapshots" else folder) / f"{marker}.vdi"
    _manage(computer)("createmedium", "disk", "--filename", str(disk), "--size", DISK_SIZE)
    media.write(disk, marker)
    computer.book.strays[str(disk)] = marker


def take_disk(computer: Computer, host: Host, place: str) -> None:
    """Take one's disks out of a machine's folder again."""
    del host
    name = place.partition("/")[2]
    for path in map(Path, list(computer.book.strays)):
        if path.exists() and path.parent.name.startswith(name):
            _manage(computer)("closemedium", "disk", str(path), "--delete")


def make_vm(computer: Computer, host: Host, name: str, network: str = "") -> None:
    """Make a VM that is none of vboxlab's, if none has the name."""
    if any(other.name == name for other in host.machines.values()):
        return
    manage = _manage(computer)
    handle = computer.world.add_foreign(name)
    if network:
        manage("modifyvm", handle, "--nic1", "intnet", "--intnet1", network)
    disk = computer.world.folder / name / "disk.vdi"
    manage("createmedium", "disk", "--filename", str(disk), "--size", DISK_SIZE)
    manage("storagectl", handle, "--name", "SATA", "--add", "sata")
    manage(
        "storageattach", handle, "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium",
        str(disk),
    )  # fmt: skip
    _know(computer, computer.host().machines[handle])


def clone_vm(computer: Computer, host: Host, name: str, place: str) -> None:
    """Make a linked clone of a machine of a lab, which is then the user's own."""
    machine = _own(host, place)
    if machine is None or not machine.snapshots or any(other.name == name for other in host.machines.values()):
        return
    at = machine.snapshots[-1].id
    _manage(computer)(
        "clonevm", machine.handle, "--snapshot", at, "--options", "link", "--name", name, "--register"
    )  # fmt: skip
    (made,) = [each for each in computer.host().machines.values() if each.name == name]
    computer.depends[made.handle] = machine.handle
    _know(computer, made)


def rename_vm(computer: Computer, host: Host, old: str, new: str) -> None:
    """Rename a VM that is none of vboxlab's."""
    machine = _foreign(host, old)
    if machine is not None and all(other.name != new for other in host.machines.values()):
        _manage(computer)("modifyvm", machine.handle, "--name", new)
        _know(computer, computer.host().machines[machine.handle])


def remove_vm(computer: Computer, host: Host, name: str) -> None:
    """Remove a VM that is none of vboxlab's, unless machines are linked clones of it."""
    machine = _foreign(host, name)
    if machine is not None and machine.handle not in host.book.bases:
        _manage(computer)("unregistervm", machine.handle, "--delete")


def snapshot_vm(computer: Computer, host: Host, name: str) -> None:
    """Take a snapshot of a VM that is none of vboxlab's."""
    if (machine := _foreign(host, name)) is not None:
        _manage(computer)("snapshot", machine.handle, "take", "mine")
        _know(computer, computer.host().machines[machine.handle])


DEEDS: dict[str, Deed] = {
    "works": work, "takes": snapshot, "goes-back": go_back, "drops-snapshot": drop_snapshot, "renames": rename,
    "rewires": rewire, "resizes": resize, "deletes": delete, "puts-disk": put_disk, "takes-disk": take_disk,
    "makes-vm": make_vm, "clones": clone_vm, "renames-vm": rename_vm, "removes-vm": remove_vm, "takes-vm": snapshot_vm,
}  # fmt: skip
