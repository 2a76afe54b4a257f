from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from vboxlab import programs
from vboxlab.base.disk import (
    MKE2FS,
    QEMU_IMG,
    Tool,
    boot_code,
    master_boot_record,
    require,
    to_qcow2,
    write_file_system,
)
from vboxlab.errors import BaseError

needs_tools = pytest.mark.skipif(
    not all(programs.find(tool.program) for tool in (MKE2FS, QEMU_IMG)), reason="mke2fs and qemu-img are not installed"
)


def test_the_partition_fills_the_disk_after_the_first_mebibyte() -> None:
    sector = master_boot_record(64)
    assert len(sector) == 512
    assert struct.unpack("<B3xB3xII", sector[446:462]) == (0x80, 0x83, 2048, 64 * 2048 - 2048)
    assert sector[510:] == b"\x55\xaa"


def test_the_boot_loader_leaves_the_partition_table_and_skips_the_floppy_test() -> None:
    boot, core = bytes(range(256)) * 2, b"core" * 1000
    start = boot_code(boot, core, 64)
    assert start[:0x66] == boot[:0x66]
    assert start[0x66:0x68] == b"\x90\x90"
    assert start[440:512] == master_boot_record(64)[440:]
    assert start[512:] == core
    with pytest.raises(BaseError, match="does not fit"):
        boot_code(boot, bytes(1024**2), 64)


def test_missing_programs_are_named_with_the_command_that_installs_them() -> None:
    with pytest.raises(BaseError) as caught:
        require([Tool("sh", "dash"), Tool("no-such-program", "the-package"), Tool("nor-this", "another")])
    assert caught.value == BaseError(
        "programs needed to build a base are missing: no-such-program, nor-this",
        resolution="sudo apt-get install --no-install-recommends another the-package",
    )


@needs_tools
def test_a_tree_becomes_a_disk_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "tree" / "etc").mkdir(parents=True)
    (tmp_path / "tree" / "etc" / "hostname").write_text("debian\n")
    raw, disk = tmp_path / "disk.raw", tmp_path / "disk.qcow2"
    write_file_system(tmp_path / "tree", raw, disk_mib=64, label="vboxlab")
    to_qcow2(raw, disk)
    facts = json.loads(
        subprocess.run(["qemu-img", "info", "--output=json", disk], capture_output=True, check=True).stdout
    )
    assert (facts["format"], facts["virtual-size"]) == ("qcow2", 64 * 1024**2)
    if shutil.which("debugfs", path="/usr/sbin:/sbin"):
        partition = tmp_path / "partition"
        partition.write_bytes(raw.read_bytes()[1024**2 :])
        read = subprocess.run(
            ["/usr/sbin/debugfs", "-R", "cat /etc/hostname", str(partition)], capture_output=True, check=True
        )
        assert read.stdout == b"debian\n"


@needs_tools
def test_a_tree_that_does_not_fit_is_an_error_with_mke2fs_words(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "big").write_bytes(os.urandom(40 * 1024**2))
    with pytest.raises(BaseError, match="making the file system failed") as caught:
        write_file_system(tmp_path / "tree", tmp_path / "disk.raw", disk_mib=24, label="x")
    assert caught.value.details
