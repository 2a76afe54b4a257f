"""Run tests against a real VirtualBox on a bare Debian machine without its kernel driver.

    sudo python tests/virtualbox/harness.py -- tests/virtualbox -m virtualbox

makes (once) a Debian sid tree with VirtualBox and Python, puts a driverless launcher in place of VBoxHeadless, and runs
pytest in it, in name spaces of its own: whatever the tests start ends with them, and no mount stays behind.
Debian's mirror, apt's and pip's settings and the certificates are those of the machine it runs on.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
LAUNCHER = HERE / "driverless_launcher.c"
PYCACHE = "/var/cache/vboxlab-python"
LIBRARIES = "usr/lib/virtualbox"
NEEDED_ON_HOST = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "cc": "gcc"}
PACKAGES = (
    "ca-certificates",
    "iproute2",
    "locales",
    "passwd",
    "procps",
    "python3",
    "python3-venv",
    "qemu-utils",
    "sudo",
)
# VirtualBox depends on kernel modules that cannot be built for every kernel; an empty package stands for them.
MODULES_CONTROL = """Package: vboxlab-no-virtualbox-modules
Version: 1
Architecture: all
Maintainer: vboxlab
Provides: virtualbox-modules
Description: stands for VirtualBox's kernel modules where there are none
"""
FROM_HOST = ("etc/resolv.conf", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt", "etc/hosts")
MOUNTS = 'mount -t proc proc "$C/proc" && mount --rbind /dev "$C/dev" && mount -t sysfs sys "$C/sys"'


def say(text: str) -> None:
    """Print what is being done."""
    print(f"harness: {text}", flush=True)  # noqa: T201


def run(argv: list[str], **options: object) -> None:
    """Run a command and end with its words when it fails."""
    done = subprocess.run(argv, check=False, text=True, capture_output=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        sys.exit(
            f"harness: {' '.join(argv[:6])} … failed ({done.returncode}):\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )


def missing_packages() -> list[str]:
    """Return the Debian packages that the host lacks."""
    return sorted({package for program, package in NEEDED_ON_HOST.items() if shutil.which(program) is None})


def debian_mirror() -> str:
    """Return the Debian archive that this machine's own apt sources name."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        check=True, text=True, capture_output=True,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        uri, release, component = line.split()
        if component == "main" and "-" not in release and uri.rstrip("/").endswith("/debian"):
            return uri
    sys.exit("harness: no Debian archive among this machine's apt sources")


def apt_options() -> list[str]:
    """Return this machine's own settings for downloads (proxy, time-outs), and no complaint about an old sid."""
    dumped = subprocess.run(["apt-config", "dump"], check=True, text=True, capture_output=True).stdout
    wanted = ("Acquire::http", "Acquire::https", "Acquire::ftp", "Acquire::Retries", "Acquire::Check-Date")
    lines = [line for line in dumped.splitlines() if line.startswith(wanted) and '""' not in line]
    return [*lines, 'Acquire::Check-Valid-Until "false";']


def digest_of(*paths: Path) -> str:
    """Return a digest of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(stamp: Path, digest: str) -> bool:
    """Tell whether what a stamp stands for was made of the same files."""
    return stamp.is_file() and stamp.read_text() == digest


def copy_from_host(tree: Path) -> None:
    """Give the tree the host's resolver, certificates and pip settings."""
    for name in FROM_HOST:
        source = Path("/") / name
        if source.exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tree / name)
    for source, target in ((Path("/etc/xdg/pip"), "etc/xdg/pip"), (Path.home() / ".config/pip", "root/.config/pip")):
        if source.is_dir():
            shutil.copytree(source, tree / target, dirs_exist_ok=True)


def inside(
    tree: Path, script: str, *, network: bool = True, checkout: Path = CHECKOUT, share: Path | None = None
) -> list[str]:
    """Return the command that runs a shell script in the tree, in mount and process name spaces of its own.

    The shell stays process 1 of its name space: it reaps orphans, and when it ends, all that was started there does.
    Without network there is only a loopback interface, apart from the host's: ports cannot collide. `share` is seen
    as /shared, and can be written to.
    """
    outer = (
        f'C="$1"; {MOUNTS} && mkdir -p "$C/checkout" && mount --bind "$2" "$C/checkout" '
        '&& mount -o remount,ro,bind "$C/checkout" '
        '&& { [ -z "$5" ] || { mkdir -p "$C/shared" && mount --bind "$5" "$C/shared"; }; } '
        '&& { [ "$4" = host ] || ip link set lo up; } '
        '|| exit 125; chroot "$C" /bin/bash -c "$3"; exit $?'
    )
    spaces = ["--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
    return ["unshare", *spaces, "sh", "-c", outer, "sh",
            str(tree), str(checkout), script, "host" if network else "own", str(share or "")]  # fmt: skip


def build(tree: Path) -> None:
    """Make the tree, all or nothing."""
    partial = tree.with_name(tree.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    options = apt_options()
    say("making a Debian sid tree (about 40 s)")
    run([
        "mmdebstrap", "--variant=apt", "--components=main contrib", f"--include={','.join(PACKAGES)}",
        *(f"--aptopt={option}" for option in options), "sid", str(partial), debian_mirror(),
    ])  # fmt: skip
    copy_from_host(partial)
    control = partial / "tmp/modules/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(MODULES_CONTROL)
    say("installing VirtualBox in it (about 30 s)")
    install = (
        "set -e; export DEBIAN_FRONTEND=noninteractive; dpkg-deb -b /tmp/modules /tmp/modules.deb; apt-get update; "
        "apt-get install -y --no-install-recommends /tmp/modules.deb virtualbox; apt-get clean; "
        "localedef -i fr_FR -f UTF-8 fr_FR.UTF-8; "
        "useradd --create-home --groups vboxusers student"
    )
    run(inside(partial, install))
    say("building the driverless launcher")
    headless = partial / LIBRARIES / "VBoxHeadless"
    headless.rename(headless.with_name("VBoxHeadless.original"))
    run(["cc", "-Wall", "-O1", "-o", str(headless), str(LAUNCHER), "-ldl"])
    (partial / "recipe").write_text(digest_of(Path(__file__), LAUNCHER))
    shutil.rmtree(tree, ignore_errors=True)
    partial.rename(tree)


def install(tree: Path) -> None:
    """Install vboxlab's dependencies in the tree."""
    say("installing vboxlab's dependencies in it (about 30 s)")
    (tree / "dependencies").unlink(missing_ok=True)
    copy_from_host(tree)
    pip = "/opt/venv/bin/pip install -q -e '/checkout[dev,virtualbox]'"
    run(inside(tree, f"set -e; [ -d /opt/venv ] || python3 -m venv /opt/venv; {pip}"))
    (tree / "dependencies").write_text(digest_of(CHECKOUT / "pyproject.toml"))


def prepare(tree: Path, *, rebuild: bool) -> None:
    """Make or renew what is missing or out of date; another harness that does is waited for."""
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tree.with_name(tree.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if rebuild or not is_current(tree / "recipe", digest_of(Path(__file__), LAUNCHER)):
            build(tree)
        if not is_current(tree / "dependencies", digest_of(CHECKOUT / "pyproject.toml")):
            install(tree)


def default_tree() -> Path:
    """Return where the tree is kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("VBOXLAB_VIRTUALBOX_TREE") or cache / "vboxlab" / "virtualbox-chroot")


def test_script(command: list[str], user: str, work: str) -> str:
    """Return the shell script that runs a command in the tree with a VirtualBox of its own."""
    environment = {
        "PATH": "/opt/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": os.environ.get("VBOXLAB_TEST_LANG", "C.UTF-8"),
        # The command is started a hundred times: it must not be compiled each time. The checkout is read-only.
        "PYTHONPYCACHEPREFIX": PYCACHE,
        "PYTHONDONTWRITEBYTECODE": "",
        "TMPDIR": work,
        # A VirtualBox of its own: settings, machine folder and the socket of its service.
        "VBOX_USER_HOME": f"{work}/settings",
        "VBOX_IPC_SOCKETID": Path(work).name,
        "VBOXLAB_HOME": f"{work}/vboxlab",
        "CI": os.environ.get("CI", ""),
    }
    words = " ".join(_quote(word) for word in command)
    assignments = " ".join(f"{name}={_quote(value)}" for name, value in environment.items())
    become = f"sudo -u {_quote(user)} -H env" if user != "root" else "env HOME=/root"
    folder = f"VBoxManage setproperty machinefolder {_quote(work + '/machines')} >/dev/null"
    body = f"{folder} && exec {words}"
    prepare = f"cd /checkout && mkdir -p -m 1777 {PYCACHE} && chown {_quote(user)} {_quote(work)}"
    return f"{prepare} && exec {become} {assignments} sh -c {_quote(body)}"


def _quote(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def main() -> int:
    """Make the tree if need be and run pytest (or with --shell any command) in it; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=default_tree(), help="where the Debian tree is kept")
    parser.add_argument("--rebuild", action="store_true", help="make the tree anew")
    parser.add_argument("--user", default="root", choices=["root", "student"], help="who runs the tests inside")
    parser.add_argument("--command", action="store_true", help="run the words after -- as a command, not as pytest's")
    parser.add_argument("--share", type=Path, help="a folder that is seen inside as /shared, and can be written to")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="-- arguments of pytest")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("harness: must be root (it mounts and changes root): sudo make test-virtualbox")
    if missing := missing_packages():
        sys.exit(f"harness: missing on this machine: apt-get install {' '.join(missing)}")
    tree: Path = options.tree.resolve()
    prepare(tree, rebuild=options.rebuild)
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    share = options.share.resolve() if options.share else None
    if share:
        share.mkdir(parents=True, exist_ok=True)
    pytest = ["python", "-m", "pytest", "-p", "no:cacheprovider", "-m", "virtualbox", *words]
    with tempfile.TemporaryDirectory(prefix="vbox-", dir=tree / "tmp") as work:
        script = test_script(words if options.command else pytest, options.user, f"/tmp/{Path(work).name}")
        return subprocess.run(inside(tree, script, network=False, share=share), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
