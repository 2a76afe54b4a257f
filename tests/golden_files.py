"""Golden files: expected text kept in files. `GOLDEN=update pytest …` writes them anew; the diff is the review."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

# GOLDEN_FOLDER: where they are written when the checkout cannot be, as in the harness of VirtualBox.
GOLDEN = Path(os.environ.get("GOLDEN_FOLDER") or Path(__file__).parent / "golden")


def check_golden(name: str, lines: Sequence[str]) -> None:
    path = GOLDEN / name
    text = "\n".join(lines) + "\n"
    if os.environ.get("GOLDEN") == "update":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
