"""A machine read from its settings file: one look instead of some fifty calls.

VirtualBox writes the file at every change that lasts, so for a machine that no session holds it says what the API says
(tests/virtualbox compares both). What is not understood is left to the API. Format: VirtualBox's
src/VBox/Main/xml/VirtualBox-settings.xsd, the same in this for 6.1 to 7.2.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from vboxlab.hypervisor.virtualbox.worker.calls import Adapter, Attachment, Details, Snapshot
from vboxlab.lazily import dataclass

NAMESPACE = "{http://www.virtualbox.org/}"
# Our kinds of network by the element that says what an adapter is plugged into.
KINDS = {
    "NAT": "nat",
    "InternalNetwork": "internal",
    "HostOnlyInterface": "host-only",
    "HostOnlyNetwork": "host-only",
    "BridgedInterface": "bridged",
    "NATNetwork": "nat-network",
}
PROTOCOLS = {"0": "udp", "1": "tcp"}  # NATProtocol (VirtualBox's SDK reference)
PLAIN = ("tcp", "127.0.0.1")
MAX_BYTES = 64 << 20  # a settings file with 250 nested snapshots, VirtualBox's own limit, has some 2 MiB
REMOVED = "[vboxlab removed]\n"  # starts the description of a hidden snapshot


def parse(path: Path) -> ET.Element | None:
    """Return the root of a settings file of VirtualBox's, None for whatever cannot be read as one."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        return ET.parse(path).getroot()  # noqa: S314 -- in this user's folder; expat bounds what entities expand to
    # The parser also raises these, for encodings that it does not know or that the text is not in.
    except (OSError, ET.ParseError, LookupError, ValueError):
        return None


def extra_data(root: ET.Element) -> dict[str, str]:
    """Return a machine's extra data."""
    items = root.findall(f"{NAMESPACE}Machine/{NAMESPACE}ExtraData/{NAMESPACE}ExtraDataItem")
    return {item.get("name", ""): item.get("value", "") for item in items}


def leaves_nothing(path: Path) -> bool:
    """Tell whether a clone of a machine inherits none of what it must not have, as is so of the images made here.

    That is: no adapter in use, no forward, no shared folder, no remote desktop, no memory of the window, nothing in a
    drive, no disk that snapshots do not hold.
    """
    root = parse(path)
    if root is None:
        return False
    return not any(_is_left(element.tag.removeprefix(NAMESPACE), element) for element in root.iter())


def _is_left(tag: str, element: ET.Element) -> bool:
    if tag in ("Forwarding", "SharedFolder", "MachineEncrypted"):
        return True
    if tag in ("Adapter", "RemoteDisplay", "Port", "VideoCapture", "Recording"):
        return element.get("enabled", "false") == "true"
    if tag == "AttachedDevice" and element.get("type") != "HardDisk":
        return len(element) > 0 or element.get("passthrough") == "true"
    if tag == "HardDisk":
        return element.get("type", "Normal") != "Normal"
    return tag == "ExtraDataItem" and element.get("name", "").startswith("GUI/")


@dataclass(frozen=True)
class Kept:
    """A snapshot with the whole text of its description; `parent` is the one above it, hidden or not."""

    id: str
    name: str
    parent: str | None
    text: str
    taken_at: str
    live: bool

    @property
    def hidden(self) -> bool:
        """Tell whether it was removed, as far as the user sees."""
        return self.text.startswith(REMOVED)


@dataclass(frozen=True)
class Settings:
    """What a settings file says of its machine. Memory is in MiB; None stands for what is left to the API.

    Snapshots come parents first. `attached` are the UUIDs of the disks that the machine has now, by the names of their
    controllers, ports and devices, and `disks` those that it has now or in a snapshot.
    """

    id: str
    name: str
    cpus: int | None
    memory: int | None
    extra_data: Mapping[str, str]
    adapters: tuple[Adapter, ...] | None
    snapshots: tuple[Kept, ...] | None
    current: str | None
    modified: bool
    attached: Mapping[tuple[str, str, str], str]
    disks: frozenset[str]


def read(path: Path) -> Settings | None:
    """Return what a settings file says, None when it cannot be read."""
    root = parse(path)
    machine = root.find(f"{NAMESPACE}Machine") if root is not None else None
    if root is None or machine is None:
        return None
    hardware = f"{NAMESPACE}Hardware/{NAMESPACE}"
    cpu = machine.find(f"{NAMESPACE}Platform/{NAMESPACE}CPU")  # since 7.1
    return Settings(
        _uuid(machine.get("uuid", "")),
        machine.get("name", ""),
        _number(cpu if cpu is not None else machine.find(f"{hardware}CPU"), "count", "1"),
        _number(machine.find(f"{hardware}Memory"), "RAMSize", ""),
        extra_data(root),
        _adapters(machine),
        _all_snapshots(machine),
        _uuid(machine.get("currentSnapshot", "")) or None,
        machine.get("currentStateModified") != "false",
        dict(_attached(machine.findall(f"{hardware}StorageControllers/{NAMESPACE}StorageController"))),
        frozenset(disk for _place, disk in _attached(machine.iter(f"{NAMESPACE}StorageController"))),
    )


def details_of(
    adapters: Sequence[Adapter], snapshots: Sequence[Kept], current: str | None, modified: bool, marks_begin: str
) -> Details:
    """Return what is told of a machine: its snapshots but for those that are hidden, whose children stand for them.

    `marks_begin` is where the part of a snapshot's description begins that is not for people.
    """
    shown: dict[str | None, str | None] = {None: None}
    for kept in snapshots:
        shown[kept.id] = shown[kept.parent] if kept.hidden else kept.id
    visible = tuple(
        Snapshot(kept.id, kept.name, shown[kept.parent], kept.taken_at, kept.live, kept.text.partition(marks_begin)[0])
        for kept in snapshots
        if not kept.hidden
    )
    standing = shown.get(current)
    untouched = standing is not None and standing == current and not modified
    return Details(tuple(sorted(adapters, key=lambda each: each.slot)), visible, standing, untouched)


def _uuid(text: str) -> str:
    return text.strip("{}")


def _attached(controllers: Iterable[ET.Element]) -> Iterator[tuple[tuple[str, str, str], str]]:
    for controller in controllers:
        for device in controller.findall(f"{NAMESPACE}AttachedDevice[@type='HardDisk']"):
            image = device.find(f"{NAMESPACE}Image")
            if image is not None:
                place = (controller.get("name", ""), device.get("port", ""), device.get("device", ""))
                yield place, _uuid(image.get("uuid", ""))


def _number(element: ET.Element | None, attribute: str, default: str) -> int | None:
    text = "" if element is None else element.get(attribute, default)
    return int(text) if text.isascii() and text.isdecimal() else None


def _adapters(machine: ET.Element) -> tuple[Adapter, ...] | None:
    try:
        found = [_adapter(each) for each in machine.findall(f"{NAMESPACE}Hardware/{NAMESPACE}Network/*")]
    except (ValueError, KeyError):
        return None
    return tuple(each for each in found if each is not None)


def _all_snapshots(machine: ET.Element) -> tuple[Kept, ...] | None:
    try:
        return tuple(_snapshots(machine, None))
    except (ValueError, KeyError, OverflowError, RecursionError):
        return None


def _adapter(element: ET.Element) -> Adapter | None:
    """Return one adapter, None for one that is not enabled. Raises KeyError for a kind that is not known."""
    if element.get("enabled", "false") != "true":
        return None
    plugged = [each for each in element if each.tag.removeprefix(NAMESPACE) not in ("DisabledModes", "Properties")]
    (attachment,) = plugged
    kind = KINDS[attachment.tag.removeprefix(NAMESPACE)]
    rules = sorted(attachment.findall(f"{NAMESPACE}Forwarding"), key=lambda rule: rule.get("name", ""))
    forwards = [
        (int(rule.attrib["hostport"]), int(rule.attrib["guestport"]), PROTOCOLS[rule.attrib["proto"]],
         rule.get("hostip", ""))
        for rule in rules
    ]  # fmt: skip
    attached = Attachment(
        kind,
        name="" if kind == "nat" else attachment.attrib["name"],
        subnet=attachment.get("network", "") if kind == "nat" else "",
        forwards=tuple(forward[:2] for forward in forwards if forward[2:] == PLAIN),
        other_forwards=tuple(forward for forward in forwards if forward[2:] != PLAIN),
    )
    mac, cable = element.attrib["MACAddress"].upper(), element.get("cable", "true") == "true"
    return Adapter(int(element.attrib["slot"]) + 1, attached, mac, cable)


def _snapshots(above: ET.Element, parent: str | None) -> Iterator[Kept]:
    for element in above.findall(f"{NAMESPACE}Snapshot"):
        kept = Kept(
            id=_uuid(element.attrib["uuid"]),
            name=element.attrib["name"],
            parent=parent,
            text=element.findtext(f"{NAMESPACE}Description") or "",
            taken_at=_time(element.attrib["timeStamp"]),
            live=bool(element.get("stateFile")),
        )
        yield kept
        for children in element.findall(f"{NAMESPACE}Snapshots"):
            yield from _snapshots(children, kept.id)


def _time(text: str) -> str:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).isoformat(timespec="seconds")
