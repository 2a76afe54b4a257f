from __future__ import annotations

import io
import lzma
import subprocess
import tarfile

import pytest

from vboxlab.base.initrd import Kernel, build_initrd, read_kernel, resolve_modules, uncompressed_kernel
from vboxlab.errors import BaseError

DEP = {
    "kernel/fs/ext4/ext4.ko": ("kernel/fs/jbd2/jbd2.ko", "kernel/lib/crc16.ko"),
    "kernel/fs/jbd2/jbd2.ko": (),
    "kernel/lib/crc16.ko": (),
    "kernel/drivers/block/virtio_blk.ko": ("kernel/drivers/virtio/virtio.ko", "kernel/drivers/virtio/virtio_ring.ko"),
    "kernel/drivers/virtio/virtio.ko": (),
    "kernel/drivers/virtio/virtio_ring.ko": (),
    "kernel/crypto/crc32c_generic.ko": (),
}


def test_modules_come_after_what_they_need() -> None:
    assert resolve_modules(["virtio_blk", "ext4"], DEP, set()) == (
        "kernel/crypto/crc32c_generic.ko",
        "kernel/drivers/virtio/virtio_ring.ko",
        "kernel/drivers/virtio/virtio.ko",
        "kernel/drivers/block/virtio_blk.ko",
        "kernel/lib/crc16.ko",
        "kernel/fs/jbd2/jbd2.ko",
        "kernel/fs/ext4/ext4.ko",
    )


def test_a_builtin_module_is_left_out_and_an_unknown_one_refused() -> None:
    assert resolve_modules(["virtio_pci"], DEP, {"virtio_pci"}) == ()
    with pytest.raises(BaseError, match="the kernel has no module virtio_pci"):
        resolve_modules(["virtio_pci"], DEP, set())


def test_the_archive_is_one_that_cpio_reads() -> None:
    kernel = Kernel(
        "6.1",
        b"",
        b"busybox",
        {"a/ext4.ko": b"\x7fELF", "b/sd-mod.ko.xz": lzma.compress(b"sd")},
        frozenset({"a/ext4.ko"}),
    )
    data = build_initrd(kernel)
    try:
        listing = subprocess.run(["busybox", "cpio", "-t"], input=data, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("busybox is not installed")
    names = [
        "bin",
        "modules",
        "dev",
        "dev/console",
        "bin/busybox",
        "init",
        "modules/00-ext4.ko",
        "modules/01-sd-mod.ko",
    ]
    assert listing.decode().split() == names
    assert b"for module in 00-ext4.ko; do" in data
    assert b"for module in 01-sd-mod.ko; do" in data
    assert len(data) % 4 == 0


DEPENDENCIES = b"kernel/fs/ext4.ko: kernel/lib/crc16.ko\nkernel/lib/crc16.ko:\nkernel/sd.ko:\n"


def test_the_kernel_is_read_from_a_tree() -> None:
    files = {
        "./boot/vmlinuz-6.1.0-1": b"old",
        "./boot/vmlinuz-6.1.0-2": b"new",
        "./usr/bin/busybox": b"box",
        "./usr/lib/modules/6.1.0-2/modules.dep": DEPENDENCIES,
        "./usr/lib/modules/6.1.0-2/modules.builtin": b"kernel/drivers/virtio_pci.ko\n",
        "./usr/lib/modules/6.1.0-2/kernel/fs/ext4.ko": b"E",
        "./usr/lib/modules/6.1.0-2/kernel/lib/crc16.ko": b"C",
        "./usr/lib/modules/6.1.0-2/kernel/sd.ko": b"S",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as archive:
        kernel = read_kernel(archive, ["virtio_pci", "ext4"], ["sd"])
    assert (kernel.release, kernel.image, kernel.busybox) == ("6.1.0-2", b"new", b"box")
    assert list(kernel.modules.items()) == [
        ("kernel/lib/crc16.ko", b"C"),
        ("kernel/fs/ext4.ko", b"E"),
        ("kernel/sd.ko", b"S"),
    ]
    assert kernel.first == {"kernel/lib/crc16.ko", "kernel/fs/ext4.ko"}


def test_a_tree_without_kernel_is_refused() -> None:
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as archive, pytest.raises(BaseError, match="has no kernel"):
        read_kernel(archive, ["ext4"], [])


def test_the_kernel_inside_a_compressed_one_is_found() -> None:
    elf = b"\x7fELF" + bytes(range(256)) * 40
    decoy = lzma.compress(b"not a kernel")
    assert uncompressed_kernel(b"MZ head " + decoy + b" code " + lzma.compress(elf) + b" tail") == elf
    assert uncompressed_kernel(b"MZ something else") == b"MZ something else"
