"""What of vboxlab's own source a verdict depends on, as a digest: with another one, what was proved is proved again.

A source counts when another version of it could make another verdict of the same lab: it says what a guest should have,
reads what a guest has, tries what it does, judges that, or makes a mutant. What finds files, checks topologies, brings
labs up, asks, shows or translates does not count (the digest of the topology says what the lab is), so that what was
proved stays proved when a sentence of a door changes.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

WHOLE = ("grading", "guest", "roles", "verification")
"""The packages that count as a whole."""
SINGLE = (
    "lab/check.py", "lab/mutating.py", "lab/wiring.py",
    "operations/looking.py", "operations/prove_grading.py",
    "topology/asking.py", "topology/caused.py", "topology/check_interface.py", "topology/check_registry.py",
    "topology/checks.py", "topology/conditions.py", "topology/expectations.py", "topology/fault_sequences.py",
    "topology/fault_step.py", "topology/faults.py", "topology/grading.py", "topology/invariants.py",
    "topology/loops.py", "topology/mutants.py", "topology/parameters.py", "topology/rules_mutants.py",
    "topology/scenario.py", "topology/step.py", "topology/subject.py", "topology/writes.py",
)  # fmt: skip
"""The modules of other packages that count."""
SOURCES = (".py", ".sh", ".pl")


@functools.cache
def judging_code() -> str:
    """Return a digest of the sources of this vboxlab that a verdict depends on."""
    return digest_of(Path(str(resources.files("vboxlab"))))


def digest_of(root: Path) -> str:
    """Return a digest of the sources in a folder such as vboxlab's that a verdict depends on."""
    digest = hashlib.sha256()
    for path in counted(root):
        data = path.read_bytes().replace(b"\r\n", b"\n")  # as a checkout on Windows may have them
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


def counted(root: Path) -> Iterator[Path]:
    """Yield the sources that a verdict depends on, in an order that is the same everywhere."""
    found = [path for name in WHOLE for path in (root / name).rglob("*") if path.suffix in SOURCES]
    yield from sorted([*found, *(root / name for name in SINGLE)], key=lambda path: path.relative_to(root).as_posix())
