"""Machines, images and snapshots as VirtualBox has them: found by handle, name or mark, and only read.

An image is a VM of ours that carries the image mark, or an existing VM that the user named: that is only referred to
(in VirtualBox's own global extra data) and stays unmarked, so nothing will ever change or remove it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import marks
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatim
from vboxlab.lazily import dataclass

REFERENCE = "vboxlab/image/"  # global extra data: REFERENCE + name -> {"vm": UUID, "snapshot": UUID}
VM_PREFIX = "vboxlab-image-"
NOT_FOUND = 0x80BB0001  # VBOX_E_OBJECT_NOT_FOUND


@dataclass(frozen=True)
class Image:
    """An image as found: its VM, and the snapshot that clones are made from."""

    name: str
    machine: Any
    snapshot: Any
    owned: bool


def find_machine(connection: Connection, handle: str, *, readable: bool = True) -> Any:
    """Return the machine with a UUID (or name). Raises Failure when it is gone or cannot be read."""
    try:
        machine = connection.vbox.findMachine(handle)
        if readable and not machine.accessible:
            told = Told("settings-unreadable", {"machine": name_of(machine)})
            raise Failure("inaccessible", told, details=[why_unreadable(machine)])
    except connection.api_error as error:
        failure = connection.failure(error, Told("looking-for-the-machine"))
        raise Failure("not-found", failure.told) if failure.result_code == NOT_FOUND else failure from error
    return machine


def find_named(connection: Connection, name: str) -> Any | None:
    """Return the machine of a name (or UUID), readable or not, None if there is none."""
    try:
        return connection.vbox.findMachine(name)
    except connection.api_error as error:
        failure = connection.failure(error, Told("looking-for-name"))
        if failure.result_code != NOT_FOUND:
            raise failure from error
    return None


def name_of(machine: Any) -> str:
    """Return a machine's name, of one whose settings cannot be read the name of their file."""
    return str(machine.name) if machine.accessible else Path(str(machine.settingsFilePath)).stem


def why_unreadable(machine: Any) -> Told:
    """Return why a machine's settings cannot be read."""
    problem = machine.accessError
    return verbatim(problem.text) if problem is not None else Told("no-reason-given")


def all_images(connection: Connection) -> Iterator[Image]:
    """Yield the images that are whole and can be read."""
    for machine in connection.array(connection.vbox, "machines"):
        with contextlib.suppress(connection.api_error):
            name = marks.read_label(machine).image if machine.accessible else ""
            if name and machine.currentSnapshot is not None:
                yield Image(name, machine, machine.currentSnapshot, owned=True)
    for key in connection.vbox.getExtraDataKeys():  # a method, which is no array attribute for COM
        if not str(key).startswith(REFERENCE):
            continue
        found = _referred(connection, str(key))
        if found is not None:
            yield found


def _referred(connection: Connection, key: str) -> Image | None:
    """Return the image that a key of the global extra data refers to, None if it is not there (any more)."""
    with contextlib.suppress(connection.api_error, ValueError, KeyError, TypeError, RecursionError):
        reference = json.loads(connection.vbox.getExtraData(key))
        machine = connection.vbox.findMachine(reference["vm"])
        return Image(key[len(REFERENCE) :], machine, machine.findSnapshot(reference["snapshot"]), owned=False)
    return None


def find_image(connection: Connection, name: str) -> Image | None:
    """Return the image of a name, None if there is none."""
    with contextlib.suppress(connection.api_error):
        machine = connection.vbox.findMachine(VM_PREFIX + name)  # the usual case, however many machines there are
        if machine.accessible and marks.read_label(machine).image == name:
            snapshot = machine.currentSnapshot
            if snapshot is not None:
                return Image(name, machine, snapshot, owned=True)
    with connection.errors(Told("looking-for-images")):
        referred = _referred(connection, REFERENCE + name)
        if referred is not None:
            return referred
        return next((image for image in all_images(connection) if image.name == name), None)


def need_image(connection: Connection, name: str) -> Image:
    """Return the image of a name. Raises Failure when it is not there."""
    image = find_image(connection, name)
    if image is None:
        unreadable = [
            Told("image-unreadable", {"machine": name_of(each), "why": why_unreadable(each)})
            for each in _unreadable(connection)
        ]
        raise Failure("no-image", Told("no-image", {"image": name}), details=unreadable)
    return image


def _unreadable(connection: Connection) -> list[Any]:
    """Return the unreadable VMs that may be images of ours."""
    with connection.errors(Told("looking-for-images")):
        found = [each for each in connection.array(connection.vbox, "machines") if not each.accessible]
        return [each for each in found if name_of(each).startswith(VM_PREFIX)]


def all_snapshots(connection: Connection, machine: Any) -> Iterator[Any]:
    """Yield all snapshots, hidden ones too, parents first."""
    if not machine.snapshotCount:
        return

    def below(snapshot: Any) -> Iterator[Any]:
        yield snapshot
        for child in connection.array(snapshot, "children"):
            yield from below(child)

    yield from below(machine.findSnapshot(""))  # the root: IMachine::findSnapshot, "null or empty"
