"""Whether QEMU is here and new enough, and whether guests can really run on hardware virtualisation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import asdict
from functools import reduce
from pathlib import Path

from pydantic import TypeAdapter

from vboxlab import programs
from vboxlab.files import write_durably
from vboxlab.hypervisor.qemu.command import Program
from vboxlab.hypervisor.qemu.layout import Layout
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass

BINARY = "qemu-system-x86_64"
# The first release whose -netdev dgram knows UNIX sockets (QEMU 7.2 change log, "Network").
OLDEST_VERSION = (7, 2)
INSTALL_HINT = N_("install QEMU: on Debian and Ubuntu `apt install qemu-system-x86 qemu-utils`")
SMOKE_TIMEOUT = 30.0
PROBE_TIMEOUT = 10.0
SANDBOX = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")

# A boot sector that switches to 64-bit mode, counts to 100000 and writes 0x2a to the debug-exit port, which makes QEMU
# end with (0x2a << 1) | 1. In assembly: clear 0x1000..0x3fff; one 2 MiB identity page (0x2003 at 0x1000, 0x3003 at
# 0x2000, 0x83 at 0x3000); CR4 = PAE|PGE; CR3 = 0x1000; EFER.LME; CR0 |= PG|PE; lgdt; ljmp; cpuid; loop; out; hlt.
PROBE_CODE = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cfcbf0010b90018f3abc70600100320c70600200330c7060030830066b8a00000000f22e066b8001000000f22d8"
    "66b9800000c00f32660d000100000f300f20c0660d010000800f22c00f0116887cea5f7c080031c00fa2b9a0860100ffc975fcb02ae6f4f4eb"
    "fd0f1f440000000000000000000000000000009a20000f00787c0000"
)
PROBE_EXIT = (0x2A << 1) | 1


@dataclass(frozen=True)
class Readiness:
    """What was found. `problem` says why QEMU cannot be used."""

    binary: str = ""
    version: str = ""
    accelerator: str = "tcg"
    sandbox: bool = False
    problem: str = ""

    @property
    def program(self) -> Program:
        """Return what a machine's command line is built with."""
        return Program(self.binary, self.accelerator, self.sandbox)


@dataclass(frozen=True)
class _Kept:
    """What a trial showed, and for what it holds."""

    key: str
    found: Readiness


_CODEC = TypeAdapter(_Kept)


def find_readiness(layout: Layout) -> Readiness:
    """Look for QEMU and try it out; what a trial showed holds until QEMU or the host's kernel changes."""
    binary = programs.find(BINARY)
    if binary is None or programs.find("qemu-img") is None:
        missing = BINARY if binary is None else "qemu-img"
        return Readiness(
            problem=_("{program} is not installed; {advice}").format(program=missing, advice=_(INSTALL_HINT))
        )
    key = _identity(binary)
    with suppress(OSError, ValueError):
        cached = _CODEC.validate_json(layout.accelerator.read_bytes(), strict=True)
        if cached.key == key and cached.found.binary == binary:
            return cached.found
    found = _try_out(binary)
    if not found.problem:
        with suppress(OSError):
            layout.prepare()
            write_durably(layout.accelerator, json.dumps({"key": key, "found": asdict(found)}, indent=1))
    return found


def usable() -> str:
    """Return "" when QEMU is here, else why not, without trying it out."""
    missing = [name for name in (BINARY, "qemu-img") if programs.find(name) is None]
    if not missing:
        return ""
    names = reduce(lambda some, one: _("{first} and {second}").format(first=some, second=one), missing)
    return _("{programs} not installed; {advice}").format(programs=names, advice=_(INSTALL_HINT))


def _identity(binary: str) -> str:
    facts = Path(binary).resolve().stat()
    boot = Path("/proc/sys/kernel/random/boot_id")
    started = boot.read_text(encoding="ascii").strip() if boot.is_file() else ""
    access = os.access("/dev/kvm", os.R_OK | os.W_OK)
    return f"{Path(binary).resolve()} {facts.st_mtime_ns} {facts.st_size} {started} {os.uname().release} kvm={access}"


def _try_out(binary: str) -> Readiness:
    try:
        version, sandbox = _smoke_run(binary, SANDBOX), True
        if version is None:
            version, sandbox = _smoke_run(binary, ()), False
    except (OSError, subprocess.TimeoutExpired) as error:
        return Readiness(binary, problem=_("{program} does not run: {reason}").format(program=binary, reason=error))
    if version is None:
        return Readiness(binary, problem=_("{program} does not run; try `{program} --version`").format(program=binary))
    text = ".".join(map(str, version))
    if version < OLDEST_VERSION:
        wanted = ".".join(map(str, OLDEST_VERSION))
        return Readiness(
            binary,
            text,
            problem=_("QEMU {version} is too old: {wanted} or newer is needed").format(version=text, wanted=wanted),
        )
    return Readiness(binary, text, "tcg" if why_no_kvm(binary) else "kvm", sandbox)


def _smoke_run(binary: str, options: tuple[str, ...]) -> tuple[int, ...] | None:
    ended = programs.run(
        [binary, *options, "-machine", "none", "-nodefaults", "-display", "none", "-qmp", "stdio", "-S"],
        input='{"execute":"qmp_capabilities"}{"execute":"quit"}',
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        timeout=SMOKE_TIMEOUT,
    )
    if ended.returncode or not ended.stdout.startswith("{"):
        return None
    try:
        version = json.loads(ended.stdout.splitlines()[0])["QMP"]["version"]["qemu"]
        return int(version["major"]), int(version["minor"]), int(version["micro"])
    except (ValueError, KeyError, TypeError):  # some other program of that name
        return None


def why_no_kvm(binary: str, cpuinfo: Path = Path("/proc/cpuinfo"), device: Path = Path("/dev/kvm")) -> str:
    """Return "" when a guest runs on KVM here, else why not.

    That the device opens proves nothing: there are hosts whose KVM only carries kernels made for it. So the processor
    must say that it has virtualisation, and a few instructions of 64-bit code must run to their end.
    """
    if not device.exists():
        return _("there is no {device}").format(device=device)
    if not os.access(device, os.R_OK | os.W_OK):
        return _("no permission to use {device} (join the group that owns it)").format(device=device)
    flags = cpuinfo.read_text(encoding="ascii", errors="replace") if cpuinfo.is_file() else ""
    if not re.search(r"^flags\s*:.*\b(vmx|svm)\b", flags, re.MULTILINE):
        return _("the processor does not offer virtualisation (no vmx or svm flag)")
    return _probe_boot(binary)


def _probe_boot(binary: str, accelerator: str = "kvm", processor: str = "host") -> str:
    with tempfile.TemporaryDirectory(prefix="vboxlab-probe-") as directory:
        disk = Path(directory) / "probe.img"
        disk.write_bytes(PROBE_CODE.ljust(510, b"\0") + b"\x55\xaa")
        command = [binary, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-m", "16M"]
        command += ["-accel", accelerator, "-cpu", processor, "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        command += ["-drive", f"file={str(disk).replace(',', ',,')},format=raw,if=ide"]
        try:
            # qemu(1) takes firmware from the current folder before its own: so not from the user's.
            ended = programs.run(
                command, capture_output=True, text=True, errors="replace", cwd=directory, timeout=PROBE_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            return _("a probe guest hung on {accelerator}").format(accelerator=accelerator)
        if ended.returncode != PROBE_EXIT:
            words = ended.stderr.strip().splitlines()
            return _("a probe guest did not run on {accelerator}: {reason}").format(
                accelerator=accelerator, reason=words[0] if words else ended.returncode
            )
    return ""
