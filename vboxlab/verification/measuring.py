"""Carrying out the measures of a scenario: sample a page, cause a fault, and record all that can be seen of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import PowerState
from vboxlab.topology.fault_sequences import FaultOrFaults, elementary
from vboxlab.topology.faults import RebootFault, StartFault
from vboxlab.topology.scenario import Detection, Measure
from vboxlab.verification.clocks import read_clock
from vboxlab.verification.faults import Faults
from vboxlab.verification.history import FaultInForce, GaveUp, JournalRead, Shown
from vboxlab.verification.judgements import owners_of
from vboxlab.verification.offsets import client_offset, clock_offset
from vboxlab.verification.probes import Prober, ProbeSpec, good_for, probing
from vboxlab.verification.readings import journal_script, parse_journal
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.samples import Owners, Sample, first_served
from vboxlab.verification.sequences import carry_out_faults
from vboxlab.verification.subject import LabUnderTest
from vboxlab.waiting import Deadline

SETTLING = 15.0  # seconds, times the scale, that a page may need which nothing has answered for yet
LOOK_EVERY = 2.0  # seconds between looks at whether what is waited for can still happen
SHOWN = 2000  # characters of a journal in a report


def measure_step(number: int, step: Measure, lab: LabUnderTest, faults: Faults, recorder: Recorder) -> None:
    """Sample the page around the cause, and record everything.

    Raises GuestError, WaitTimeout, InfrastructureTrouble and the driver's errors when it cannot be done.
    """
    _Measuring(number, step, lab, faults, recorder).carry_out()


@dataclass
class _Measuring:
    number: int
    step: Measure
    lab: LabUnderTest
    faults: Faults
    recorder: Recorder

    def carry_out(self) -> None:
        step, recorder, scale = self.step, self.recorder, self.faults.time_scale
        client = self.lab.executor(step.source)
        if step.detection:
            self._read_clocks(step.detection.on)
        self._read_clocks(step.source)
        owners = owners_of(step, recorder.history().run.owners)
        spec = self._spec(owners)
        recorder.add(spec.begun(recorder.now(), self.number, step.source))
        with probing(client, spec, recorder, self.number, within=30.0 * scale) as prober:
            if self._is_steady(prober):
                since = self._inject(prober) - client_offset(recorder.history(), self.number, step.source).high
                self._watch(prober, owners, since)
            prober.finish(spec.timeout)
        if step.detection and recorder.history().last(FaultInForce, self.number) is not None:
            self._read_journal(step.detection)

    def _spec(self, owners: Owners) -> ProbeSpec:
        step, scale = self.step, self.faults.time_scale
        life = (2 * step.within + step.before + step.observe + SETTLING + 60.0) * scale
        return ProbeSpec.of(step, scale, owners.texts, life=life)

    def _read_clocks(self, machine: str) -> None:
        read_clock(self.lab.executor(machine), self.recorder, self.number)

    def _is_steady(self, prober: Prober) -> bool:
        """Wait until the page is served steadily; not as long where nothing has answered for a while."""
        step, scale = self.step, self.faults.time_scale
        deadline = Deadline.after(step.within * scale)
        first = Deadline.after(min(step.within, step.before + SETTLING) * scale)
        while not prober.wait(lambda s: good_for(s, step.before * scale), _sooner(deadline, LOOK_EVERY)):
            if deadline.expired:
                return False
            if first.expired and not any(sample.good for sample in prober.samples):
                self._give_up(_("{url} did not answer at all").format(url=step.asked))
                return False
        return True

    def _inject(self, prober: Prober) -> float:
        """Cause the faults while the prober samples on, and return the moment of the run's clock before the first."""
        return carry_out_faults(
            self.step.cause, self.faults, self.recorder, self.number, wait=False, pause=prober.pause
        )

    def _watch(self, prober: Prober, owners: Owners, since: float) -> None:
        """Let the prober sample until all of served_by have served and the page is steady, or cannot be any more."""
        step, scale = self.step, self.faults.time_scale
        deadline = Deadline.after(step.within * scale)
        while not prober.wait(
            lambda s: all_served(s, step.served_by, owners, since), _sooner(deadline, LOOK_EVERY * scale)
        ):
            if deadline.expired:
                return
            if reason := self._cannot_serve(prober.samples, owners, since):
                self._give_up(reason)
                return
        prober.pause(step.observe * scale)
        prober.wait(lambda s: good_for(s, step.observe * scale), deadline)

    def _cannot_serve(self, samples: Sequence[Sample], owners: Owners, since: float) -> str:
        """Return why one of served_by cannot serve any more, "" while all may."""
        for machine in self.step.served_by:
            if first_served(samples, owners, machine, since) is None:
                power = self.lab.power(machine)
                if power is not PowerState.RUNNING and not _is_to_come_back(self.step.causes, machine, power):
                    text = _("{machine} is {power}, so it cannot serve")
                    return text.format(machine=machine, power=C_("machine", power.value))
        return ""

    def _give_up(self, reason: str) -> None:
        self.recorder.add(GaveUp(at=self.recorder.now(), step=self.number, reason=reason))

    def _read_journal(self, detection: Detection) -> None:
        """Read what a machine has written of the death since the cause, on its own clock."""
        recorder, machine = self.recorder, detection.on
        self._read_clocks(machine)
        history = recorder.history()
        offset, fault = clock_offset(history, self.number, machine), history.first(FaultInForce, self.number)
        if offset is None or fault is None:
            return
        host_name = self.lab.topology.machines[detection.node].hostname
        text = detection.pattern.replace("{}", host_name)
        stages = {name: words.replace("{}", host_name) for name, words in detection.stages.items()}
        script = journal_script(fault.asked - offset.high, text, *stages.values())
        done = self.lab.executor(machine).run(script, root=True)
        shown = Shown(machine=machine, command=script, output=done.stdout.strip()[:SHOWN], exit_code=done.exit_code)
        lines = parse_journal(done.stdout)
        recorder.add(
            JournalRead(
                at=recorder.now(), step=self.number, machine=machine, evidence=shown,
                moments=tuple(line.at for line in lines if text in line.text),
                stages={name: tuple(line.at for line in lines if words in line.text) for name, words in stages.items()},
            )
        )  # fmt: skip


def all_served(samples: Sequence[Sample], machines: Iterable[str], owners: Owners, since: float) -> bool:
    """Tell whether each of some machines has given a good answer to a request since a moment."""
    return all(first_served(samples, owners, machine, since) for machine in machines)


def _is_to_come_back(causes: Iterable[FaultOrFaults], machine: str, power: PowerState) -> bool:
    """Tell whether a cause itself explains that a machine is off just now: it is being started, or reboots."""
    starting = [fault.machine for fault in elementary(causes) if isinstance(fault, StartFault | RebootFault)]
    return machine in starting and power is PowerState.OFF


def _sooner(deadline: Deadline, seconds: float) -> Deadline:
    return Deadline(min(deadline.at, Deadline.after(seconds).at))
