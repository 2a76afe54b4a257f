"""Files as students write them, each with what the real program understood: the judge's readers must agree.

A kind is a folder here: `variants/NAME` is one file, or a folder with several by their paths in the guest; `packages`
names the Debian packages of the program; `record.py` asks the program, within a root tree that has them, and prints
`{variant: meaning}`, null for what it refuses, or `{variant: {"meaning": …, "asked": …}}` (where a kernel of its own is
needed, `record.sh` does, in a small guest: guest_recording.py); `verdicts.json` keeps the answers
(`make record-verdicts`). The variant `ours` is what vboxlab writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
OURS = "ours"


@dataclass(frozen=True)
class Variant:
    """One way to write the files of a kind, and what the program made of it: None for what it refused."""

    kind: str
    name: str
    files: dict[str, bytes]  # by path in the guest, "" for a kind of one file
    meaning: Any
    is_same: bool  # as what vboxlab writes
    asked: Any = None  # what the program answers when it is asked, where that is more than the meaning

    def __str__(self) -> str:
        return self.name

    @property
    def content(self) -> bytes:
        """Return the only file of a variant that has one."""
        (content,) = self.files.values()
        return content


def kinds() -> list[str]:
    """Return the kinds of the corpus."""
    return sorted(path.parent.name for path in ROOT.glob("*/packages"))


def variants(kind: str) -> list[Variant]:
    """Return all variants of a kind with their verdicts; `KeyError` names one that was not recorded."""
    verdicts = json.loads((ROOT / kind / "verdicts.json").read_text(encoding="utf-8"))["verdicts"]
    ours, _asked = _parts(verdicts[OURS])
    found = []
    for path in sorted((ROOT / kind / "variants").iterdir()):
        meaning, asked = _parts(verdicts[path.name])
        found.append(Variant(kind, path.name, files_of(path), meaning, meaning == ours, asked))
    return found


def _parts(verdict: Any) -> tuple[Any, Any]:
    """Return the meaning, and what the program answers, of a verdict that may tell them apart."""
    if isinstance(verdict, dict) and verdict.keys() == {"meaning", "asked"}:
        return verdict["meaning"], verdict["asked"]
    return verdict, None


def files_of(path: Path) -> dict[str, bytes]:
    """Return the files of a variant by their paths in the guest."""
    if path.is_file():
        return {"": path.read_bytes()}
    found = sorted(each for each in path.rglob("*") if each.is_file())
    return {f"/{each.relative_to(path).as_posix()}": each.read_bytes() for each in found}
