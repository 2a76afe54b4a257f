"""Building root trees with mmdebstrap, and the boot files beside a disk."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from vboxlab import programs
from vboxlab.base import disk, initrd
from vboxlab.base.jobs import remove_tree, run_job, scratch_directory, side_by_side, tethered_command
from vboxlab.base.mirror import Mirror, check_reachable, unreachable
from vboxlab.base.native import LOGINS, Job, Step, listed, turn
from vboxlab.base.recipe import Recipe, TreeFile, key_files, sources_files, sources_text
from vboxlab.errors import BaseError
from vboxlab.files import PRIVATE_FILE, make_private_folder, write_durably
from vboxlab.hypervisor.driver import Progress, no_progress
from vboxlab.language import N_, _

Beside = Callable[[Path, Path, Path], None]

_SETUP_PATH = "/root/.vboxlab-setup"
_LISTS = "lists"
_STAGES = (
    (re.compile(r"^I: running apt-get update"), N_("reading the package lists"), 2),
    (re.compile(r"^I: downloading packages"), N_("downloading the essential packages"), 5),
    (re.compile(r"^I: extracting archives"), N_("unpacking the essential packages"), 10),
    (re.compile(r"^I: installing essential"), N_("installing the essential packages"), 18),
    (re.compile(r"^I: installing remaining"), N_("downloading packages"), 35),
    (re.compile(r"^Unpacking linux-image"), N_("unpacking the kernel"), 45),
    (re.compile(r"^Setting up netbase"), N_("setting packages up"), 65),
    (re.compile(r"^I: creating tarball"), N_("packing the tree"), 80),
)
_KEYRINGS = ("/usr/share/keyrings", "/etc/apt/trusted.gpg.d")
_STOCK_DIRECTORIES = (
    "etc/network", "etc/network/interfaces.d", "etc/sudoers.d", "etc/ssh", "etc/ssh/sshd_config.d", "etc/systemd",
    "etc/systemd/system", "boot", "etc/udev", "etc/udev/rules.d", "etc/apt", "etc/apt/apt.conf.d", "etc/default",
)  # fmt: skip
_MIRROR_TROUBLE = re.compile(
    r"Could not resolve|Temporary failure resolving|Could not connect|Unable to connect|Connection (?:failed|refused|"
    r"timed out)|Failed to fetch|does not have a Release file|no longer has a Release file"
)


def build(
    recipe: Recipe,
    mirror: Mirror,
    public_key: str,
    target: Path,
    cache: Path,
    progress: Progress = no_progress,
    beside: Sequence[Beside] = (),
) -> None:
    """Build a base into the existing empty directory `target`: root.tar[.zst], disk.qcow2 and the boot files.

    The package lists are left in `cache`, for jobs of vboxlab.base.native. What is to be done `beside` begins with the
    tree, while the base's own disk is made; it is called with the tree, the directory with the boot files and an empty
    one to work in. Raises BaseError when programs are missing, the mirror is not reachable or a step fails.
    """
    if sys.platform != "linux":
        raise BaseError(
            _("a base can be built on Linux only"),
            resolution=_("build it on a Linux machine and copy its directory, or register a VM that you have"),
        )
    disk.require([disk.MMDEBSTRAP, *disk.disk_tools()])
    if not any(file for place in _KEYRINGS for file in Path(place).glob("debian-archive-*")):
        raise BaseError(
            _("the keys that Debian's archive is signed with are missing"),
            resolution=_("sudo apt-get install debian-archive-keyring"),
        )
    progress(_("asking {mirror}").format(mirror=mirror.uri), 0)
    check_reachable(mirror, recipe.suite)
    with scratch_directory(target.parent) as scratch:
        tree = scratch / "root.tar"
        make_tree(recipe, mirror, public_key, tree, progress)
        tree.chmod(PRIVATE_FILE)  # zstd gives its outcome the same rights
        progress(_("making the boot files"), 84)
        side_by_side(
            (
                lambda: write_boot_files(recipe, tree, target),
                lambda: keep_tree(tree, target),
                lambda: keep_lists(recipe, mirror, tree.with_name(_LISTS), cache),
            )
        )
        progress(_("making the disk"), 87)
        works: tuple[Beside, ...] = (partial(_make_disk, recipe), *beside)
        side_by_side([partial(_work_in, scratch / str(n), each, tree, target) for n, each in enumerate(works)])
    progress(_("done"), 100)


def _work_in(place: Path, work: Beside, tree: Path, target: Path) -> None:
    """Do a piece of work in a place that is gone afterwards: memory is short with several trees in it."""
    make_private_folder(place)
    try:
        work(tree, target, place)
    finally:
        remove_tree(place)


def _make_disk(recipe: Recipe, tree: Path, target: Path, place: Path) -> None:
    raw = place / "disk.raw"
    step = Step((), disk=str(raw))
    run_job(Job((str(tree), str(target / "boot.tar")), (), str(place), "", (step,), recipe.disk_mib, recipe.label))
    disk.to_qcow2(raw, target / "disk.qcow2")


def keep_lists(recipe: Recipe, mirror: Mirror, lists: Path, cache: Path) -> None:
    """Put the package lists of a build into the cache of package layers, which then need not fetch them."""
    make_private_folder(cache / "lists")
    with turn(cache):
        for file in lists.iterdir():
            if file.is_file() and file.name != "lock":
                copy = cache / "lists" / file.name
                write_durably(copy, file.read_bytes())
                times = file.stat()
                os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))  # apt asks the mirror what is newer
        write_durably(listed(cache, sources_text(recipe, mirror).encode()), "")


def make_tree(recipe: Recipe, mirror: Mirror, public_key: str, tree: Path, progress: Progress) -> None:
    """Make the root tree of a recipe as a plain tar."""
    files = (*recipe.files, *sources_files(recipe, mirror), *key_files(recipe, public_key))
    files = (*files, TreeFile(_SETUP_PATH, recipe.setup, 0o700))
    overlay = tree.parent.parent / "overlay.tar"
    write_durably(overlay, tree_files_tar(files), mode=0o644)  # read under mmdebstrap's user ids; nothing secret
    logins = tree.with_name("logins.tar")
    write_durably(logins, tree_files_tar([TreeFile(LOGINS, mirror.netrc, 0o600)]))
    lists = tree.with_name(_LISTS)
    make_private_folder(lists)
    selections = "".join(f"{line}\\n" for line in recipe.debconf)
    argv = [
        "--variant=apt",
        f"--include={','.join(recipe.packages)}",
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=force-confold",
        *([f"--setup-hook=tar-in {logins} /", f'--customize-hook=rm "$1"{LOGINS}'] if mirror.netrc else []),
        f"--essential-hook=printf '{selections}' | chroot \"$1\" debconf-set-selections",
        f"--customize-hook=tar-in {overlay} /",
        f'--customize-hook=chroot "$1" sh {_SETUP_PATH}',
        f'--customize-hook=rm "$1"{_SETUP_PATH}',
        f"--customize-hook=sync-out /var/lib/apt/lists {lists}",
        recipe.suite,
        str(tree),
        *mirror.sources(recipe.suite),
    ]
    run_mmdebstrap(argv, mirror, overlay.parent, progress)


def run_mmdebstrap(argv: Sequence[str], mirror: Mirror, place: Path, progress: Progress = no_progress) -> None:
    """Run mmdebstrap with our options before argv, in a place that others can pass through.

    Raises BaseError with its last words, or the mirror's trouble.
    """
    options = [f"--aptopt={option}" for option in mirror.options]
    environment = {
        **os.environ,
        **mirror.environment,
        "INITRD": "No",  # the kernel's hook makes no stock initrd then: it takes half a minute and is not used
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "TMPDIR": str(place),
    }
    command = ["mmdebstrap", "--verbose", "--format=tar", "--skip=cleanup/reproducible", *options, *argv]
    last: deque[str] = deque(maxlen=200)
    with programs.start(
        tethered_command(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", env=environment,
    ) as process:  # fmt: skip
        try:
            for line in process.stdout or ():
                last.append(line.rstrip())
                for pattern, text, percent in _STAGES:
                    if pattern.match(line):
                        progress(_(text), percent)
        except BaseException:
            if process.stdin:
                process.stdin.close()  # ends it, see vboxlab.base.tether
            raise
    if process.returncode != 0:
        raise _failure(list(last), mirror)


def _failure(lines: list[str], mirror: Mirror) -> BaseError:
    trouble = [line for line in lines if _MIRROR_TROUBLE.search(line)]
    if trouble:
        return unreachable(mirror, trouble[-1])
    telling = [line for line in lines if re.match(r"^(?:E|dpkg|mke2fs|tar|.*rror)\b", line)] or lines
    if any("newuidmap" in line or "subuid" in line for line in lines):
        return BaseError(
            _("mmdebstrap cannot work as an ordinary user here"),
            details=telling[-8:],
            resolution=_("sudo apt-get install uidmap (and an entry for you in /etc/subuid), or build it as root"),
        )
    if any("No space left" in line for line in lines):
        return BaseError(_("the disk is full"), details=telling[-4:], resolution=_("free 4 GiB and try again"))
    resolution = _("try again with another mirror or as root")
    return BaseError(_("mmdebstrap failed"), details=telling[-12:], resolution=resolution)


def tree_files_tar(files: Sequence[TreeFile]) -> bytes:
    """Return the files as a tar, with the directories above them that a Debian tree may lack."""
    buffer = io.BytesIO()
    made: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            parts = file.path.strip("/").split("/")
            for depth in range(2, len(parts)):
                directory = "/".join(parts[:depth])
                if directory in made or _stock_directory(directory):
                    continue
                made.add(directory)
                info = tarfile.TarInfo(directory)
                info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, int(time.time())
                info.uid = info.gid = file.owner
                archive.addfile(info)
            content = file.content.encode() if isinstance(file.content, str) else file.content
            info = tarfile.TarInfo(file.path.strip("/"))
            info.size, info.mode, info.mtime = len(content), file.mode, int(time.time())
            info.uid = info.gid = file.owner
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _stock_directory(directory: str) -> bool:
    """Tell whether Debian has the directory already, with a mode that is not ours to set."""
    return directory in _STOCK_DIRECTORIES


def write_boot_files(recipe: Recipe, tree: Path, target: Path) -> None:
    """Write vmlinuz, initrd.img and cmdline beside the disk, which boot it without a boot loader in the guest.

    boot.tar has what of that belongs into the tree, for the boot loader.
    """
    with tarfile.open(tree) as archive:
        kernel = initrd.read_kernel(archive, recipe.modules, recipe.more_modules)
    write_durably(target / "vmlinuz", initrd.uncompressed_kernel(kernel.image))
    write_durably(target / "initrd.img", initrd.build_initrd(kernel))
    write_durably(target / "cmdline", recipe.command_line + "\n")
    boot = tree_files_tar([TreeFile("/boot/initrd-vboxlab.img", (target / "initrd.img").read_bytes())])
    write_durably(target / "boot.tar", boot)


def keep_tree(tree: Path, target: Path) -> None:
    """Keep the tree in the directory, compressed where the host has zstd."""
    if programs.find("zstd"):
        argv = ["zstd", "-q", "-1", "-T0", str(tree), "-o", str(target / "root.tar.zst")]
    else:
        argv = ["cp", str(tree), str(target / "root.tar")]
    disk.run(argv, failure=_("packing the tree failed"))
