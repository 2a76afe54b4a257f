"""A small initrd of our own, made from the root tree without running anything in it. Pure but for reading the tree.

It loads the modules for the disk, mounts the root file system and hands over: some 5 MB and half a second, where the
stock one (udev, all drivers) costs many seconds of an emulated boot. Format: Linux' buffer-format.rst ("newc" cpio).
"""

from __future__ import annotations

import lzma
import tarfile
from collections.abc import Mapping, Sequence

from vboxlab.errors import BaseError
from vboxlab.language import _
from vboxlab.lazily import dataclass

_INIT = """\
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in FIRST; do /bin/busybox insmod "/modules/$module"; done
root=; flags=ro; init=/sbin/init
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in
        root=*) root=${word#root=} ;;
        ro|rw) flags=$word ;;
        init=*) init=${word#init=} ;;
    esac
done
tries=0
while :; do
    case $root in
        LABEL=*|UUID=*) device=$(/bin/busybox findfs "$root" 2>/dev/null) ;;
        *) device=$root ;;
    esac
    [ -b "$device" ] && /bin/busybox mount -t ext4 -o "$flags" "$device" /root && break
    tries=$((tries + 1))
    if [ "$tries" -eq 3 ]; then
        for module in OTHERS; do /bin/busybox insmod "/modules/$module"; done
    fi
    if [ "$tries" -gt 300 ]; then
        echo "<2>vboxlab: no root file system $root" > /dev/kmsg # critical: on all consoles
        exec /bin/busybox sh
    fi
    /bin/busybox sleep 0.1
done
/bin/busybox mount --move /dev /root/dev
/bin/busybox mount --move /sys /root/sys
/bin/busybox mount --move /proc /root/proc
exec /bin/busybox switch_root /root "$init"
"""


@dataclass
class Kernel:
    """What the boot files are made from: read from a root tree."""

    release: str
    image: bytes
    busybox: bytes
    modules: Mapping[str, bytes]  # by file name below /lib/modules/RELEASE
    first: frozenset[str]  # those of them loaded at once; the others only when no root file system is found then


def read_kernel(tree: tarfile.TarFile, first: Sequence[str], others: Sequence[str]) -> Kernel:
    """Read kernel, busybox and the wanted modules with what they depend on from a root tree.

    Raises BaseError when the tree has none, or lacks a module that is not built into the kernel.
    """
    members = {member.name.lstrip("./"): member for member in tree.getmembers() if member.isfile()}
    releases = sorted(name.removeprefix("boot/vmlinuz-") for name in members if name.startswith("boot/vmlinuz-"))
    if not releases:
        raise BaseError(_("the root tree has no kernel"), details=[_("no file /boot/vmlinuz-*")])
    release = releases[-1]
    prefix = next(
        (p for p in (f"lib/modules/{release}/", f"usr/lib/modules/{release}/") if p + "modules.dep" in members), ""
    )
    if not prefix or not members.keys() & {"bin/busybox", "usr/bin/busybox"}:
        raise BaseError(
            _("the root tree lacks what the initrd is made from"),
            details=[_("kernel {release}").format(release=release)],
        )

    def read(name: str) -> bytes:
        stream = tree.extractfile(members[name])
        return stream.read() if stream else b""

    dependencies = _dependencies(read(prefix + "modules.dep").decode())
    builtin = {_module_name(line) for line in read(prefix + "modules.builtin").decode().split()}
    paths = resolve_modules([*first, *others], dependencies, builtin)
    return Kernel(
        release,
        read(f"boot/vmlinuz-{release}"),
        read("bin/busybox" if "bin/busybox" in members else "usr/bin/busybox"),
        {path: read(prefix + path) for path in paths},
        frozenset(resolve_modules(first, dependencies, builtin)),
    )


def resolve_modules(
    wanted: Sequence[str], dependencies: Mapping[str, Sequence[str]], builtin: frozenset[str] | set[str]
) -> tuple[str, ...]:
    """Return the files of the wanted modules and of all they need, in the order to load them."""
    by_name = {_module_name(path): path for path in dependencies}
    order: list[str] = []
    for name in wanted:
        path = by_name.get(name)
        if path is None:
            if name in builtin:
                continue
            raise BaseError(_("the kernel has no module {name}").format(name=name))
        # modules.dep lists dependencies outermost first: what is loaded first stands last.
        for needed in [*reversed(dependencies[path]), path]:
            if needed not in order:
                order.append(needed)
    for soft in ("crc32c_generic",):  # ext4 asks for it by name at mount time
        if soft in by_name and "ext4" in wanted and by_name[soft] not in order:
            order.insert(0, by_name[soft])
    return tuple(order)


def build_initrd(kernel: Kernel) -> bytes:
    """Return the initrd: busybox, the modules in loading order and the init script, as an uncompressed archive."""
    file_names = (path.rsplit("/", 1)[-1].removesuffix(".xz") for path in kernel.modules)
    names = {
        path: f"{index:02}-{name}" for index, (path, name) in enumerate(zip(kernel.modules, file_names, strict=True))
    }
    first = [name for path, name in names.items() if path in kernel.first]
    others = [name for path, name in names.items() if path not in kernel.first]
    script = _INIT.replace("FIRST", " ".join(first)).replace("OTHERS", " ".join(others))
    archive = CpioWriter()
    for directory in ("bin", "modules", "dev"):
        archive.add(directory, b"", 0o040755)
    archive.add("dev/console", b"", 0o020600, device=(5, 1))
    archive.add("bin/busybox", kernel.busybox, 0o100755)
    archive.add("init", script.encode(), 0o100755)
    for path, content in kernel.modules.items():
        archive.add(f"modules/{names[path]}", lzma.decompress(content) if path.endswith(".xz") else content, 0o100644)
    return archive.finish()


class CpioWriter:
    """Writes the "newc" archive format that the kernel unpacks."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._inode = 0

    def add(self, name: str, content: bytes, mode: int, device: tuple[int, int] = (0, 0)) -> None:
        """Add one entry; the mode includes the file type."""
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
        self._data += b"070701" + b"".join(b"%08X" % value for value in fields) + encoded
        self._pad()
        self._data += content
        self._pad()

    def finish(self) -> bytes:
        """Return the archive with its trailer."""
        self.add("TRAILER!!!", b"", 0)
        return bytes(self._data)

    def _pad(self) -> None:
        self._data += b"\0" * (-len(self._data) % 4)


def uncompressed_kernel(image: bytes) -> bytes:
    """Return the ELF kernel inside a compressed one, or the image itself when it cannot be found.

    QEMU boots an ELF kernel that has a PVH note directly (qemu(1), -kernel), which saves an emulated guest the seconds
    of unpacking itself. The payload is found as Linux' scripts/extract-vmlinux does: by the compressor's magic number.
    """
    start = image.find(b"\xfd7zXZ\0")
    while start >= 0:
        try:
            kernel = lzma.LZMADecompressor().decompress(image[start:])
        except lzma.LZMAError:
            kernel = b""
        if kernel.startswith(b"\x7fELF"):
            return kernel
        start = image.find(b"\xfd7zXZ\0", start + 1)
    return image


def _dependencies(text: str) -> dict[str, tuple[str, ...]]:
    lines = (line.partition(":") for line in text.splitlines())
    return {path.strip(): tuple(needs.split()) for path, _colon, needs in lines if path.strip()}


def _module_name(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".xz").removesuffix(".ko").replace("-", "_")
