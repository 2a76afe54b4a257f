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
from typing import Any

NAMESPACE = "{http://www.virtualbox.org/}"
# Our kinds of network by the element that says what an adapter is plugged into.
KINDS = {
    "NAT": "nat",
    "InternalNetwork": "internal",
    "HostOnlyInterface": "host-only",
    "BridgedInterface": "bridged",
    "NATNetwork": "nat-network",
}
TCP = "1"
REMOVED = "[vboxlab removed]\n"  # starts the description of a hidden snapshot


def leaves_nothing(path: Path) -> bool:
    """Tell whether a clone of a machine inherits none of what it must not have, as is so of the images made here.

    That is: no adapter in use, no forward, no shared folder, no remote desktop, no memory of the window, nothing in a
    drive, no disk that snapshots do not hold.
    """
    try:
        elements = list(ET.parse(path).iter())  # noqa: S314 -- VirtualBox's own file
    except (OSError, ET.ParseError):
        return False
    return not any(_is_left(element.tag.removeprefix(NAMESPACE), element) for element in elements)


def _is_left(tag: str, element: ET.Element) -> bool:
    if tag in ("Forwarding", "SharedFolder", "MachineEncrypted"):
        return True
    if tag in ("Adapter", "RemoteDisplay"):
        return element.get("enabled", "false") == "true"
    if tag == "AttachedDevice" and element.get("type") != "HardDisk":
        return len(element) > 0 or element.get("passthrough") == "true"
    if tag == "HardDisk":
        return element.get("type", "Normal") != "Normal"
    return tag == "ExtraDataItem" and element.get("name", "").startswith("GUI/")


def read(path: Path, marks_begin: str) -> dict[str, Any] | None:
    """Return adapters, snapshots and current snapshot, None when the file cannot be read or says something unknown.

    `marks_begin` is where the part of a snapshot's description begins that is not for people.
    """
    try:
        machine = ET.parse(path).getroot().find(f"{NAMESPACE}Machine")  # noqa: S314 -- VirtualBox's own file
        if machine is None:
            return None
        adapters = [_adapter(each) for each in machine.findall(f"{NAMESPACE}Hardware/{NAMESPACE}Network/*")]
        found = list(_snapshots(machine, None, marks_begin))
    except (OSError, ET.ParseError, ValueError, KeyError):
        return None
    shown = {uuid: name for uuid, name, _ in found}
    return {
        "adapters": sorted((each for each in adapters if each is not None), key=lambda each: int(each["slot"])),
        "snapshots": [snapshot for _, _, snapshot in found if snapshot is not None],
        "current_snapshot": shown.get(machine.get("currentSnapshot", "")),
    }


def _adapter(element: ET.Element) -> dict[str, Any] | None:
    """Return one adapter, None for one that is not enabled. Raises KeyError for a kind that is not known."""
    if element.get("enabled", "false") != "true":
        return None
    plugged = [each for each in element if each.tag.removeprefix(NAMESPACE) not in ("DisabledModes", "Properties")]
    (attachment,) = plugged
    kind = KINDS[attachment.tag.removeprefix(NAMESPACE)]
    rules = sorted(attachment.findall(f"{NAMESPACE}Forwarding"), key=lambda rule: rule.get("name", ""))
    return {
        "slot": int(element.attrib["slot"]) + 1,
        "kind": kind,
        "name": "" if kind == "nat" else attachment.attrib["name"],
        "subnet": attachment.get("network", "") if kind == "nat" else "",
        "forwards": [[int(rule.attrib["hostport"]), int(rule.attrib["guestport"])] for rule in rules],
        "mac": element.attrib["MACAddress"].upper(),
        "cable": element.get("cable", "true") == "true",
    }


def _snapshots(
    parent: ET.Element, shown: str | None, marks_begin: str
) -> Iterator[tuple[str, str | None, dict[str, Any] | None]]:
    """Yield each snapshot's UUID, what it is shown as, and its description for people (None for a hidden one)."""
    for element in parent.findall(f"{NAMESPACE}Snapshot"):
        text = element.findtext(f"{NAMESPACE}Description") or ""
        hidden = text.startswith(REMOVED)
        name = shown if hidden else element.attrib["name"]
        snapshot = {
            "name": name,
            "parent": shown,
            "taken_at": _time(element.attrib["timeStamp"]),
            "live": bool(element.get("stateFile")),
            "description": text.partition(marks_begin)[0],
        }
        yield element.attrib["uuid"], name, None if hidden else snapshot
        for children in element.findall(f"{NAMESPACE}Snapshots"):
            yield from _snapshots(children, name, marks_begin)


def _time(text: str) -> str:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).isoformat(timespec="seconds")
