r"""Makes the tables of this folder anew, from public packages and the installed VirtualBox.

    pip download --no-deps -d FOLDER vbox-sdk==6.1.0        # and the other releases in WHEELS
    (cd FOLDER && apt-get source --download-only libvirt=9.0.0-4+deb12u2 libvirt=11.3.0-3+deb13u3)
    sudo python tests/virtualbox/harness.py --share FOLDER --command -- \
        python -m tests.virtualbox.series --installed /shared
    python -m tests.virtualbox.series FOLDER

They have what is in the golden record, and what else worker/versions.py names: after a change of either they are made
anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

from tests.golden_files import GOLDEN
from tests.virtualbox.series import ENTRY, HERE, IN_VERSIONS, NOT_RECORDED, RECORD, SERIES
from tests.virtualbox.series.definitions import (
    Interfaces,
    between,
    chosen,
    constants_of,
    from_header,
    from_installed,
    manager_of,
    words_in,
)
from vboxlab.hypervisor.virtualbox.readiness import find_bindings, find_installation
from vboxlab.hypervisor.virtualbox.worker import networks, versions
from vboxlab.hypervisor.virtualbox.worker.connection import load_binding

# The first and the last release of a series: what both have is taken for what the series has.
WHEELS = {
    "6.1": ("6.1.0", "6.1.50"),
    "7.0": ("7.0.0", "7.0.26"),
    "7.1": ("7.1.0", "7.1.18"),
    "7.2": ("7.2.0", "7.2.22"),
}
# libvirt has the header that VirtualBox's SDK generates from VirtualBox.xidl.
HEADERS = {
    "6.1": ("libvirt 9.0.0-4+deb12u2 (Debian)", "libvirt_9.0.0.orig.tar.xz", "libvirt-9.0.0/src/vbox/vbox_CAPI_v6_1.h"),
    "7.0": (
        "libvirt 11.3.0-3+deb13u3 (Debian)",
        "libvirt_11.3.0.orig.tar.xz",
        "libvirt-11.3.0/src/vbox/vbox_CAPI_v7_0.h",
    ),
}
INSTALLED = "installed.json"  # what --installed writes
# No package that could be had has the definitions of 7.1: libvirt has them after 11.3, but the newer ones that Debian
# lists were not in its archive. Members that 7.0 and 7.2 have alike are taken to be so in between; those that differ
# were read in libvirt's header, by eye ("": it has none).
SOURCE_7_1 = (
    "members that are alike in 7.0 and 7.2: taken from these, not read; all others: libvirt (its repository after "
    "11.3), src/vbox/vbox_CAPI_v7_1.h, read by eye on 2026-11-29"
)
READ_7_1 = {
    "IVirtualBox.createMachine": "(text, text, number, text[], text, text, text, text, text) -> IMachine",
    "IMachine.RTCUseUTC": "",
    "IMachine.VMExecutionEngine": "number =",
    "IMachine.audioSettings": "IAudioSettings",
    "IMachine.platform": "IPlatform",
    "IPlatform.RTCUseUTC": "boolean =",
    "ISerialPort.IOAddress": "number =",
    "ISerialPort.IOBase": "",
}


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the downloads are")
    parser.add_argument("--installed", action="store_true", help="write what the installed VirtualBox has, there")
    options = parser.parse_args()
    if options.installed:
        _write_installed(options.folder / INSTALLED)
    for series in SERIES:
        table = _table(series, options.folder)
        (HERE / f"{series}.json").write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def used() -> dict[str, set[str]]:
    """Return the members of interfaces that the worker uses, or that versions.py may use instead."""
    instead = words_in(Path(versions.__file__))
    members: dict[str, set[str]] = {}
    for entry in entries():
        found = ENTRY.match(entry)
        if found and found["member"] and found["owner"].startswith("I"):
            members.setdefault(found["owner"], set()).add(found["member"])
            members[found["owner"]] |= instead if entry.endswith(IN_VERSIONS) else set()
    members["INetworkAdapter"].add(networks.HOST_ONLY_NETWORK[1])  # on macOS alone
    return members


def entries() -> list[str]:
    """Return all entries of the record, and those that cannot be recorded."""
    return [*(GOLDEN / RECORD).read_text(encoding="ascii").splitlines(), *NOT_RECORDED]


def _write_installed(target: Path) -> None:
    """Write what the installed VirtualBox declares. It never returns: the normal end of an XPCOM process can hang."""
    installation = find_installation()
    assert installation is not None
    os.environ.update(VBOX_PROGRAM_PATH=str(installation.program), VBOX_SDK_PATH=str(installation.sdk))
    module = load_binding(find_bindings(installation, None)[0].folder)
    manager = module.VirtualBoxManager(None, None)  # all ends with it
    content = {"version": manager.getVirtualBox().version, "interfaces": from_installed(sorted(used()))}
    target.write_text(json.dumps(content), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)


def _table(series: str, folder: Path) -> dict[str, Any]:
    wheels = [next(folder.glob(f"vbox_sdk-{release}-*.whl")) for release in WHEELS[series]]
    enumerations, results = constants_of(wheels)
    source, interfaces = _interfaces(series, folder)
    words = " ".join(entries())
    releases = " and ".join(f"vbox-sdk {release}" for release in WHEELS[series])
    return {
        "series": series,
        "sources": {
            "interfaces": source,
            "enumerations, results": f"{releases} (PyPI), vboxapi/VirtualBox_constants.py: what both have",
            "manager": f"vbox-sdk {WHEELS[series][-1]} (PyPI), vboxapi/__init__.py",
        },
        "interfaces": interfaces,
        "enumerations": {name: values for name, values in enumerations.items() if re.search(rf"\b{name}(_|\b)", words)},
        "results": results,
        "manager": {
            name: counts
            for name, counts in manager_of(wheels[-1]).items()
            if f"Manager.{name}" in words or name == "__init__"
        },
    }


def _interfaces(series: str, folder: Path) -> tuple[str, Interfaces]:
    if series == "7.1":
        return SOURCE_7_1, between(_interfaces("7.0", folder)[1], _interfaces("7.2", folder)[1], READ_7_1)
    if series in HEADERS:
        package, archive, member = HEADERS[series]
        with tarfile.open(folder / archive) as files:
            header = files.extractfile(member)
            assert header is not None
            return f"{package}, {member}", chosen(from_header(header.read().decode()), used())
    installed = json.loads((folder / INSTALLED).read_text(encoding="utf-8"))
    source = f"the type library of VirtualBox {installed['version']}, as installed, through XPCOM"
    return source, chosen(installed["interfaces"], used())


if __name__ == "__main__":
    main()
