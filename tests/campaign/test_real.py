"""What the campaign on a real VirtualBox does by itself: its steps, and the markers that it puts on disks."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from tests.campaign import steps
from tests.campaign.real import media
from tests.campaign.real.sequence import LONGEST, REAL, adapted, on_memory
from tests.campaign.steps import Step, Trouble

BLOCK = 1 << 20
TABLE, DATA, COUNT = 0x200, 0x1000, 8


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return an empty dynamic VDI of eight blocks (VirtualBox's VDICore.h)."""
    header = bytearray(DATA)
    struct.pack_into("<II", header, media.OFFSETS, TABLE, DATA)
    struct.pack_into("<IIII", header, media.BLOCKS, BLOCK, 0, COUNT, 0)
    struct.pack_into(f"<{COUNT}I", header, TABLE, *[media.FREE] * COUNT)
    path = tmp_path / "disk.vdi"
    path.write_bytes(header)
    return path


def test_markers_are_written_into_blocks_of_their_own(disk: Path) -> None:
    assert media.read(disk) == frozenset()
    for marker in ("m5", "m2", "m5"):
        media.write(disk, marker)
    assert media.read(disk) == {"m2", "m5"}
    assert disk.stat().st_size == DATA + 2 * BLOCK
    table = struct.unpack_from(f"<{COUNT}I", disk.read_bytes(), TABLE)
    assert (table[5], table[2]) == (0, 1)
    assert table.count(media.FREE) == COUNT - 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("up first", "up first --until created"),
        ("up first --until web --copy ann", "up first --copy ann --until created"),
        ("reset duo --up --yes", "reset duo --yes --no-up"),
        ("snapshot restore plain --lab duo", "snapshot restore plain --lab duo --no-start"),
        ("snapshot restore --drop --lab duo", "snapshot restore --drop --lab duo"),
        ("snapshot take monday --live", "snapshot take monday"),
        ("user works duo/one", "user works duo/one"),
    ],
)
def test_steps_need_no_guest(words: str, expected: str) -> None:
    found = adapted(Step(tuple(words.split())), random.Random(1))
    assert found is not None
    assert found.words == tuple(expected.split())


def test_what_needs_a_guest_is_left_out() -> None:
    chance = random.Random(1)
    assert adapted(Step((steps.USER, "saves", "duo/one")), chance) is None
    assert adapted(Step(("up", "first"), Trouble(steps.MEANWHILE, 3, words=("saves", "duo/one"))), chance) is None


@pytest.mark.parametrize("kind", steps.TROUBLES)
def test_each_trouble_is_one_that_can_really_happen(kind: str) -> None:
    words = {steps.MEANWHILE: ("makes-vm", "mine"), steps.OTHER: ("up", "first", "--wait", "0")}.get(kind, ())
    found = adapted(Step(("down", "duo"), Trouble(kind, 3, "once", words)), random.Random(1))
    assert found is not None
    assert found.trouble is not None
    assert found.trouble.kind == kind if kind in REAL else found.trouble.kind in REAL
    assert 0 <= found.trouble.at < LONGEST
    (again,) = on_memory([found])
    assert again.trouble is not None
    assert 1 <= again.trouble.at <= 41
