"""The practicals beside this module: topologies as a teacher writes them, each brought up and verified on real guests.

They hold the constructs of ordinary practicals; what is observed of each is the topology's own `verify`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.guests.command import CommandLine

FOLDER = Path(__file__).with_name("practicals")
MOST_CONSTRUCTS = "web"
PRACTICALS = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def proved(vboxlab: CommandLine, name: str) -> Any:
    """Bring a practical's lab up, verify it, see that a second `up` finds nothing to do, and remove the lab.

    Return the report of `vboxlab verify`. A lab that does not come up, or of which a step does not pass, fails the
    assertion of the command line, and stays as it is.
    """
    topology = str(FOLDER / f"{name}.yaml")
    vboxlab("up", topology, "--yes")
    assert vboxlab.json("up", topology)["actions"] == 0
    report = vboxlab.verify(topology)
    vboxlab("destroy", topology, "--yes")
    return report
