"""What a report tells of the faults of a step: when each was made, and by which seed they were drawn. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.language import N_, _
from vboxlab.verification.history import ChaosDrawn, FaultInForce, History


def fault_facts(history: History, number: int) -> Mapping[str, str]:
    """Return the facts of a step that makes several faults or random ones, ready to print; nothing for others."""
    made, chaos = list(history.of(FaultInForce, number)), history.first(ChaosDrawn, number)
    found = {}
    if chaos is not None:
        found[N_("seed")] = str(chaos.seed)
        found[N_("drawn by it")] = "; ".join(chaos.drawn)
    if chaos is not None or len(made) > 1:
        text = _("{seconds:.1f} s {fault}")
        said = [text.format(seconds=one.asked - made[0].asked, fault=one.words) for one in made]
        found[N_("made")] = "; ".join(said)
    return found


def done(history: History, number: int) -> str:
    """Return the message of a step that made its faults, with the seed that draws them again."""
    chaos = history.first(ChaosDrawn, number)
    return _("done") if chaos is None else _("done; `seed: {seed}` repeats it").format(seed=chaos.seed)
