"""Machines as their settings files tell of them; that it is what the API tells is tested on real VirtualBox."""

from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.hypervisor.virtualbox.worker.calls import Adapter, Attachment, Details, Snapshot
from vboxlab.hypervisor.virtualbox.worker.marks import SNAPSHOT_MARKS
from vboxlab.hypervisor.virtualbox.worker.power import last_start
from vboxlab.hypervisor.virtualbox.worker.settings_file import details_of, leaves_nothing, read

FILE = """<?xml version="1.0"?>
<VirtualBox xmlns="http://www.virtualbox.org/" version="1.20-linux">
  <Machine uuid="{m}" name="srv-web" currentSnapshot="{c}">
    <ExtraData><ExtraDataItem name="vboxlab/marks" value="{}"/></ExtraData>
    <Snapshot uuid="{a}" name="first" timeStamp="2026-11-25T16:29:14Z">
      <Description>by hand
[vboxlab marks] {}</Description>
      <Hardware>
        <Network><Adapter slot="0" enabled="true" MACAddress="0"><NAT/></Adapter></Network>
        <StorageControllers><StorageController name="SATA">
          <AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{then}"/></AttachedDevice>
          <AttachedDevice type="DVD" port="1" device="0"><Image uuid="{disc}"/></AttachedDevice>
        </StorageController></StorageControllers>
      </Hardware>
      <Snapshots>
        <Snapshot uuid="{b}" name="(removed) second" timeStamp="2026-11-25T16:29:15Z">
          <Description>[vboxlab removed]
</Description>
          <Snapshots>
            <Snapshot uuid="{c}" name="third" timeStamp="2026-11-25T16:29:16Z" stateFile="Snapshots/x.sav"/>
          </Snapshots>
        </Snapshot>
      </Snapshots>
    </Snapshot>
    <Hardware>
      <Memory RAMSize="2048"/>
      <StorageControllers><StorageController name="SATA">
        <AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{now}"/></AttachedDevice>
      </StorageController></StorageControllers>
      <Network>
        <Adapter slot="7" enabled="true" MACAddress="080027c341b3" type="virtio">
          <DisabledModes><InternalNetwork name="intnet"/></DisabledModes>
          <NAT network="10.0.9.0/24">
            <Forwarding name="vboxlab-01-80" proto="1" hostip="127.0.0.1" hostport="8080" guestport="80"/>
            <Forwarding name="names" proto="0" hostip="127.0.0.1" hostport="53" guestport="53"/>
            <Forwarding name="pages" proto="1" hostport="80" guestport="80"/>
            <Forwarding name="vboxlab-00-22" proto="1" hostip="127.0.0.1" hostport="2222" guestport="22"/>
          </NAT>
        </Adapter>
        <Adapter slot="0" enabled="true" MACAddress="08002751F9CC" cable="false" type="virtio">
          <InternalNetwork name="sw-dmz"/>
        </Adapter>
        <Adapter slot="1" MACAddress="0800274077EC" type="virtio"/>
      </Network>
    </Hardware>
    <Platform architecture="x86"><CPU count="2"/></Platform>
  </Machine>
</VirtualBox>
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "srv-web.vbox"
    path.write_text(FILE)
    return path


def details(file: Path) -> Details:
    """Return what is told of the machine, which the file must say."""
    found = read(file)
    assert found is not None
    assert found.adapters is not None
    assert found.snapshots is not None
    return details_of(found.adapters, found.snapshots, found.current, found.modified, SNAPSHOT_MARKS)


def test_adapters_and_snapshots_are_read(file: Path) -> None:
    found = details(file)
    others = ((53, 53, "udp", "127.0.0.1"), (80, 80, "tcp", ""))
    nat = Attachment("nat", "", "10.0.9.0/24", ((2222, 22), (8080, 80)), others)
    assert found.adapters == (
        Adapter(1, Attachment("internal", "sw-dmz"), "08002751F9CC", cable=False),
        Adapter(8, nat, "080027C341B3", cable=True),
    )
    taken = "2026-11-25T16:29:1{}+00:00"
    assert found.snapshots == (
        Snapshot("a", "first", None, taken.format(4), live=False, description="by hand"),
        Snapshot("c", "third", "a", taken.format(6), live=True, description=""),
    )
    assert found.current_snapshot == "c"


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ('<InternalNetwork name="sw-dmz"/>', '<GenericInterface driver="UDPTunnel"/>', {"adapters"}),
        ('<InternalNetwork name="sw-dmz"/>', "", {"adapters"}),
        ('timeStamp="2026-11-25T16:29:14Z"', 'timeStamp="yesterday"', {"snapshots"}),
        ('hostport="2222"', "", {"adapters"}),
        ('RAMSize="2048"', "", {"memory"}),
        ('RAMSize="2048"', 'RAMSize="much"', {"memory"}),
        ('<Platform architecture="x86"><CPU count="2"/></Platform>', "", {"cpus"}),
    ],
)
def test_what_is_not_understood_is_left_to_the_api(file: Path, old: str, new: str, left: set[str]) -> None:
    file.write_text(FILE.replace(old, new))
    found = read(file)
    assert found is not None
    assert {name for name in ("cpus", "memory", "adapters", "snapshots") if getattr(found, name) is None} == left


@pytest.mark.parametrize(("old", "new"), [("</VirtualBox>", ""), ("Machine", "MachineEncrypted")])
def test_what_is_no_whole_machine_is_left_to_the_api(file: Path, old: str, new: str) -> None:
    file.write_text(FILE.replace(old, new))
    assert read(file) is None


def test_a_file_that_is_gone_is_left_to_the_api(tmp_path: Path) -> None:
    assert read(tmp_path / "gone.vbox") is None


@pytest.mark.parametrize(
    ("written", "cpus"),
    [
        ('<Platform architecture="x86"><CPU count="2"/></Platform>', 2),
        ('<Platform architecture="x86"><CPU/></Platform>', 1),  # VirtualBox leaves out what is the default
        ('<Hardware><CPU count="4"><PAE enabled="false"/></CPU></Hardware>', 4),  # before 7.1
    ],
)
def test_who_a_machine_is_is_read(file: Path, written: str, cpus: int) -> None:
    text = FILE.replace('<Platform architecture="x86"><CPU count="2"/></Platform>', "")
    file.write_text(text.replace("</Machine>", f"{written}</Machine>"))
    found = read(file)
    assert found is not None
    assert (found.id, found.name, found.memory) == ("m", "srv-web", 2048)
    assert found.extra_data == {"vboxlab/marks": "{}"}
    assert found.attached == {("SATA", "0", "0"): "now"}
    assert found.disks == {"now", "then"}
    assert found.cpus == cpus


@pytest.mark.parametrize(
    ("inside", "nothing"),
    [
        ('<Hardware><Network><Adapter slot="0" MACAddress="0"/></Network></Hardware>', True),
        ('<Hardware><AudioAdapter enabled="true"/><RemoteDisplay enabled="false"/></Hardware>', True),
        ('<Hardware><Network><Adapter slot="0" enabled="true"/></Network></Hardware>', False),
        ('<Snapshot><Hardware><Network><Adapter slot="3" enabled="true"/></Network></Hardware></Snapshot>', False),
        ("<Hardware><Network><Adapter><NAT><Forwarding/></NAT></Adapter></Network></Hardware>", False),
        ('<Hardware><SharedFolders><SharedFolder name="home"/></SharedFolders></Hardware>', False),
        ('<Hardware><RemoteDisplay enabled="true"/></Hardware>', False),
        ('<ExtraData><ExtraDataItem name="GUI/LastNormalWindowPosition" value="1,2"/></ExtraData>', False),
        ('<ExtraData><ExtraDataItem name="vboxlab/marks" value="{}"/></ExtraData>', True),
    ],
)
def test_what_a_clone_would_inherit_is_seen(tmp_path: Path, inside: str, nothing: bool) -> None:
    file = tmp_path / "image.vbox"
    file.write_text(f'<VirtualBox xmlns="http://www.virtualbox.org/"><Machine>{inside}</Machine></VirtualBox>')
    assert leaves_nothing(file) is nothing
    assert not leaves_nothing(tmp_path / "gone.vbox")


@pytest.mark.parametrize(
    ("current", "modified", "untouched"),
    [
        ("{c}", 'currentStateModified="false"', True),
        ("{c}", 'currentStateModified="true"', False),
        ("{c}", "", False),  # VirtualBox leaves out what is true
        ("{b}", 'currentStateModified="false"', False),  # a hidden one: nobody can go back to it
        ("", 'currentStateModified="false"', False),
    ],
)
def test_a_machine_is_untouched_only_at_a_snapshot_that_can_be_restored(
    file: Path, current: str, modified: str, untouched: bool
) -> None:
    file.write_text(FILE.replace('currentSnapshot="{c}"', f'currentSnapshot="{current}" {modified}'))
    assert details(file).untouched is untouched


def test_the_last_start_is_told_by_the_log_that_it_began(tmp_path: Path) -> None:
    assert last_start(tmp_path) == ""
    header = b"00:00:00.02 VirtualBox VM 7.2.22 r1 linux.amd64 release log\n"
    (tmp_path / "VBox.log").write_bytes(header + b"00:00:00.02 Log opened 2026-11-28T12:36:24.739832000Z\nmore\xff")
    assert last_start(tmp_path) == "2026-11-28T12:36:24.739832000Z"
    (tmp_path / "VBox.log").write_bytes(header)
    assert last_start(tmp_path) == ""
