"""Disk files are judged by their content, whatever is in them; checked against qemu-img where it is installed."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.disk_samples import (
    FORMATS,
    MIB,
    SIZE,
    STRANGERS,
    VMDKS,
    boot_sector,
    content,
    descriptor,
    make,
    needs_qemu_img,
    qemu_img,
)
from vboxlab.errors import BaseError
from vboxlab.hypervisor.diskfiles import kinds, vmdk
from vboxlab.hypervisor.diskfiles.conversion import convert_arguments
from vboxlab.hypervisor.diskfiles.copying import copy_file, describe_raw, take
from vboxlab.hypervisor.diskfiles.kinds import describe
from vboxlab.hypervisor.diskfiles.reading import Unfit, Window
from vboxlab.hypervisor.driver import no_progress

MIXED = (
    'RW 100 FLAT "a.vmdk" 3', "RW 2048 ZERO", 'RDONLY 50 VMFS "b.vmdk"',
)  # fmt: skip


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_disk_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    maker, words = STRANGERS[name]
    disk = maker(tmp_path)
    with pytest.raises(BaseError, match=words) as caught:
        describe(disk)
    assert str(disk) in caught.value.brief
    assert caught.value.resolution


@pytest.mark.parametrize("name", VMDKS)
def test_a_descriptor_names_nothing_but_its_own_extents(tmp_path: Path, name: str) -> None:
    maker, words = VMDKS[name]
    folder = tmp_path / "download"
    folder.mkdir()
    with pytest.raises(BaseError, match=words):
        describe(maker(folder))


def test_a_gpt_disk_ends_with_its_second_header(tmp_path: Path) -> None:
    protective = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, 0xFFFFFFFF)
    header = b"EFI PART".ljust(32, b"\0") + struct.pack("<Q", 2047)
    whole = bytes(446) + protective + bytes(48) + b"\x55\xaa" + header.ljust(MIB - 512, b"\0")
    disk = written(tmp_path / "disk.img", whole)
    assert (describe(disk).kind, describe(disk).size) == ("raw", MIB)
    written(disk, whole[:-512])
    with pytest.raises(BaseError, match="cut short"):
        describe(disk)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseError, match=r"gone\.img"):
        describe(tmp_path / "gone.img")
    with pytest.raises(BaseError, match="no file"):
        describe(tmp_path)


@needs_qemu_img
@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_is_whole_until_a_block_is_missing(tmp_path: Path, name: str) -> None:
    """Cut at every place: what is accepted has all of its contents."""
    disk = make(tmp_path, name)
    found = describe(disk)
    assert (found.kind, found.size) == (FORMATS[name][2], SIZE)
    largest = max(disk.parent.iterdir(), key=lambda path: path.stat().st_size)
    whole = largest.read_bytes()
    kinds: dict[bool, int] = {}
    for missing in (1, 511, 512, 1024, 4096, 65536, 3 * 65536, MIB, len(whole) // 2, len(whole) - 600, len(whole)):
        written(largest, whole[: len(whole) - missing])
        try:
            cut = describe(disk)
        except BaseError:
            kinds[False] = kinds.get(False, 0) + 1
            continue
        target = tmp_path / "cut.raw"
        qemu_img(*convert_arguments(cut, target, "qcow2"))
        qemu_img("convert", "-O", "raw", target, tmp_path / "plain.raw")
        assert (tmp_path / "plain.raw").read_bytes() == content(), missing
    assert kinds[False] >= 5


@needs_qemu_img
@pytest.mark.parametrize("name", FORMATS)
def test_a_copy_is_what_was_looked_at(tmp_path: Path, name: str) -> None:
    disk, folder = describe(make(tmp_path, name)), tmp_path / "copy, ours"
    folder.mkdir()
    copied = take(disk, folder, no_progress)
    assert (copied.kind, copied.size) == (disk.kind, disk.size)
    qemu_img(*convert_arguments(copied, tmp_path / "out.qcow2", "qcow2"))
    qemu_img("convert", "-O", "raw", tmp_path / "out.qcow2", tmp_path / "out.raw")
    assert (tmp_path / "out.raw").read_bytes() == content()


@needs_qemu_img
def test_a_vhd_of_virtualbox_is_not_rounded_down(tmp_path: Path) -> None:
    disk = make(tmp_path, "vhd")
    data = bytearray(disk.read_bytes())
    for at in (0, len(data) - 512):
        data[at + 28 : at + 32] = b"vbox"
        data[at + 64 : at + 68] = bytes(4)
        data[at + 64 : at + 68] = struct.pack(">I", ~sum(data[at : at + 512]) & 0xFFFFFFFF)
    disk.write_bytes(data)
    qemu_img(*convert_arguments(describe(disk), tmp_path / "out.qcow2", "qcow2"))
    qemu_img("convert", "-O", "raw", tmp_path / "out.qcow2", tmp_path / "out.raw")
    assert (tmp_path / "out.raw").read_bytes() == content()


def test_extents_are_copied_under_names_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a.vmdk").write_bytes(b"A" * 512 * 103)
    (tmp_path / "b.vmdk").write_bytes(b"B" * 512 * 50)
    disk = describe(written(tmp_path / "disk.vmdk", descriptor(*MIXED).replace(b"\n", b"\r\n")))
    assert disk.size == 512 * (100 + 2048 + 50)
    folder = tmp_path / "copy"
    folder.mkdir()
    copied = take(disk, folder, no_progress)
    assert copied.extents == (
        vmdk.Extent("flat", 100, "extent-0.vmdk", 3),
        vmdk.Extent("flat", 2048, "extent-1.vmdk", 0),
        vmdk.Extent("flat", 50, "extent-2.vmdk", 0),
    )
    assert (folder / "extent-1.vmdk").read_bytes() == bytes(MIB)
    text = (folder / "disk.vmdk").read_text()
    assert "\n\n" not in text
    assert "a.vmdk" not in text


def test_a_raw_disk_gets_a_descriptor(tmp_path: Path) -> None:
    disk = describe(written(tmp_path / "disk.raw", content()))
    described = describe_raw(disk)
    assert (described.kind, described.size) == ("vmdk", SIZE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk-flat.vmdk", "disk.vmdk"]


def test_a_copy_keeps_its_holes_and_says_how_far_it_is(tmp_path: Path) -> None:
    source = tmp_path / "sparse.img"
    with source.open("wb") as stream:
        stream.write(boot_sector(256 * MIB))
        stream.seek(128 * MIB)
        stream.write(b"x" * MIB)
        stream.truncate(256 * MIB)
    said: list[int | None] = []
    copy_file(source, tmp_path / "copy.img", lambda _text, percent: said.append(percent))
    with source.open("rb") as one, (tmp_path / "copy.img").open("rb") as other:
        while chunk := one.read(MIB):
            assert other.read(MIB) == chunk
        assert other.read() == b""
    assert said == sorted(set(said), key=lambda percent: percent or 0)
    if hasattr(os, "SEEK_DATA"):
        assert (tmp_path / "copy.img").stat().st_blocks * 512 < 8 * MIB


def judged(data: bytes) -> str:
    """Return a file's kind, or that it was refused; anything else is an error of ours."""
    try:
        return kinds.read(Path("disk"), Window(BytesIO(data), len(data))).kind
    except Unfit as unfit:
        return "refused" if unfit.resolution else "no advice"


@cache
def sample(name: str) -> bytes:
    """Return a disk of one file."""
    with TemporaryDirectory() as folder:
        return make(Path(folder), name).read_bytes()


BEGINNINGS = [
    b"QFI\xfb", b"KDMV", b"vhdxfile", b"conectix", b"# Disk DescriptorFile\n", b"\x1f\x8b", b"MZ", b"",
    bytes(64) + b"\x7f\x10\xda\xbe\x01\x00\x01\x00",
]  # fmt: skip


@given(beginning=st.sampled_from(BEGINNINGS), rest=st.binary(max_size=4096), size=st.integers(0, 1 << 18))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_refused_and_nothing_else(beginning: bytes, rest: bytes, size: int) -> None:
    assert judged((beginning + rest).ljust(size, b"\0")) in ("refused", "raw", "vhd", "vdi", "qcow2", "vmdk")


ONE_FILE = [name for name in FORMATS if name not in ("vmdk-flat", "vmdk-split", "vmdk-split-flat", "raw")]
# Where the headers and tables of the samples lie, for most of the changes.
OFFSETS = st.one_of(
    st.integers(0, 2048), st.integers(0, 1 << 19), st.sampled_from([192 << 10, 256 << 10, 2 << 20, 3 << 20, 1 << 16])
)
CHANGES = st.lists(
    st.tuples(OFFSETS, st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff" * 8), st.just(bytes(8)))),
    min_size=1, max_size=4,
)  # fmt: skip


@needs_qemu_img
@given(name=st.sampled_from(ONE_FILE), changes=CHANGES, at_end=st.booleans(), cut=st.integers(0, 1 << 16))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_changed_headers_are_refused_or_read(
    name: str, changes: list[tuple[int, bytes]], at_end: bool, cut: int
) -> None:
    data = bytearray(sample(name))
    for offset, value in changes:
        at = len(data) - 1024 + offset % 1024 if at_end else offset % len(data)
        data[at : at + len(value)] = value
    assert judged(bytes(data[: len(data) - cut])) in ("refused", "raw", FORMATS[name][2])


LINES = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.builds(
            "{} {} {}{}".format,
            st.sampled_from(["RW", "RDONLY", "NOACCESS"]),
            st.integers(0, 10**20),
            st.sampled_from(["FLAT", "SPARSE", "ZERO", "VMFS", "SESPARSE"]),
            st.sampled_from(["", ' "a.vmdk"', ' "a.vmdk" 7', ' "../b.vmdk" 0', ' "']),
        ),
        st.builds("{}={}".format, st.sampled_from(["parentCID", "CID", "ddb.x", ""]), st.text(max_size=10)),
    ),
    max_size=8,
)


@given(lines=LINES)
@settings(max_examples=150)
def test_a_descriptor_is_understood_whole_or_refused(lines: list[str]) -> None:
    text = "# Disk DescriptorFile\n" + "\n".join(lines)
    try:
        extents = vmdk.parse(text.encode())
    except Unfit:
        return
    wanted = [line for line in text.split("\0")[0].splitlines() if line.strip().startswith(("RW", "RDONLY"))]
    assert len(extents) <= len(wanted)


@pytest.mark.parametrize(
    ("line", "alone"),
    [
        ("parentCID=FFFFFFFF", True),
        ("parentCID = ffffffff", True),
        ('ddb.uuid.parent="00000000-0000-0000-0000-000000000000"', True),
        ("parentCID=fffffffe", False),
        ('ddb.uuid.parent = "75e52333-c4a5-4bc0-a6e7-b4fea305562d"', False),
        ('ParentFileNameHint = "x"', False),
    ],
)
def test_a_parent_is_seen_in_every_spelling(line: str, alone: bool) -> None:
    text = b'# Disk DescriptorFile\nRW 1 FLAT "a.vmdk"\n' + line.encode()
    if alone:
        assert len(vmdk.parse(text)) == 1
    else:
        with pytest.raises(Unfit, match="without its parent"):
            vmdk.parse(text)


def test_names_of_extents() -> None:
    plain: Callable[[str], bool] = lambda name: vmdk.PLAIN_NAME.fullmatch(name) is not None  # noqa: E731
    assert [plain(name) for name in ("disk-f001.vmdk", "Système 1.VMDK", "a b,c.vmdk")] == [True, True, True]
    for name in ("", "..", "x", ".vmdk", "a/b.vmdk", "..\\b.vmdk", "C:b.vmdk", "a\0.vmdk", "a\n.vmdk", "json:{}.vmdk"):
        assert not plain(name), name
