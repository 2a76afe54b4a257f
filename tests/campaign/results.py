"""What a campaign has found so far, in a folder: one line of JSON a sequence, so that it goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaign.coverage import Coverage
from tests.campaign.sequence import Result
from tests.campaign.steps import Step, dumped


@dataclass(frozen=True)
class Results:
    """The folder."""

    folder: Path

    @property
    def file(self) -> Path:
        """Return the file of the sequences."""
        return self.folder / "sequences.jsonl"

    def lines(self) -> list[dict[str, Any]]:
        """Return what is there; a last line that was cut short does not count."""
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.split("\n")[:-1] if line.endswith("}")]

    def done(self) -> tuple[set[int], Coverage, list[int]]:
        """Return the seeds that were run, what they covered, and those of which something was wrong."""
        coverage = Coverage()
        seeds, wrong = set(), []
        for line in self.lines():
            seeds.add(line["seed"])
            coverage.add(line["covered"])
            if line["wrong"]:
                wrong.append(line["seed"])
        return seeds, coverage, wrong

    def add(self, seed: int, result: Result, covered: Coverage, shortest: Sequence[Step]) -> None:
        """Write down one sequence."""
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {
            "seed": seed,
            "outcome": "harm" if result.wrong else "ok",
            "wrong": result.wrong,
            "sequence": dumped(result.done),
            "shrunk": dumped(shortest),
            "covered": covered.data(),
        }
        with self.file.open("ab") as stream:
            if stream.tell() and not self.file.read_bytes().endswith(b"\n"):
                stream.write(b"\n")
            stream.write(json.dumps(record).encode() + b"\n")
