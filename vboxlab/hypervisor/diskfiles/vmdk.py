"""Headers, descriptors and grain tables of VMDK files (VMware's "Virtual Disk Format 5.0" technical note)."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Literal, NamedTuple

from vboxlab.hypervisor.diskfiles.reading import AGAIN, SECTOR, WHOLE, Unfit, Window, cut_short, damaged
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass

MAGIC = b"KDMV"
DESCRIPTOR_START = re.compile(rb"#\s?Disk Descriptor ?File")
# version, flags, capacity, grain size, descriptor at and size, entries a table, directory (all but the entries and the
# flags in sectors)
HEADER = struct.Struct("<4xIIQQQQI8xQ")
GRAIN = struct.Struct("<QI")  # before a compressed grain: its sector, its length
COMPRESSED = 1 << 16
AT_END = 0xFFFFFFFFFFFFFFFF  # the directory's place stands in the footer, a copy of the header
FOOTER_FROM_END = 2 * SECTOR
ZEROED = 1  # entry of a grain that was filled with zeros
MAX_DESCRIPTOR = 1 << 20
MAX_START = 128  # bytes that tell a descriptor, and every other kind that begins with a mark
MAX_EXTENTS = 4096
MAX_SECTORS = 1 << 53  # 4 EiB
EXTENT = re.compile(r'(?:RW|RDONLY)\s+(\d{1,16})\s+(FLAT|VMFS|SPARSE|ZERO)(?:\s+"([^"]*)"(?:\s+(\d{1,16}))?)?')
ASSIGNMENT = re.compile(r"([\w.:]+)\s*=\s*(.*)")
ODD_EXTENT = re.compile(r"(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)")
# Names of files beside the descriptor, as all programs that write VMDKs give them; no other file of a folder is read.
PLAIN_NAME = re.compile(r'[^/\\:"<>|*?\x00-\x1f\x7f]+\.vmdk', re.I)
ALONE = "ffffffff"
NO_UUID = "00000000-0000-0000-0000-000000000000"
HINT = b"parentfilenamehint"
OWN_DESCRIPTOR_AT = SECTOR  # where all programs write it, and QEMU reads it whatever the header says
SEEN_BY_QEMU = 20 * SECTOR  # from where a descriptor begins (block/vmdk.c, DESC_SIZE)
MAX_GRAIN, MAX_ENTRIES = 1 << 16, 1 << 16
DESCRIPTOR_WANTED = N_("give the descriptor, the small .vmdk file without a number in its name")
BESIDE = N_("a descriptor names its own extents by plain names that end in .vmdk; export the VM as an OVA instead")
Kind = Literal["flat", "sparse", "zero"]


class Header(NamedTuple):
    """The header of a sparse extent, or the footer that repeats it."""

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_at: int
    descriptor_size: int
    entries: int
    directory: int


@dataclass(frozen=True)
class Extent:
    """A piece of a disk, in a file beside the descriptor."""

    kind: Kind
    sectors: int
    name: str = ""
    start: int = 0  # sector of the file at which a flat one begins


def is_descriptor(start: bytes) -> bool:
    """Tell whether a file that starts so is a text that describes a VMDK."""
    return DESCRIPTOR_START.match(start) is not None


def read_sparse(file: Window, *, alone: bool = True) -> int:
    """Return the size of a sparse extent. Raises Unfit when not all of its grains are there.

    `alone` is it when it is a disk by itself: it then brings a descriptor, which must name nothing else.
    """
    header = _header(file, 0)
    if alone:
        _check_own_descriptor(file, header)
    if header.directory == AT_END:
        place = file.length - FOOTER_FROM_END
        if place < 0 or file.read(place, len(MAGIC)) != MAGIC:
            raise Unfit(_("is a VMDK that is cut short: its footer is missing"), AGAIN)
        header = _header(file, place)
    end = _end_of_grains(file, header)
    if end > file.length:
        raise cut_short(end, file.length)
    return header.capacity * SECTOR


def _header(file: Window, offset: int) -> Header:
    found = Header(*file.unpack(HEADER, offset))
    if not 1 <= found.version <= 3:
        raise Unfit(
            _("is a VMDK of version {version}").format(version=found.version), WHOLE, expected=N_("version 1 to 3")
        )
    # QEMU takes a capacity of 0 for a sign that the descriptor counts, and the files that this names.
    if (
        not 0 < found.capacity <= MAX_SECTORS
        or not 0 < found.grain <= MAX_GRAIN
        or not 0 < found.entries <= MAX_ENTRIES
    ):
        raise damaged(
            _("{sectors} sectors in grains of {grain}, {entries} entries a table").format(
                sectors=found.capacity, grain=found.grain, entries=found.entries
            )
        )
    return found


def _check_own_descriptor(file: Window, header: Header) -> None:
    """Raise Unfit unless the descriptor in a sparse VMDK names nothing but this."""
    text = file.read(OWN_DESCRIPTOR_AT, min(header.descriptor_size * SECTOR, MAX_DESCRIPTOR))
    _check_hint(file.read(OWN_DESCRIPTOR_AT, min(max(len(text), SEEN_BY_QEMU), file.length - OWN_DESCRIPTOR_AT)))
    extents = parse(text)
    if header.descriptor_at * SECTOR != OWN_DESCRIPTOR_AT or len(extents) != 1 or extents[0].kind != "sparse":
        raise Unfit(_("is one part of a VMDK, or names other files"), DESCRIPTOR_WANTED)


def _end_of_grains(file: Window, header: Header) -> int:
    """Return where the last grain ends."""
    grain, compressed = header.grain, bool(header.flags & COMPRESSED)
    directory = file.table(header.directory * SECTOR, -(-header.capacity // (grain * header.entries)), "<I")
    tables = set(directory) - {0}
    if len(tables) * header.entries * 4 > file.length:
        raise damaged(
            _("{tables} tables of {entries} entries, more than the file has room for").format(
                tables=len(tables), entries=header.entries
            )
        )
    last = 0
    for table_at in tables:
        last = max(last, *file.table(table_at * SECTOR, header.entries, "<I"))
    if last <= ZEROED:
        return 0
    if not compressed:
        return (last + grain) * SECTOR
    _sector, length = file.unpack(GRAIN, last * SECTOR)
    return last * SECTOR + GRAIN.size + length


def read_descriptor(file: Window) -> tuple[Extent, ...]:
    """Return the extents that a descriptor names. Raises Unfit for all but plain files beside it."""
    if file.length > MAX_DESCRIPTOR:
        raise damaged(_("a descriptor of {length} bytes").format(length=file.length))
    extents = parse(file.read(0, file.length))
    if not extents:
        raise damaged(_("its descriptor names no extents"))
    for extent in extents:
        if extent.kind != "zero" and not PLAIN_NAME.fullmatch(extent.name):
            raise Unfit(_("names {name!r}, which is no VMDK file beside it").format(name=extent.name), BESIDE)
    return extents


def parse(descriptor: bytes) -> tuple[Extent, ...]:
    """Return the extents of a descriptor. Raises Unfit for what is no extent, comment or assignment, and for parents.

    Every line must be understood: VirtualBox and QEMU each pass over lines that the other one reads.
    """
    found = []
    for number, raw in enumerate(_decoded(descriptor.split(b"\0", 1)[0]).splitlines(), 1):
        line = raw.strip()
        if line.startswith("#") or not line:
            continue
        if match := EXTENT.fullmatch(line):
            found.append(_extent(match))
        elif match := ASSIGNMENT.fullmatch(line):
            _check_parent(match[1], match[2])
        elif match := ODD_EXTENT.match(line):
            what = _("has an extent of an unknown kind in line {number} of its descriptor: {kind}")
            raise Unfit(what.format(number=number, kind=match[1]), WHOLE,
                        expected=N_("FLAT, VMFS, SPARSE or ZERO, to be read"))  # fmt: skip
        else:
            raise Unfit(
                _("has a descriptor whose line {number} is not understood: {text!r}").format(
                    number=number, text=line[:80]
                ),
                WHOLE,
            )
        if len(found) > MAX_EXTENTS:
            raise damaged(_("more than {limit} extents").format(limit=MAX_EXTENTS))
    return tuple(found)


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", errors="replace")


def _extent(match: re.Match[str]) -> Extent:
    sectors, kind, name, start = int(match[1]), match[2], match[3] or "", int(match[4] or 0)
    if not 0 < sectors <= MAX_SECTORS or start > MAX_SECTORS:
        raise damaged(_("an extent of {sectors} sectors from {start}").format(sectors=sectors, start=start))
    if kind == "ZERO":
        return Extent("zero", sectors)
    return Extent("sparse" if kind == "SPARSE" else "flat", sectors, name, start)


def _check_hint(text: bytes) -> None:
    """Raise Unfit when a parent's name stands anywhere: QEMU takes it from comments too, and from what follows."""
    if HINT in text.split(b"\0", 1)[0].lower():
        raise Unfit(_("is the disk of a snapshot, of no use without its parent"), WHOLE)


def _check_parent(name: str, value: str) -> None:
    word = value.strip().strip('"').lower()
    alone = {"parentcid": ALONE, "ddb.uuid.parent": NO_UUID}
    if name.lower() == HINT.decode() or word != alone.get(name.lower(), word):
        raise Unfit(_("is the disk of a snapshot, of no use without its parent"), WHOLE)


def check_extent(extent: Extent, file: Window) -> None:
    """Raise Unfit when an extent's file is not what the descriptor says."""
    if extent.kind == "sparse":
        if file.start(len(MAGIC)) != MAGIC:
            raise damaged(_("no sparse extent, which its descriptor calls it"))
        size = read_sparse(file, alone=False)
        if size < extent.sectors * SECTOR:
            raise damaged(
                _("{size} bytes, of which its descriptor wants {wanted}").format(
                    size=size, wanted=extent.sectors * SECTOR
                )
            )
    else:
        file.require((extent.start + extent.sectors) * SECTOR)


def describe_extents(extents: Sequence[Extent]) -> str:
    """Return a descriptor of flat and sparse extents, as both VirtualBox and QEMU read it.

    It has no empty lines: QEMU (7.2) counts an extent twice that follows one.
    """
    sparse = any(extent.kind == "sparse" for extent in extents)
    form = "twoGbMaxExtentSparse" if sparse else "monolithicFlat" if len(extents) == 1 else "twoGbMaxExtentFlat"
    cylinders = max(1, min(16383, sum(extent.sectors for extent in extents) // (16 * 63)))
    lines = [
        "# Disk DescriptorFile", "version=1", "CID=fffffffe", f"parentCID={ALONE}", f'createType="{form}"',
        *(_line(extent) for extent in extents),
        'ddb.virtualHWVersion = "4"', 'ddb.adapterType = "ide"', f'ddb.geometry.cylinders = "{cylinders}"',
        'ddb.geometry.heads = "16"', 'ddb.geometry.sectors = "63"', "",
    ]  # fmt: skip
    return "\n".join(lines)


def _line(extent: Extent) -> str:
    start = f" {extent.start}" if extent.kind == "flat" else ""
    return f'RW {extent.sectors} {extent.kind.upper()} "{extent.name}"{start}'
