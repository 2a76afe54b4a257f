"""Ask a program what it makes of a kind's variants in a small guest, for kinds that need a kernel of their own.

The guest is guest.yaml; vboxlab brings it up and takes it down. VBOXLAB_HOME is its home, by default one beside the
root trees; its base is built when it is missing, which takes some minutes. The kind's package has `meanings`, which
makes meanings of what `record.sh` printed.
"""

from __future__ import annotations

import importlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.corpus import ROOT

TOPOLOGY, MACHINE = "guest", "recorder"
HOME = Path.home() / ".cache/vboxlab/verdicts-home"


def recorded(kind: str) -> dict[str, dict[str, object]]:
    """Return the versions of the programs, what they make of each variant, and what they complain about."""
    home = Path(os.environ.get("VBOXLAB_HOME", HOME))
    (home / "topologies").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / f"{TOPOLOGY}.yaml", home / "topologies")
    try:
        vboxlab(home, "up", TOPOLOGY, "--driver", "qemu", "--yes", "--build")
        packages = (ROOT / kind / "packages").read_text(encoding="utf-8").split()
        listed = in_guest(home, f"dpkg-query -W -f '${{Package}} ${{Version}}\\n' {' '.join(packages)}; uname -r", b"")
        *versions, kernel = listed.splitlines()
        script = 'cd "$(mktemp -d)" && tar x && sudo -n sh record.sh'
        said = in_guest(home, script, archive(ROOT / kind))
    finally:
        vboxlab(home, "destroy", TOPOLOGY, "--yes")
    verdicts, complaints = importlib.import_module(f"tests.corpus.{kind}").meanings(said)
    return {
        "versions": {**dict(line.split() for line in versions), "linux": kernel},
        "verdicts": verdicts,
        "complaints": complaints,
    }


def archive(folder: Path) -> bytes:
    """Return a kind's variants and its script as a tar."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name in ("variants", "record.sh"):
            tar.add(folder / name, arcname=name)
    return target.getvalue()


def in_guest(home: Path, script: str, data: bytes) -> str:
    """Run a line of shell in the guest and return what it prints."""
    return vboxlab(home, "ssh", MACHINE, "--lab", TOPOLOGY, "--", script, data=data)


def vboxlab(home: Path, *words: str, data: bytes = b"") -> str:
    """Run vboxlab and return what it prints, or end with its words."""
    command = [sys.executable, "-m", "vboxlab", *words]
    environment = {**os.environ, "VBOXLAB_HOME": str(home)}
    done = subprocess.run(command, check=False, input=data, capture_output=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"vboxlab {' '.join(words[:2])}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done.stdout.decode()
