"""Appliances are looked at before VirtualBox imports them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.disk_samples import boot_sector, descriptor, make, needs_qemu_img
from vboxlab.errors import BaseError
from vboxlab.hypervisor.diskfiles import appliances
from vboxlab.hypervisor.diskfiles.appliances import check_appliance
from vboxlab.hypervisor.diskfiles.reading import Unfit

FILE = '<File ovf:href="{href}" ovf:id="file1"{more}/>'
DISK = '<Disk ovf:capacity="1" ovf:diskId="d" ovf:fileRef="file1"{more}/>'
ISO = bytes(0x8000) + b"\x01CD001" + bytes(0x8000)


def description(
    href: str = "disk.vmdk", *, file: str = "", disk: str = "", start: str = "", disks: bool = True
) -> bytes:
    """Return an OVF description of one machine with one disk."""
    drive = DISK.format(more=disk) if disks else ""
    return (
        f'<?xml version="1.0"?>\n{start}<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
        f'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>{FILE.format(href=href, more=file)}'
        f'</References><DiskSection>{drive}</DiskSection><VirtualSystem ovf:id="vm"/></Envelope>'
    ).encode()


def archive(path: Path, **members: bytes) -> Path:
    """Write a tar file of plain files."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def special(path: Path, kind: bytes, name: str, target: str = "") -> Path:
    """Write an OVA that has a member of another kind, or with another name, besides."""
    archive(path, **{"vm.ovf": description(disks=False), "disk.vmdk": b"disk"})
    with tarfile.open(path, "a") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, target
        tar.addfile(entry)
    return path


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a stream-optimised VMDK."""
    return make(tmp_path_factory.mktemp("disk"), "vmdk-stream").read_bytes()


@needs_qemu_img
def test_what_brings_its_own_files_is_an_appliance(tmp_path: Path, disk: bytes) -> None:
    size = f' ovf:size="{len(disk)}"'
    check_appliance(archive(tmp_path / "vm.ova", **{"vm.ovf": description(file=size), "disk.vmdk": disk, "vm.mf": b""}))
    (tmp_path / "vm.ovf").write_bytes(b"\xef\xbb\xbf" + description(file=size))
    (tmp_path / "disk.vmdk").write_bytes(disk)
    check_appliance(tmp_path / "vm.ovf")
    compressed = description("disk.vmdk.gz", file=' ovf:compression="gzip"')
    check_appliance(archive(tmp_path / "gz.ova", **{"vm.ovf": compressed, "disk.vmdk.gz": b"\x1f\x8b\x08" + disk}))
    check_appliance(archive(tmp_path / "cd.ova", **{"vm.ovf": description("cd.iso"), "cd.iso": ISO}))


def _writer(data: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


ODD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (_writer(b""), "empty"),
    "text": (_writer(b"no appliance"), "is no appliance"),
    "disk": (_writer(boot_sector() + bytes(4096)), "is no appliance"),
    "other xml": (_writer(b"<vm><Envelope/></vm>"), "is no OVF description"),
    "broken xml": (_writer(b"<Envelope><a></Envelope>"), "no XML|no OVF"),
    "no description": (lambda path: archive(path, **{"notes.txt": b"x"}), "does not begin with an .ovf"),
    "doctype": (
        lambda path: archive(path, **{"vm.ovf": description(start='<!DOCTYPE x [<!ENTITY a "b">]>\n')}),
        "DOCTYPE",
    ),
    "link": (lambda path: special(path, tarfile.SYMTYPE, "disk2.vmdk", "/etc/passwd"), "no plain file"),
    "hard link": (lambda path: special(path, tarfile.LNKTYPE, "disk2.vmdk", "disk.vmdk"), "no plain file"),
    "device": (lambda path: special(path, tarfile.BLKTYPE, "disk2.vmdk"), "no plain file"),
    "folder": (lambda path: special(path, tarfile.DIRTYPE, "folder"), "no plain file"),
    "absolute member": (lambda path: special(path, tarfile.REGTYPE, "/etc/x.vmdk"), "with the name"),
    "member above": (lambda path: special(path, tarfile.REGTYPE, "../x.vmdk"), "with the name"),
    "member twice": (lambda path: special(path, tarfile.REGTYPE, "disk.vmdk"), "with the name"),
}
HREFS = ("/etc/passwd", "../disk.vmdk", "folder/disk.vmdk", "..\\disk.vmdk", "file:///etc/passwd", "C:\\x.vmdk",
         "https://example.org/disk.vmdk", "", "..")  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_appliance_of_its_own_files_is_refused(tmp_path: Path, name: str) -> None:
    maker, words = ODD[name]
    path = maker(tmp_path / "vm.ova")
    with pytest.raises(BaseError, match=words) as caught:
        check_appliance(tmp_path / "vm.ova")
    assert str(path) in caught.value.brief
    assert caught.value.resolution


@pytest.mark.parametrize("href", HREFS)
def test_a_description_names_no_file_elsewhere(tmp_path: Path, href: str) -> None:
    archive(tmp_path / "vm.ova", **{"vm.ovf": description(href), "disk.vmdk": b"disk"})
    (tmp_path / "vm.ovf").write_bytes(description(href))
    for name in ("vm.ova", "vm.ovf"):
        with pytest.raises(BaseError, match="no file of its own"):
            check_appliance(tmp_path / name)


@needs_qemu_img
def test_a_disk_within_is_judged_like_one_that_is_given(tmp_path: Path, disk: bytes) -> None:
    def refusal(data: bytes, **options: Any) -> str:
        with pytest.raises(BaseError) as caught:
            check_appliance(archive(tmp_path / "vm.ova", **{"vm.ovf": description(**options), "disk.vmdk": data}))
        return str(caught.value)

    assert "cut short" in refusal(disk[: len(disk) // 2])
    assert "names other files" in refusal(descriptor('RW 1 FLAT "/etc/passwd" 0'))
    assert "of an unknown kind" in refusal(boot_sector() + bytes(4096))
    assert "gzip archive" in refusal(b"\x1f\x8b" + disk)
    assert "cut short" in refusal(disk, file=f' ovf:size="{len(disk) + 1}"')
    assert "in pieces" in refusal(disk, file=' ovf:chunkSize="1024"')
    assert "compression" in refusal(disk, file=' ovf:compression="lzma"')
    assert "is not compressed" in refusal(disk, file=' ovf:compression="gzip"')
    assert "apart from its parent" in refusal(disk, disk=' ovf:parentRef="other"')
    assert "'gone.vmdk' is not in it" in refusal(disk, href="gone.vmdk")


@needs_qemu_img
def test_a_cut_archive_is_refused_wherever_it_is_cut(tmp_path: Path, disk: bytes) -> None:
    path = archive(tmp_path / "vm.ova", **{"vm.ovf": description(), "disk.vmdk": disk})
    whole = path.read_bytes()
    needed = whole.index(disk) + len(disk)
    for end in (1, 300, 512, 800, 1024, 1100, 1536, 2048, needed // 2, needed - 600, needed - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(BaseError):
            check_appliance(path)


def test_files_beside_a_description_are_no_links(tmp_path: Path) -> None:
    (tmp_path / "vm.ovf").write_bytes(description())
    with pytest.raises(BaseError, match=r"disk\.vmdk that it names cannot be read"):
        check_appliance(tmp_path / "vm.ovf")
    (tmp_path / "disk.vmdk").symlink_to("/etc/passwd")
    with pytest.raises(BaseError, match="is a link"):
        check_appliance(tmp_path / "vm.ovf")


@given(st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=6)), min_size=1, max_size=4))
@settings(max_examples=150)
def test_changed_archives_are_refused_or_read(changes: list[tuple[int, bytes]]) -> None:
    with TemporaryDirectory() as folder:
        file = archive(Path(folder, "vm.ova"), **{"vm.ovf": description(disks=False), "disk.vmdk": b"disk" * 100})
        data = bytearray(file.read_bytes())
        for offset, value in changes:
            data[offset : offset + len(value)] = value
        file.write_bytes(data)
        with suppress(BaseError):
            check_appliance(file)


@given(st.binary(max_size=300))
def test_any_description_is_read_or_refused(text: bytes) -> None:
    for data in (text, b"<?xml version='1.0' encoding='" + text + b"'?><a/>", description()[:200] + text):
        with suppress(Unfit):
            appliances._described(data)
