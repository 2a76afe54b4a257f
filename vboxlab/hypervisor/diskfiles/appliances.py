"""What appliances hold (OVA, OVF; DMTF's DSP0243), looked at before VirtualBox imports one.

An OVA is a tar file whose first member is the OVF description; an OVF file has its disks beside it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from vboxlab.hypervisor.diskfiles import raw, vhd, vmdk
from vboxlab.hypervisor.diskfiles.kinds import opened, refusing
from vboxlab.hypervisor.diskfiles.reading import AGAIN, SECTOR, Unfit, Window, cut_short
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass

MAX_DESCRIPTION = 8 << 20
MAX_MEMBERS = 1000
OVF = "http://schemas.dmtf.org/ovf/envelope/"
ENVELOPE = "Envelope"
EXPECTED = N_("an OVA (a tar file that begins with an .ovf) or an OVF file")
EXPORT = N_("VirtualBox makes one with File, Export Appliance; a disk file is added with --disk")
ODD = N_("export the machine again, with the defaults; an appliance from a source that you do not trust is better left")
GZIP = b"\x1f\x8b"
COMPRESSIONS = ("", "identity", "gzip")


@dataclass(frozen=True)
class Reference:
    """A file that an OVF description names."""

    href: str
    size: int
    compression: str


@dataclass
class Description:
    """What an OVF description says of files."""

    files: dict[str, Reference] = field(default_factory=dict)  # by id
    disks: set[str] = field(default_factory=set)  # ids of the files that are disks


def check_appliance(path: Path) -> None:
    """Raise BaseError unless an appliance is whole and names nothing but its own files."""
    with opened(path) as file:
        with refusing(path):
            start = file.start(SECTOR)
            if not (tar := start[raw.TAR_AT :].startswith(raw.TAR)) and not _is_description(file):
                strange = raw.stranger(file)
                what = strange.what if strange else _("is no appliance")
                raise Unfit(what, EXPORT, expected=EXPECTED)
        if tar:
            with refusing(path):
                _check_archive(path, file)
            return
        with refusing(path):
            description = _described(file.read(0, min(file.length, MAX_DESCRIPTION + 1)))
    for number, reference in description.files.items():
        beside = path.parent / reference.href
        with opened(beside, part_of=path) as found, refusing(beside):
            _check_file(reference, found, is_disk=number in description.disks)


def _is_description(file: Window) -> bool:
    start = file.start(4096)
    return start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and ENVELOPE.encode() in start


def _check_archive(path: Path, file: Window) -> None:
    with _members(path) as members:
        found = {name: file.part(offset, length) for name, offset, length in members}
    first = next(iter(found), "")
    if not first.lower().endswith(".ovf"):
        raise Unfit(_("is a tar archive that does not begin with an .ovf, so no appliance"), EXPORT, expected=EXPECTED)
    description = _described(found[first].read(0, min(found[first].length, MAX_DESCRIPTION + 1)))
    for number, reference in description.files.items():
        if reference.href not in found:
            raise Unfit(_("is cut short, or lacks a file: {name!r} is not in it").format(name=reference.href), AGAIN)
        try:
            _check_file(reference, found[reference.href], is_disk=number in description.disks)
        except Unfit as unfit:
            text = _("holds a file that it cannot be made of: {name!r} {problem}")
            what = text.format(name=reference.href, problem=unfit.what)
            raise Unfit(what, unfit.resolution, expected=unfit.expected) from unfit


@contextmanager
def _members(path: Path) -> Iterator[Iterator[tuple[str, int, int]]]:
    """Give name, place and length of each member of a tar file, which must be a plain file of a plain name."""
    with path.open("rb") as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                yield _plain_members(archive, stream)
        except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
            raise Unfit(_("is a damaged tar archive ({error})").format(error=error), AGAIN) from error


def _plain_members(archive: tarfile.TarFile, stream: BinaryIO) -> Iterator[tuple[str, int, int]]:
    seen: set[str] = set()
    length = stream.seek(0, 2)
    for member in archive:
        if not member.isreg() or member.issparse():
            raise Unfit(_("holds {name!r}, which is no plain file").format(name=member.name), ODD)
        if not _is_plain(member.name) or member.name in seen:
            raise Unfit(
                _("holds a file with the name {name!r}").format(name=member.name),
                ODD,
                expected=N_("plain names, each once"),
            )
        if member.offset_data + member.size > length:
            raise cut_short(member.offset_data + member.size, length)
        if len(seen) >= MAX_MEMBERS:
            raise Unfit(_("holds more than {limit} files").format(limit=MAX_MEMBERS), ODD)
        seen.add(member.name)
        yield member.name, member.offset_data, member.size


def _is_plain(name: str) -> bool:
    """Tell whether a name is that of a file beside, on every system: no path, no URL, no device."""
    odd = any(character in '/\\:*?"<>|' or ord(character) < ord(" ") for character in name)
    return bool(name) and not odd and name not in (".", "..")


def _described(text: bytes) -> Description:
    """Return what an OVF description says of files. Raises Unfit for what is none, or names files elsewhere."""
    if len(text) > MAX_DESCRIPTION:
        raise Unfit(_("has a description of more than {limit} bytes").format(limit=MAX_DESCRIPTION), ODD)
    found = Description()
    root: list[str] = []

    def element(name: str, attributes: dict[str, str]) -> None:
        space, _blank, local = name.rpartition(" ")
        root.append(name)
        if len(root) == 1 and (local != ENVELOPE or not space.startswith(OVF)):
            raise Unfit(_("is no OVF description: its outermost element is another"), EXPORT, expected=EXPECTED)
        own = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        if space.startswith(OVF) and local == "File":
            found.files[own.get("id", "")] = _reference(own)
        elif space.startswith(OVF) and local == "Disk":
            if own.get("parentRef"):
                raise Unfit(_("holds the disk of a snapshot apart from its parent"), ODD)
            if own.get("fileRef"):
                found.disks.add(own["fileRef"])

    def refuse(*_declaration: object) -> None:
        raise Unfit(_("has a description with declarations of its own (DOCTYPE)"), ODD)

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise Unfit(_("has a description that is no XML ({error})").format(error=error), AGAIN) from error
    except (LookupError, ValueError) as error:
        raise Unfit(_("has a description in an unknown encoding ({error})").format(error=error), ODD) from error
    return found


def _reference(attributes: dict[str, str]) -> Reference:
    href, size = attributes.get("href", ""), attributes.get("size", "0")
    if not _is_plain(href):
        raise Unfit(
            _("names {name!r}, which is no file of its own").format(name=href),
            ODD,
            expected=N_("plain names of files that it brings"),
        )
    if attributes.get("chunkSize"):
        raise Unfit(
            _("brings {name!r} in pieces (chunkSize), which VirtualBox does not put together").format(name=href), ODD
        )
    compression = attributes.get("compression", "")
    if compression not in COMPRESSIONS:
        raise Unfit(
            _("brings {name!r} with a compression that is not known: {compression!r}").format(
                name=href, compression=compression
            ),
            ODD,
        )
    return Reference(href, int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0, compression)


def _check_file(reference: Reference, file: Window, *, is_disk: bool) -> None:
    """Raise Unfit when a file of an appliance is not what its description says, or names other files."""
    file.require(reference.size)
    if reference.compression == "gzip":
        if file.start(len(GZIP)) != GZIP:
            raise Unfit(_("is not compressed, which the description says"), ODD)
        return
    if not is_disk:
        return
    start = file.start(vmdk.MAX_START)
    if start.startswith(vmdk.MAGIC):
        vmdk.read_sparse(file)
    elif vhd.is_vhd(file):
        vhd.read(file)
    elif raw.is_cd(file):
        return
    else:
        strange = raw.stranger(file)
        what = (
            _("names other files")
            if vmdk.is_descriptor(start)
            else strange.what
            if strange
            else _("is of an unknown kind")
        )
        raise Unfit(what, ODD, expected=N_("a VMDK in one file, or a VHD"))
