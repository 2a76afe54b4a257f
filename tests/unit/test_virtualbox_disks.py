"""Disks are read and written without VirtualBox: checked against qemu-img where it is installed."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vboxlab.errors import BaseError
from vboxlab.hypervisor.virtualbox.images import is_appliance
from vboxlab.hypervisor.virtualbox.qcow2 import open_disk
from vboxlab.hypervisor.virtualbox.vdi import BLOCK, copy_vdi, is_vdi, write_vdi
from vboxlab.hypervisor.virtualbox.vhd import is_vhd, open_vhd
from vboxlab.hypervisor.virtualbox.vmdk import is_vmdk, open_vmdk

needs_qemu_img = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img not installed")
NOTHING: Callable[[str, int | None], None] = lambda _text, _percent: None  # noqa: E731


def qemu(tool: str, *arguments: str | Path) -> str:
    return subprocess.run([f"qemu-{tool}", *map(str, arguments)], check=True, text=True, capture_output=True).stdout


def raw_disk(path: Path, size: int = 5 * BLOCK + 512) -> Path:
    """Write a disk with random, repeated and empty parts, of a size that is no whole number of blocks."""
    noise = random.Random(7)
    data = bytearray(size)
    data[: 3 * BLOCK // 2] = noise.randbytes(3 * BLOCK // 2)
    data[4 * BLOCK : 4 * BLOCK + 100_000] = b"a" * 100_000
    data[-3:] = b"end"
    path.write_bytes(data)
    return path


def to_vdi(source: Path, target: Path) -> Path:
    with open_disk(source) as disk:
        write_vdi(disk, target, NOTHING)
    return target


def test_a_raw_disk_becomes_a_vdi_without_its_empty_blocks(tmp_path: Path) -> None:
    vdi = to_vdi(raw_disk(tmp_path / "disk.img"), tmp_path / "disk.vdi")
    content = vdi.read_bytes()
    size, block, _extra, blocks, used = struct.unpack_from("<QIIII", content, 72 + 296)
    assert (size, block, blocks, used) == (5 * BLOCK + 512, BLOCK, 6, 4)
    assert struct.unpack_from("<6I", content, 512) == (0, 1, 0xFFFFFFFF, 0xFFFFFFFF, 2, 3)
    assert len(content) == BLOCK + used * BLOCK
    assert is_vdi(vdi)


def test_progress_goes_up_to_the_end(tmp_path: Path) -> None:
    said: list[int | None] = []
    with open_disk(raw_disk(tmp_path / "disk.img")) as disk:
        write_vdi(disk, tmp_path / "disk.vdi", lambda _text, percent: said.append(percent))
    assert said == sorted(set(said), key=lambda percent: percent or 0)
    assert said[-1] == 100


def test_a_copy_has_an_identity_of_its_own_and_the_same_contents(tmp_path: Path) -> None:
    first = to_vdi(raw_disk(tmp_path / "disk.img"), tmp_path / "first.vdi")
    copy_vdi(first, tmp_path / "second.vdi")
    one, other = first.read_bytes(), (tmp_path / "second.vdi").read_bytes()
    different = [index for index, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    assert different
    assert min(different) >= 72 + 320
    assert max(different) < 72 + 352


@needs_qemu_img
@pytest.mark.parametrize(
    "options", [("-o", "compat=1.1"), ("-o", "compat=0.10"), ("-c",), ("-o", "cluster_size=4096")], ids=" ".join
)
def test_qcow2_is_read_as_qemu_reads_it(tmp_path: Path, options: tuple[str, ...]) -> None:
    raw, qcow2 = raw_disk(tmp_path / "disk.img"), tmp_path / "disk.qcow2"
    qemu("img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, qcow2)
    before = qcow2.read_bytes()
    vdi = to_vdi(qcow2, tmp_path / "disk.vdi")
    assert "identical" in qemu("img", "compare", "-f", "raw", "-F", "vdi", raw, vdi)
    assert qcow2.read_bytes() == before


@needs_qemu_img
def test_an_overlay_is_merged_with_what_lies_behind_it(tmp_path: Path) -> None:
    raw = raw_disk(tmp_path / "disk.img")
    qemu("img", "convert", "-f", "raw", "-O", "qcow2", raw, tmp_path / "base.qcow2")
    qemu("img", "create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", tmp_path / "middle.qcow2", "9M")
    qemu("io", "-c", "write -P 7 1M 70k", "-c", "write -z 0 64k", "-c", "write -P 9 8M 1k", tmp_path / "middle.qcow2")
    qemu("img", "create", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", tmp_path / "top.qcow2")
    qemu("io", "-c", "write -P 5 2M 5000", tmp_path / "top.qcow2")
    vdi = to_vdi(tmp_path / "top.qcow2", tmp_path / "top.vdi")
    assert "identical" in qemu("img", "compare", tmp_path / "top.qcow2", vdi)
    assert "No errors" in qemu("img", "check", vdi)


@needs_qemu_img
def test_a_qcow2_that_cannot_be_read_is_named_with_the_way_out(tmp_path: Path) -> None:
    odd = tmp_path / "odd.qcow2"
    qemu("img", "create", "-f", "qcow2", "-o", "compression_type=zstd", odd, "1M")
    with pytest.raises(BaseError, match=r"odd\.qcow2") as caught, open_disk(odd):
        pass
    assert "qemu-img convert" in str(caught.value.resolution)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseError, match=r"gone\.img"), open_disk(tmp_path / "gone.img"):
        pass


@needs_qemu_img
@pytest.mark.parametrize(
    "subformat", ["monolithicSparse", "streamOptimized", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"]
)
def test_a_vmdk_is_read_as_qemu_reads_it(tmp_path: Path, subformat: str) -> None:
    raw, vmdk = raw_disk(tmp_path / "disk.img"), tmp_path / "disk.vmdk"
    qemu("img", "convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}", raw, vmdk)
    assert is_vmdk(vmdk)
    with open_vmdk(vmdk) as disk:
        write_vdi(disk, tmp_path / "disk.vdi", NOTHING)
    assert "identical" in qemu("img", "compare", "-f", "raw", "-F", "vdi", raw, tmp_path / "disk.vdi")


@needs_qemu_img
def test_a_vmdk_of_a_snapshot_is_refused(tmp_path: Path) -> None:
    qemu("img", "create", "-f", "vmdk", tmp_path / "whole.vmdk", "1M")
    overlay = tmp_path / "overlay.vmdk"
    qemu("img", "create", "-f", "vmdk", "-b", tmp_path / "whole.vmdk", "-F", "vmdk", overlay)
    with pytest.raises(BaseError, match="without its parent"), open_vmdk(overlay):
        pass


@needs_qemu_img
@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
def test_a_vhd_is_read_as_qemu_reads_it(tmp_path: Path, subformat: str) -> None:
    raw, vhd = raw_disk(tmp_path / "disk.img"), tmp_path / "disk.vhd"
    qemu("img", "convert", "-f", "raw", "-O", "vpc", "-o", f"subformat={subformat},force_size=on", raw, vhd)
    assert is_vhd(vhd)
    assert not is_vhd(raw)
    with open_vhd(vhd) as disk:
        write_vdi(disk, tmp_path / "disk.vdi", NOTHING)
    assert "identical" in qemu("img", "compare", "-f", "raw", "-F", "vdi", raw, tmp_path / "disk.vdi")


def test_an_appliance_is_known_by_how_it_begins(tmp_path: Path) -> None:
    (tmp_path / "vm.ovf").write_text('<?xml version="1.0"?>\n<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1">')
    with tarfile.open(tmp_path / "vm.ova", "w") as ova:
        ova.add(tmp_path / "vm.ovf", "vm.ovf")
    with tarfile.open(tmp_path / "other.ova", "w") as other:
        other.add(tmp_path / "vm.ovf", "notes.txt")
    assert [is_appliance(tmp_path / name) for name in ("vm.ovf", "vm.ova", "other.ova")] == [True, True, False]
    assert not is_appliance(raw_disk(tmp_path / "disk.img"))
    with pytest.raises(BaseError, match=r"gone\.ova"):
        is_appliance(tmp_path / "gone.ova")
