"""Ask the real programs what they make of the corpus, in a root tree with the guest's packages. `make record-verdicts`.

Needs root, mmdebstrap and a Debian archive. The tree is kept in CACHE for the next time. Nothing of it reaches a
network: each kind is recorded in name spaces of its own. Kinds with a file `guest` need a kernel that this machine may
not have: see there.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.corpus import OURS, ROOT, guest_recording, kinds
from tests.virtualbox.harness import apt_options, debian_mirror, inside

CACHE = Path.home() / ".cache/vboxlab/verdicts"
ALWAYS = ("iproute2", "python3")


def main() -> None:
    """Record the kinds named, or all."""
    parser = argparse.ArgumentParser(prog="record", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *kinds()], metavar="KIND", help=f"of {', '.join(kinds())}")
    chosen = parser.parse_args().kinds or kinds()
    for kind in chosen:
        in_guest = (ROOT / kind / "guest").is_file()
        verdicts = guest_recording.recorded(kind) if in_guest else recorded(kind)
        if verdicts["verdicts"].get(OURS) is None:
            sys.exit(f"{kind}: the program refuses what vboxlab writes")
        path = ROOT / kind / "verdicts.json"
        path.write_text(json.dumps(verdicts, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{kind}: {len(verdicts['verdicts'])} variants")  # noqa: T201


def recorded(kind: str) -> dict[str, dict[str, object]]:
    """Return the programs' versions, and what they make of each variant."""
    tree = tree_for_all()
    script = "mkdir -p /tmp/corpus && cp -a /shared/. /tmp/corpus && cd /tmp/corpus && exec python3 record.py"
    command = inside(tree, script, network=False, share=ROOT / kind)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    shutil.rmtree(tree / "tmp/corpus", ignore_errors=True)
    if done.returncode != 0:
        sys.exit(f"{kind}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    listed = ["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "-W", "-f", "${Package} ${Version}\n", *packages(kind)]
    versions = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.splitlines()
    return {"versions": dict(line.split() for line in versions), "verdicts": json.loads(done.stdout)}


def packages(kind: str) -> list[str]:
    """Return the packages of a kind's program."""
    return (ROOT / kind / "packages").read_text(encoding="utf-8").split()


def tree_for_all() -> Path:
    """Return a root tree with the packages of all kinds."""
    wanted = sorted({*ALWAYS, *itertools.chain.from_iterable(map(packages, kinds()))})
    tree = CACHE / hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:12]
    if tree.is_dir():
        return tree
    tree.parent.mkdir(parents=True, exist_ok=True)
    partial = tree.with_name(f"{tree.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    options = [f"--aptopt={option}" for option in apt_options()]
    refuse = 'printf \'#!/bin/sh\\nexit 101\\n\' >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"'
    command = [
        "mmdebstrap", "--quiet", "--variant=apt", "--dpkgopt=force-unsafe-io",
        f"--include={','.join(wanted)}", f"--essential-hook={refuse}",
        *options,
        "bookworm", str(partial), debian_mirror(),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return partial.rename(tree)


if __name__ == "__main__":
    main()
