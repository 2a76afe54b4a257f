"""Every practical of tests/guests/practicals on real guests, one after the other. Resumable: each result is kept.

Run it with `make prove-practicals RESULTS=folder`, or `PRACTICALS="drbd raid"` for some. What passed with the same
commit is not done again; a tree with changes that are not committed is done each time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.guests.command import ROOT, CommandLine
from tests.guests.practical import PRACTICALS, proved
from vboxlab.files import write_durably
from vboxlab.settings import load_settings

CHANGED = "+changed"


def version() -> str:
    """Return the commit that is proved, marked where the tree has changes besides."""
    said = [
        subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
        for words in (["rev-parse", "HEAD"], ["status", "--porcelain"])
    ]
    return said[0] + (CHANGED if said[1] else "")


def passed(result: Path, commit: str) -> bool:
    """Tell whether a result says that its practical passed with this very commit."""
    try:
        kept = json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return not commit.endswith(CHANGED) and (kept.get("passed"), kept.get("commit")) == (True, commit)


def prove(vboxlab: CommandLine, name: str, commit: str) -> dict[str, Any]:
    """Prove one practical and return what came out of it, as plain data."""
    begun, clock = datetime.now(UTC), time.monotonic()
    result: dict[str, Any] = {"practical": name, "commit": commit, "begun": begun.isoformat(timespec="seconds")}
    try:
        report = proved(vboxlab, name)
    except AssertionError as failure:
        result |= {"passed": False, "why": str(failure)}
    else:
        result |= {"passed": True, "steps": {step["name"]: step["outcome"] for step in report["steps"]}}
    return {**result, "seconds": round(time.monotonic() - clock)}


def main() -> int:
    """Prove those that have not passed yet, and tell of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PRACTICAL", help=f"of {', '.join(PRACTICALS)}; default: all")
    parser.add_argument("--results", type=Path, required=True, help="folder for one JSON file each")
    options = parser.parse_args()
    if unknown := set(options.names) - set(PRACTICALS):
        parser.error(f"no practical {', '.join(sorted(unknown))}")
    options.results.mkdir(parents=True, exist_ok=True)
    vboxlab, commit, failed = CommandLine(load_settings().home), version(), False
    for name in options.names or PRACTICALS:
        kept = options.results / f"{name}.json"
        if passed(kept, commit):
            sys.stdout.write(f"{name}: passed before\n")
            continue
        result = prove(vboxlab, name, commit)
        write_durably(kept, json.dumps(result, indent=2) + "\n")
        failed |= not result["passed"]
        word = "passed" if result["passed"] else f"FAILED\n{result['why']}"
        sys.stdout.write(f"{name}: {word} ({result['seconds']} s)\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
