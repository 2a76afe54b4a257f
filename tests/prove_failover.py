"""`vboxlab verify failover` many times on real guests: how its figures spread. Resumable: each run's history is kept.

Run it with `make prove-failover RUNS=10 RESULTS=folder`. A lab that is there in VBOXLAB_HOME is used; else one is made.
A run that was not finished is not counted, and the next call makes it anew.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from vboxlab.cli.main import run
from vboxlab.errors import VboxlabError
from vboxlab.lab.directory import LabDirectory
from vboxlab.settings import load_settings
from vboxlab.topology.addressing import LabName
from vboxlab.verification.history import RunEnded, read_history


def finished(folder: Path) -> list[Path]:
    """Return the histories in a folder that came to their end."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            ended = read_history(path).last(RunEnded)
        except VboxlabError:
            continue
        if ended is not None and not ended.interrupted:
            found.append(path)
    return found


def main() -> int:
    """Verify until there are enough runs, then report them as one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--results", type=Path, required=True, help="folder for histories and report")
    parser.add_argument("--topology", default="failover")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("VBOXLAB_DRIVER", "qemu")
    reports = LabDirectory(load_settings().home, LabName("ha")).reports
    if code := run(["up", options.topology, "--yes"]):
        return code
    while len(finished(options.results)) < options.runs:
        before = set(reports.glob("*.jsonl"))
        run(["verify", options.topology])
        for path in set(finished(reports)) - before:
            shutil.copy(path, options.results / path.name)
    histories = finished(options.results)[: options.runs]
    return run(["report", *map(str, histories), "--html", str(options.results / "report.html")])


if __name__ == "__main__":
    sys.exit(main())
