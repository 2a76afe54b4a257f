"""A machine's adapters and snapshots read from its settings file: one look instead of some forty calls.

VirtualBox writes the file at every change that lasts, so for a machine that no session holds it says what the API says
(tests/virtualbox compares both). What is not understood is left to the API. Format: VirtualBox's
src/VBox/Main/xml/VirtualBox-settings.xsd, the same in this for 6.1 to 7.2.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from vboxlab.hypervisor.virtualbox.worker.calls import Adapter, Attachment, Details, Snapshot

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


def read(path: Path, marks_begin: str) -> Details | None:
    """Return adapters, snapshots and current snapshot, None when the file cannot be read or says something unknown.

    `marks_begin` is where the part of a snapshot's description begins that is not for people.
    """
    root = parse(path)
    machine = root.find(f"{NAMESPACE}Machine") if root is not None else None
    if machine is None:
        return None
    try:
        adapters = [_adapter(each) for each in machine.findall(f"{NAMESPACE}Hardware/{NAMESPACE}Network/*")]
        found = list(_snapshots(machine, None, marks_begin))
    except (ValueError, KeyError, OverflowError, RecursionError):
        return None
    shown = {uuid: shown_as for uuid, shown_as, _ in found}
    visible = {uuid for uuid, _, snapshot in found if snapshot is not None}
    current = machine.get("currentSnapshot", "")
    return Details(
        adapters=tuple(sorted((each for each in adapters if each is not None), key=lambda each: each.slot)),
        snapshots=tuple(snapshot for _, _, snapshot in found if snapshot is not None),
        current_snapshot=shown.get(current),
        untouched=current in visible and machine.get("currentStateModified") == "false",
    )


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


def _snapshots(
    parent: ET.Element, shown: str | None, marks_begin: str
) -> Iterator[tuple[str, str | None, Snapshot | None]]:
    """Yield each snapshot's UUID, the id it is shown as, and what it is (None for a hidden one)."""
    for element in parent.findall(f"{NAMESPACE}Snapshot"):
        text = element.findtext(f"{NAMESPACE}Description") or ""
        hidden = text.startswith(REMOVED)
        identifier = element.attrib["uuid"].strip("{}")
        shown_as = shown if hidden else identifier
        snapshot = Snapshot(
            id=identifier,
            name=element.attrib["name"],
            parent=shown,
            taken_at=_time(element.attrib["timeStamp"]),
            live=bool(element.get("stateFile")),
            description=text.partition(marks_begin)[0],
        )
        yield element.attrib["uuid"], shown_as, None if hidden else snapshot
        for children in element.findall(f"{NAMESPACE}Snapshots"):
            yield from _snapshots(children, shown_as, marks_begin)


def _time(text: str) -> str:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).isoformat(timespec="seconds")
