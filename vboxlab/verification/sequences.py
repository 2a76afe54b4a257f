"""Making what a step says: one fault, several in time order, or random ones, each recorded with its moment."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

from vboxlab.lazily import dataclass
from vboxlab.topology.fault_sequences import SEEDS, Cause, ChaosFault, TogetherFault, in_time_order
from vboxlab.topology.faults import Fault
from vboxlab.verification.faults import Faults
from vboxlab.verification.history import ChaosDrawn, FaultInForce, FaultUndone
from vboxlab.verification.recorder import Recorder


def carry_out_faults(
    cause: Cause,
    faults: Faults,
    recorder: Recorder,
    step: int,
    *,
    wait: bool,
    pause: Callable[[float], None] = time.sleep,
) -> float:
    """Make the faults of a step, record each, and return the moment of the run's clock before the first one.

    With wait, machines that were started are waited for. `pause` lets so many seconds pass.
    """
    return _Making(faults, recorder, step, wait, pause).all_of(cause)


@dataclass(frozen=True)
class _Making:
    faults: Faults
    recorder: Recorder
    step: int
    wait: bool
    pause: Callable[[float], None]

    def all_of(self, cause: Cause) -> float:
        if isinstance(cause, tuple):
            return self._in_order(cause)
        self._until(self.recorder.now() + cause.at * self.faults.time_scale)
        if isinstance(cause, TogetherFault):
            return self._in_order(cause.faults)
        if isinstance(cause, ChaosFault):
            return self._at_random(cause)
        return self._make(cause, wait=self.wait)

    def _in_order(self, faults: Sequence[Fault]) -> float:
        """Make faults at their moments; none waits for what an earlier one has started."""
        begun = self.recorder.now()
        moments = []
        for fault in in_time_order(faults):
            self._until(begun + fault.at * self.faults.time_scale)
            moments.append(self._make(fault, wait=False))
        if self.wait:
            self.faults.await_all(in_time_order(faults))
        return moments[0]

    def _at_random(self, chaos: ChaosFault) -> float:
        """Make faults that a seed draws, undoing each before the next one, but for what was so before."""
        seed = secrets.randbelow(SEEDS) if chaos.seed is None else chaos.seed
        drawn = chaos.drawn(seed)
        words = tuple(fault.describe() for fault in drawn)
        self.recorder.add(ChaosDrawn(at=self.recorder.now(), step=self.step, seed=seed, drawn=words))
        moments = []
        for fault in drawn:
            was_so = fault.key in self.faults.in_force
            moments.append(self._make(fault, wait=self.wait))
            self._until(self.recorder.now() + chaos.every * self.faults.time_scale)
            if not was_so and self.faults.end(fault):
                self.recorder.add(FaultUndone(at=self.recorder.now(), step=self.step, words=fault.state()))
        return moments[0]

    def _make(self, fault: Fault, *, wait: bool) -> float:
        began = self.recorder.began
        before, after = (moment - began for moment in self.faults.inject(fault, wait=wait))
        self.recorder.add(
            FaultInForce(at=after, step=self.step, asked=before, words=fault.describe(), key=fault.key or (),
                         state=fault.state() if fault.key else "", ends=fault.ends)
        )  # fmt: skip
        return before

    def _until(self, moment: float) -> None:
        seconds = moment - self.recorder.now()
        if seconds > 0:
            self.pause(seconds)
