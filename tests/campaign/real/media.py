"""Markers on real disks: written where a guest would write, and found in the files of a machine's chain of images.

A differencing VDI holds the blocks that were written while it was the current one, as they were written (VirtualBox's
VDICore.h). So a marker is on a machine as long as one of the files that its disk consists of holds it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

SPACE = "{http://www.virtualbox.org/}"
MARKER = re.compile(rb"<marker (m\d+)>")
FREE = 0xFFFFFFFF
# Offsets of a VDI's header, version 1.1.
OFFSETS, BLOCKS = 0x154, 0x178  # blocks' table and data; block size, extra size, number of blocks, allocated ones


@dataclass(frozen=True)
class Chains:
    """The disks of one VM: files of its present state, and of each snapshot by its id, the current one first."""

    now: tuple[Path, ...]
    snapshots: dict[str, tuple[Path, ...]]


def write(disk: Path, marker: str) -> None:
    """Write a marker into a VDI whose machine is off, as its guest would: into a block that no other marker uses."""
    number = int(marker[1:])
    with disk.open("r+b") as stream:
        stream.seek(OFFSETS)
        table, data = struct.unpack("<II", stream.read(8))
        stream.seek(BLOCKS)
        size, extra, count, allocated = struct.unpack("<IIII", stream.read(16))
        assert number < count, f"{disk} has {count} blocks, and this is marker {number}"
        stream.seek(table + 4 * number)
        place = int.from_bytes(stream.read(4), "little")
        if place == FREE:
            place = allocated
            stream.seek(table + 4 * number)
            stream.write(place.to_bytes(4, "little"))
            stream.seek(BLOCKS + 12)
            stream.write((allocated + 1).to_bytes(4, "little"))
            stream.seek(data + place * (size + extra))
            stream.write(bytes(size + extra))
        stream.seek(data + place * (size + extra) + extra)
        stream.write(b"<marker %s>" % marker.encode())


def read(disk: Path) -> frozenset[str]:
    """Return the markers in a file."""
    try:
        return frozenset(found.decode() for found in MARKER.findall(disk.read_bytes()))
    except OSError:
        return frozenset()


def chains(settings: Path) -> dict[str, Chains]:
    """Return the disks of every VM of a VirtualBox by the VM's UUID, from what its settings' files say."""
    registry = _parsed(settings / "VirtualBox.xml")
    files = {entry.get("uuid", "").strip("{}"): Path(entry.get("src", "")) for entry in _all(registry, "MachineEntry")}
    roots = {}
    for handle, file in files.items():
        try:
            roots[handle] = _parsed(file), file.parent
        except (OSError, ET.ParseError):
            continue
    parents: dict[str, tuple[Path, str]] = {}
    for root, folder in [(registry, settings), *roots.values()]:
        for disks in _all(root, "HardDisks"):
            parents.update(_media(disks, folder, ""))

    def chain(hardware: ET.Element) -> tuple[Path, ...]:
        found = []
        for device in _all(hardware, "AttachedDevice"):
            image = device.find(f"{SPACE}Image")
            uuid = image.get("uuid", "") if image is not None and device.get("type") == "HardDisk" else ""
            while uuid in parents:
                path, uuid = parents[uuid]
                found.append(path)
        return tuple(found)

    result = {}
    for handle, (root, _) in roots.items():
        machine = root.find(f"{SPACE}Machine")
        hardware = machine.find(f"{SPACE}Hardware") if machine is not None else None
        if hardware is None:
            continue
        snapshots = {
            each.get("uuid", "").strip("{}"): chain(inner)
            for each in _all(root, "Snapshot")
            if (inner := each.find(f"{SPACE}Hardware")) is not None
        }
        result[handle] = Chains(chain(hardware), snapshots)
    return result


@retry(
    retry=retry_if_exception_type((OSError, ET.ParseError)),
    stop=stop_after_attempt(20),
    wait=wait_fixed(0.05),
    reraise=True,
)
def _parsed(file: Path) -> ET.Element:
    """Return what is in a settings file, which VirtualBox may just be replacing: for a moment there is none."""
    return ET.parse(file).getroot()


def _all(root: ET.Element, name: str) -> Iterator[ET.Element]:
    return root.iter(f"{SPACE}{name}")


def _media(disks: ET.Element, folder: Path, parent: str) -> Iterator[tuple[str, tuple[Path, str]]]:
    for disk in disks.findall(f"{SPACE}HardDisk"):
        uuid = disk.get("uuid", "")
        yield uuid, (folder / disk.get("location", ""), parent)
        yield from _media(disk, folder, uuid)
