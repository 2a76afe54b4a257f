"""Which disks hold nothing of their own, by their headers."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from vboxlab.hypervisor.virtualbox.worker.ownership import (
    VDI,
    VDI_DIFFERENCING,
    VDI_SIGNATURE,
    VDI_VERSION,
    blank_children,
    is_blank,
    is_named,
)

DYNAMIC, BLOCKS, MAP_AT = 1, 4, 1024
FREE = b"\xff" * 4 * BLOCKS


def child(
    folder: Path, number: int, parent: int, *, used: int = 0, kind: int = VDI_DIFFERENCING, blocks: bytes = FREE
) -> Path:
    """Write the beginning of a disk whose UUID and parent's are numbers."""
    own = uuid.UUID(int=number)
    path = folder / "Snapshots" / f"{{{own}}}.vdi"
    path.parent.mkdir(exist_ok=True)
    head = VDI.pack(
        VDI_SIGNATURE, VDI_VERSION, kind, MAP_AT, BLOCKS, used, own.bytes_le, uuid.UUID(int=parent).bytes_le
    )
    path.write_bytes(head.ljust(MAP_AT, b"\0") + blocks)
    return path


def test_only_differencing_disks_that_nothing_was_written_to_are_blank(tmp_path: Path) -> None:
    assert is_blank(child(tmp_path, 1, 9))
    assert not is_blank(child(tmp_path, 1, 9, used=1))
    assert not is_blank(child(tmp_path, 1, 9, kind=DYNAMIC))
    assert not is_blank(child(tmp_path, 1, 9, blocks=b"\0" * 4 + FREE[4:]))  # the header may lag behind the map
    assert not is_blank(child(tmp_path, 1, 9, blocks=b"\xfe" + FREE[1:]))  # a block of zeros hides the parent's
    assert not is_blank(child(tmp_path, 1, 9, blocks=FREE[:-1]))
    assert not is_blank(tmp_path / "nowhere.vdi")
    (tmp_path / "short.vdi").write_bytes(b"<<< Oracle VM VirtualBox Disk Image >>>")
    assert not is_blank(tmp_path / "short.vdi")


def test_a_blank_disk_that_another_depends_on_is_needed(tmp_path: Path) -> None:
    alone, below = child(tmp_path, 1, 9), child(tmp_path, 2, 9)
    above = child(tmp_path, 3, 2, used=1)
    assert blank_children(tmp_path) == [alone]
    above.unlink()
    assert blank_children(tmp_path) == [alone, below]
    last = child(tmp_path, 3, 2)  # two blank ones in a chain go together
    assert blank_children(tmp_path) == [alone, below, last]


def test_a_disk_under_a_name_that_a_person_gave_is_never_taken_for_one_of_virtualboxs(tmp_path: Path) -> None:
    blank = child(tmp_path, 1, 9)
    blank.rename(blank.with_name("my work.vdi"))
    assert blank_children(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("{0f5a3b1e-7c53-4a0c-9d5e-0d8b8f8f3a11}.vdi", True),
        ("{1f5a3b1e-7c53-4a0c-9d5e-0d8b8f8f3a11}.vdi", False),
        ("raid.vdi", True),
        ("raid.vmdk", False),
    ],
)
def test_disks_that_settings_name(name: str, named: bool) -> None:
    text = '<Image uuid="{0f5a3b1e-7c53-4a0c-9d5e-0d8b8f8f3a11}"/><HardDisk location="raid.vdi"/>'
    assert is_named(Path("/vm", name), text) is named
