"""A folder that somebody works in, with files in it that must never run: named like programs and modules we use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = (
    "VBoxHeadless", "VBoxManage", "VBoxSVC", "apt-config", "apt-get", "basename", "cat", "chroot", "dirname", "dpkg",
    "env", "mke2fs", "mmdebstrap", "newuidmap", "perl", "python", "python3", "python3.10", "python3.11", "python3.12",
    "python3.13", "qemu-img", "qemu-system-x86_64", "rm", "sh", "ssh", "sudo", "tar", "uname", "unshare", "which",
    "zstd",
)  # fmt: skip
MODULES = (
    "argparse", "cffi", "click", "concurrent", "dataclasses", "importlib", "json", "os", "paramiko", "pathlib",
    "platform", "psutil", "pydantic", "re", "runpy", "shutil", "signal", "site", "sitecustomize", "socket", "string",
    "subprocess", "tempfile", "threading", "traceback", "types", "typing", "usercustomize", "vboxapi", "xpcom", "yaml",
)  # fmt: skip
# What qemu(1) loads into a guest from the current folder before it looks into its own.
FIRMWARE = ("bios-256k.bin", "bios.bin", "efi-virtio.rom", "kvmvapic.bin", "linuxboot_dma.bin", "vgabios-stdvga.bin")
LAB = "failover"
# Each verb of the command, in an order in which each has something to work on. Guests are not needed.
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("doctor", "--offline"),
    ("schema",),
    ("list",),
    ("validate", LAB),
    ("list", "--roles"),
    ("list", "--checks"),
    ("trust", LAB),
    ("explain", LAB),
    ("base", "add", "mine", "--disk", "disk.img", "--user", "debian", "--password-from", "env:PASSWORD"),
    ("base", "list"),
    ("base", "remove", "mine"),
    ("plan", LAB),
    ("up", LAB, "--until", "created"),
    ("status", LAB),
    ("graph", LAB, "--format", "svg"),
    ("check", LAB),
    ("snapshot", "take", "fresh"),
    ("snapshot", "list"),
    ("snapshot", "tree"),
    ("snapshot", "diff", "fresh"),
    ("snapshot", "restore", "fresh"),
    ("ssh-config", LAB),
    ("ssh", "srv-web", "--", "true"),
    ("verify", LAB),
    ("handout", LAB),
    ("hint", LAB, "heartbeat", "--yes"),
    ("hint", LAB),
    ("grade", LAB),
    ("mark", LAB, "names", "1", "--reason", "tried"),
    ("report", LAB),
    ("down", LAB),
    ("reset", LAB, "--to", "fresh", "--yes", "--no-up"),
    ("destroy", LAB, "--yes"),
    ("gc", "--yes"),
    ("base", "build", "debian12", "--again"),
    ("init", "first", "--yes"),
    ("import", "vm", "teacher"),
)


class PlantedFolder:
    """A folder full of files that leave a trace when they run, and in which commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self._traces = folder / "traces"
        self._traces.mkdir(parents=True)
        for place in (self.folder, self.folder / "bin"):
            place.mkdir()
            for name in PROGRAMS:
                for file in (place / name, place / f"{name}.exe"):
                    file.write_text(f"#!/bin/sh\necho ran >> '{self._traces}/{file.name}'\n")
                    file.chmod(0o755)
            for name in MODULES:
                trace = f"open({str(self._traces)!r} + '/{name}.py', 'a').write('ran')\nraise ImportError('planted')\n"
                (place / f"{name}.py").write_text(trace)
            (place / "vboxapi").mkdir()
            (place / "vboxapi" / "__init__.py").write_text((place / "vboxapi.py").read_text())
        for name in FIRMWARE:
            (self.folder / name).write_bytes(b"planted")
        (self.folder / "disk.img").write_bytes(bytes(510) + b"\x55\xaa" + bytes(1 << 20))

    @property
    def ran(self) -> list[str]:
        """Return the files that ran."""
        return sorted(path.name for path in self._traces.iterdir())

    def environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        """Return an environment whose lists of folders begin with the current one, in all its spellings."""
        path = os.pathsep.join(("", ".", "bin", os.environ["PATH"], ""))
        return {**os.environ, "PASSWORD": "secret", **changes, "PATH": path}

    def python(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder, itself without the folder in its path as an installed command is."""
        return subprocess.run(
            [sys.executable, "-P", *arguments], cwd=self.folder, env=self.environment(changes), capture_output=True,
            text=True, encoding="utf-8", stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def vboxlab(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a verb in the folder."""
        return self.python("-m", "vboxlab", *words, **changes)
