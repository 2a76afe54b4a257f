"""Looking at a lab for questions: what `check` finds on their machines, and their steps carried out in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vboxlab.errors import VboxlabError
from vboxlab.events import Note
from vboxlab.grading.evidence import Evidence, Looked
from vboxlab.lab.check import MachineCheck
from vboxlab.lab.check import check as compare
from vboxlab.lab.context import Context
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.targets import Target
from vboxlab.operations.whose import Neighbours
from vboxlab.topology.grading import Question
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.live import prove
from vboxlab.verification.report import StepReport

_UNSEEN = ("never-reached", "unreachable", "not-running", "not-created")


@dataclass(frozen=True)
class Looking:
    """Looks at one lab; `time_scale` None: that of the settings, or as slow as the guests are.

    `neighbours` are the copies whose values may have been copied.
    """

    context: Context
    target: Target
    jobs: int
    time_scale: float | None = None
    neighbours: Neighbours = Neighbours()

    def compare(self) -> list[MachineCheck]:
        """Return what is found on all machines."""
        return compare(self.context, self.target.needed, self.target.lab, jobs=self.jobs)

    def look(self, questions: Sequence[Question]) -> Evidence:
        """Return what the lab shows of questions. What keeps it from being looked at is in the evidence."""
        machines = {each.machine: self._looked(each) for each in self.compare()}
        steps: Mapping[tuple[str, int], StepReport] = {}
        trouble = ""
        try:
            steps = self._steps(questions)
        except VboxlabError as error:
            trouble = "; ".join([error.brief, *error.details])
            self.context.events(Note(trouble, level="warning"))
        return Evidence(machines, steps, trouble=trouble)

    def _steps(self, questions: Sequence[Question]) -> Mapping[tuple[str, int], StepReport]:
        """Carry out the steps of all questions in one run."""
        topology = self.target.needed.topology
        asked = [
            ((question.question, number), step)
            for question in questions
            for number, step in enumerate(question.steps)
            if step.applies(topology.values)
        ]
        if not asked:
            return {}
        scenario = Scenario.model_construct(steps=tuple(step for _key, step in asked))
        report = prove(
            self.context, self.target.lab, topology.model_copy(update={"verify": scenario}),
            time_scale=self.time_scale or self.context.settings.time_scale,
        )  # fmt: skip
        return {key: done for (key, _step), done in zip(asked, report.steps, strict=False)}

    def _looked(self, checked: MachineCheck) -> Looked:
        findings = self.neighbours.told(self.context, self.target, checked)
        if checked.guest_seen:
            return Looked(findings)
        why = next((each.found for each in findings if each.finding.code in _UNSEEN), _("nobody could look into it"))
        return Looked(findings, why)
