"""The worker that installs packages in an unpacked root tree: `python -m vboxlab.base.native`, in its own namespaces.

It runs as root, or as the root of a user namespace that `unshare` made, with mounts and processes of its own: whatever
happens to it, no mount and no process stays. Its job comes as one line of JSON on standard input, which stays open for
as long as the parent lives; it reports progress and its result as lines of JSON on standard output.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, field
from pathlib import Path

from vboxlab import programs
from vboxlab.base import archives as debs
from vboxlab.base import delta as deltas
from vboxlab.base import offered as offers
from vboxlab.base import tree as trees
from vboxlab.base.disk import write_file_system
from vboxlab.errors import BaseError
from vboxlab.files import PRIVATE_FILE, make_private_folder, write_durably
from vboxlab.language import Language, _, speak, spoken
from vboxlab.lazily import dataclass

_APT = (
    "apt-get", "-q", "-y", "-o", "APT::Sandbox::User=root", "-o", "Dpkg::Options::=--force-confold",
    "-o", "Dpkg::Options::=--force-unsafe-io", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Languages=none",
    "-o", "Debug::NoLocking=1",  # lists and archives are written in turn (see turn); the tree is this job's alone
)  # fmt: skip
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "INITRD": "No",
}
_LEFT_BY_APT = (
    "var/log/dpkg.log", "var/log/alternatives.log", "var/cache/apt/pkgcache.bin", "var/cache/apt/srcpkgcache.bin",
)  # fmt: skip
_INSTALL = ("install", "--no-install-recommends")
_POLICY = "usr/sbin/policy-rc.d"
LOGINS = "/etc/apt/auth.conf.d/vboxlab-build.conf"  # while packages are installed


@dataclass(frozen=True)
class Step:
    """Packages to install over the step before, and what to make of the outcome (paths of files to write, or "")."""

    packages: tuple[str, ...]
    disk: str = ""  # raw disk
    archive: str = ""  # what changed since the step before (tar.zst)
    changes: str = ""  # the same as JSON: removed paths, and the manifest of a delta unless `whole`
    whole: bool = False
    archives: str = ""  # a tar of the packages' .deb files, with those they need: nothing is installed then
    offered: tuple[str, ...] = ()  # packages to have ready in the tree (see vboxlab.base.offered), besides


@dataclass(frozen=True)
class Job:
    """What the worker is asked to do. `trees` are unpacked one over the other: a root tree, then deltas."""

    trees: tuple[str, ...]
    removed: tuple[str, ...]
    scratch: str
    cache: str  # package lists and archives, shared between jobs
    steps: tuple[Step, ...]
    disk_mib: int
    label: str
    since: float = 0.0  # package lists that were fetched since then (of time.time) are new enough; 0: fetch them
    status: str = ""  # package database (of a guest) that takes the place of the tree's
    apt_options: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # of apt: a proxy
    logins: str = field(default="", repr=False)  # of the mirror (apt_auth.conf(5))
    language: Language = field(default_factory=spoken)  # that the worker speaks too

    def to_json(self) -> str:
        """Return the job as one line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        sets = ("packages", "offered")
        data["steps"] = tuple(Step(**{**step, **{key: tuple(step[key]) for key in sets}}) for step in data["steps"])
        for key in ("trees", "removed", "apt_options"):
            data[key] = tuple(data[key])
        data["environment"] = tuple((name, value) for name, value in data["environment"])
        return cls(**data)


def main() -> int:
    """Do the job read from standard input."""
    os.umask(0o022)  # what package scripts make is a guest's; ours lies in private folders
    job = Job.from_json(sys.stdin.readline())
    speak(job.language)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _work(job)
    except (BaseError, OSError) as error:
        report("error", [error.brief, *error.details] if isinstance(error, BaseError) else [str(error)])
        return 1
    return 0


def report(kind: str, value: object) -> None:
    """Print one line for the parent."""
    os.write(sys.stdout.fileno(), (json.dumps({kind: value}) + "\n").encode())


def _die_with_parent() -> None:
    """Kill this process when the parent is gone; as the first of its process namespace it takes all others along."""
    while sys.stdin.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGKILL) if os.getpid() != 1 else os._exit(1)


def _work(job: Job) -> None:
    root = Path(job.scratch) / "tree"
    root.mkdir()
    report("progress", _("unpacking the base"))
    for archive in job.trees:
        unpack(Path(archive), root)
    for path in job.removed:
        (root / path).unlink(missing_ok=True)
    if job.status:
        write_durably(root / deltas.STATUS, Path(job.status).read_bytes())
    for name in ("lists", "archives") if job.cache else ():
        make_private_folder(Path(job.cache) / name / "partial")
    before: dict[str, trees.Entry] = {}
    if any(step.archive for step in job.steps):
        report("progress", _("looking at the base"))
        before = trees.index(root)
    for step in job.steps:
        old_lines = _lines(root)
        if step.archives:
            report("progress", _("fetching {packages}").format(packages=" ".join(step.packages)))
            _bundle(root, job, step)
        elif step.packages:
            report("progress", _("installing {packages}").format(packages=" ".join(step.packages)))
            with _logged_in(root, job.logins):
                with turn(Path(job.cache)):
                    _update(root, job)
                    _apt(root, job, *_INSTALL, "--download-only", *step.packages)
                _install(root, job, step.packages)
        if step.offered:
            report("progress", _("fetching {packages}").format(packages=" ".join(step.offered)))
            _offer(root, job, step.offered)
        if step.archive:
            after = trees.index(root, before)
            _write_delta(root, step, before, after, old_lines)
            before = after
        if step.disk:
            report("progress", _("making the disk"))
            write_file_system(root, Path(step.disk), disk_mib=job.disk_mib, label=job.label)
    report("done", True)


def unpack(archive: Path, root: Path) -> None:
    """Unpack a tar, compressed or not, over the tree."""
    compression = ["--use-compress-program=zstd"] if archive.suffix == ".zst" else []
    how = ["--numeric-owner", "--same-owner", "--preserve-permissions", "--xattrs", "--xattrs-include=*"]
    # Device files cannot be made in a user namespace; the guest's /dev is the kernel's own anyway.
    how += ["--keep-directory-symlink", "--exclude=./dev/*"]
    _run(["tar", "--extract", *compression, *how, f"--file={archive}", f"--directory={root}"])


def mount_script(root: Path, cache: Path) -> str:
    """Return the sh commands that give package scripts what they need; run in a mount namespace of their own.

    The tree itself stays free of mounts, so that it can be indexed and copied between two installations.
    """
    inside = shlex.quote(str(root))
    devices = "null zero full random urandom tty"
    return f"""set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs {inside}/dev
for device in {devices}; do : > {inside}/dev/$device; mount --bind /dev/$device {inside}/dev/$device; done
ln -s /proc/self/fd {inside}/dev/fd
for pair in stdin:0 stdout:1 stderr:2; do ln -s fd/${{pair#*:}} {inside}/dev/${{pair%:*}}; done
mount -t proc proc {inside}/proc 2>/dev/null || mount --rbind /proc {inside}/proc
mount -t tmpfs tmpfs {inside}/run
mkdir -m 1777 {inside}/run/lock # /var/lock leads there, which packages such as drbd-utils bring as a folder
mount -t tmpfs tmpfs {inside}/tmp
mount --bind /etc/resolv.conf {inside}/etc/resolv.conf
mount --bind {shlex.quote(str(cache / "lists"))} {inside}/var/lib/apt/lists
mount --bind {shlex.quote(str(cache / "archives"))} {inside}/var/cache/apt/archives
"""  # noqa: S108 -- paths within the tree


@contextmanager
def turn(cache: Path) -> Iterator[None]:
    """Have the cache to ourselves: jobs side by side fetch one after the other, and nothing twice."""
    from filelock import FileLock

    with FileLock(cache / "turn.lock", mode=PRIVATE_FILE):
        yield


def listed(cache: Path, sources: bytes) -> Path:
    """Return the file whose time of change says when the package lists of these sources were fetched into the cache."""
    return cache / f"listed-{hashlib.sha256(sources).hexdigest()[:12]}"


def _update(root: Path, job: Job) -> None:
    stamp = listed(Path(job.cache), (root / "etc/apt/sources.list").read_bytes())
    if not job.since or not stamp.exists() or stamp.stat().st_mtime < job.since:
        _apt(root, job, "update")
        write_durably(stamp, "")


def _bundle(root: Path, job: Job, step: Step) -> None:
    """Fetch what installing the packages would need, and put just that into a tar."""
    with _logged_in(root, job.logins), turn(Path(job.cache)):
        _update(root, job)
        _apt(root, job, *_INSTALL, "--download-only", *step.packages)
        # With no cache of archives, all of them would be fetched, not only those that just were.
        printed = _apt(root, job, "-o", "Dir::Cache::archives=none/", *_INSTALL, "--print-uris", *step.packages)
        listing = Path(step.archives + ".list")
        write_durably(listing, "".join(f"{name}\n" for name in debs.fetched_files(printed)))
        folder = Path(job.cache) / "archives"
        what = ["--verbatim-files-from", f"--directory={folder}", f"--files-from={listing}"]
        _run(["tar", "--create", f"--file={step.archives}", *what], umask=0o077)


def _offer(root: Path, job: Job, packages: Sequence[str]) -> None:
    """Put a repository into the tree with the packages and what apt installs along with them as somebody types it."""
    folder, found = root / offers.FOLDER, dict[str, None]()
    folder.mkdir(parents=True)
    with _logged_in(root, job.logins), turn(Path(job.cache)):
        _update(root, job)
        for names in offers.asked_together(packages):
            _apt(root, job, "install", "--download-only", *names)
            # With no cache of archives, all of them are named, not only those that were just fetched.
            printed = _apt(root, job, "-o", "Dir::Cache::archives=none/", "install", "--print-uris", *names)
            found.update(dict.fromkeys(debs.fetched_files(printed)))
        for name in found:
            _copy(Path(job.cache) / "archives" / name, folder / offers.file_name(name))
    index = offers.packages_index({file.name: _archive(root, file) for file in sorted(folder.iterdir())})
    texts = {
        f"{offers.FOLDER}/Packages": index,
        f"{offers.FOLDER}/Release": offers.release(index),
        offers.SOURCES: offers.SOURCES_TEXT,
        offers.SETTINGS: offers.SETTINGS_TEXT,
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    _list(root, job)


def _copy(source: Path, target: Path) -> None:
    _run(["cp", "--no-dereference", "--no-preserve=mode,ownership", str(source), str(target)])


def _archive(root: Path, file: Path) -> offers.Archive:
    """Read an archive that lies in the tree, with the tree's own dpkg: the host may be none of Debian's."""
    done = programs.run(
        ["chroot", str(root), "dpkg-deb", "--field", f"/{file.relative_to(root)}"], env=_ENVIRONMENT,
        capture_output=True, text=True, encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise BaseError(_("{program} failed").format(program="dpkg-deb"), details=done.stderr.splitlines()[-4:])
    data = file.read_bytes()
    return offers.Archive(done.stdout, len(data), hashlib.sha256(data).hexdigest())


def _list(root: Path, job: Job) -> None:
    """Let apt in the tree know what the repository has, so that it can be installed before any `apt update`."""
    aside = root / "var/lib/vboxlab-lists"
    (aside / "partial").mkdir(parents=True)
    only = ["-o", f"Dir::Etc::sourcelist=/{offers.SOURCES}", "-o", "Dir::Etc::sourceparts=-"]
    _apt(root, job, *only, "-o", f"Dir::State::lists=/{aside.relative_to(root)}", "update")
    for file in aside.iterdir():
        if file.name.endswith(("_Packages", "_Release")):
            _copy(file, root / offers.LISTS / file.name)
    shutil.rmtree(aside)
    _forget_apt(root)


@contextmanager
def _logged_in(root: Path, logins: str) -> Iterator[None]:
    """Let apt in the tree know the mirror's users and passwords for as long as it works."""
    file = root / LOGINS.lstrip("/")
    if logins:
        write_durably(file, logins)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _install(root: Path, job: Job, packages: Sequence[str]) -> None:
    policy = root / _POLICY
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")  # invoke-rc.d(8): no service is started
    policy.chmod(0o755)
    try:
        _apt(root, job, *_INSTALL, "--no-download", *packages)
    finally:
        policy.unlink()
    _forget_apt(root)


def _forget_apt(root: Path) -> None:
    """Remove from the tree what apt writes down while it works, which is not the guest's history."""
    for name in _LEFT_BY_APT:
        (root / name).unlink(missing_ok=True)
    shutil.rmtree(root / "var/log/apt", ignore_errors=True)
    (root / "var/log/apt").mkdir(mode=0o755)


def telling(lines: Sequence[str]) -> list[str]:
    """Return the lines of apt's that say what went wrong, all of them when none is known to."""
    found = []
    for number, line in enumerate(lines):
        reason = line.startswith(" ") and number > 0 and lines[number - 1].startswith("dpkg: error")
        if reason or line.startswith(("E:", "W:", "Err:", "dpkg:")):
            found.append(line)
    return found or list(lines)


def _apt(root: Path, job: Job, *arguments: str) -> str:
    """Run apt-get in the tree and return what it prints. Raises BaseError."""
    options = [word for option in job.apt_options for word in ("-o", option)]
    command = ["exec", "chroot", str(root), *_APT, *options, *arguments]
    done = programs.run(
        ["unshare", "--mount", "sh", "-c", mount_script(root, Path(job.cache)) + shlex.join(command)],
        env={**_ENVIRONMENT, **dict(job.environment)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    if done.returncode:
        lines = done.stdout.strip().splitlines()
        raise BaseError(
            _("apt-get {arguments} failed").format(arguments=" ".join(arguments)), details=telling(lines)[-8:]
        )
    return str(done.stdout)


def _write_delta(
    root: Path, step: Step, before: dict[str, trees.Entry], after: dict[str, trees.Entry], old_lines: dict[str, str]
) -> None:
    found = trees.difference(before, after)
    listing = Path(step.changes + ".list")
    write_durably(listing, b"".join(os.fsencode(p) + b"\0" for p in deltas.archive_paths(found, whole=step.whole)))
    # no-recursion: a directory whose mode changed must not bring its old content along
    how = ["--use-compress-program=zstd -q -3 -T0", "--numeric-owner", "--xattrs", "--no-recursion"]
    what = ["--null", "--verbatim-files-from", f"--directory={root}", f"--files-from={listing}"]
    _run(["tar", "--create", *how, f"--file={step.archive}", *what], umask=0o077)
    listing.unlink()
    manifest = None if step.whole else deltas.make_manifest(found, before, after, old_lines, _lines(root))
    changes = {"removed": found.removed, "manifest": asdict(manifest) if manifest else None}
    write_durably(Path(step.changes), json.dumps(changes))


def _lines(root: Path) -> dict[str, str]:
    return {
        path: (root / path).read_text(encoding="utf-8", errors="surrogateescape")
        for path in trees.MERGED
        if (root / path).is_file()
    }


def _run(argv: Sequence[str], *, umask: int = -1) -> None:
    done = programs.run(argv, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, umask=umask)
    if done.returncode:
        details = (done.stderr or done.stdout).strip().splitlines()[-6:]
        raise BaseError(_("{program} failed").format(program=argv[0]), details=details)


if __name__ == "__main__":
    sys.exit(main())
