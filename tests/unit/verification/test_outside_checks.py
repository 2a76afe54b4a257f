"""Checks that are not vboxlab's own: recorded first, judged afterwards, and unable to break a verification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.local_lab import LocalLab
from tests.unit.verification.test_runner import PAGES
from vboxlab.topology.code_folder import read_code
from vboxlab.topology.scenario import Scenario
from vboxlab.topology.trust import trust
from vboxlab.topology.vocabulary import vocabulary_beside
from vboxlab.verification.history import Request, Tried, read_history
from vboxlab.verification.judgements import judge
from vboxlab.verification.outside_checks import GoneCheck, step_of
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.report import StepReport
from vboxlab.verification.runner import run_scenario

CHECK = '''
from typing import Literal
from pydantic import Field
from vboxlab.topology.check_interface import OutsideCheck, cannot_tell, failed, passed


class WordsCheck(OutsideCheck):
    """A machine says some words."""

    check: Literal["words"]
    on: str
    words: str = "hello"

    @property
    def machines(self):
        return (self.on,)

    def summary(self):
        return f"{self.on} says {self.words}"

    def observe(self, guests):
        OBSERVE

    def judge(self, seen):
        JUDGE
'''
OBSERVE = 'ran = guests.run(self.on, f"echo {self.words}"); return {"said": ran.stdout.strip(), "list": (1, 2)}'
JUDGE = 'return passed(f"it said {seen}") if seen == {"said": "hello", "list": [1, 2]} else failed(f"it said {seen}")'


def scenario(folder: Path, observe: str = OBSERVE, judge: str = JUDGE, **parameters: Any) -> Scenario:
    place = folder / "checks" / "words"
    place.mkdir(parents=True, exist_ok=True)
    (place / "check.py").write_text(CHECK.replace("OBSERVE", observe).replace("JUDGE", judge), encoding="utf-8")
    code = read_code(folder)
    assert code is not None
    trust(folder / "home", code)
    words = vocabulary_beside(folder, folder / "home")
    assert list(words.checks) == ["words"], words.unusable
    kind = words.topology.model_fields["verify"].annotation
    assert kind is not None
    made = kind(steps=({"check": "words", "on": "srv-web", "within": 0, **parameters},))
    assert isinstance(made, Scenario)
    return made


def carried_out(lab: LocalLab, folder: Path, recorder: Recorder | None = None, **parts: Any) -> StepReport:
    return run_scenario(scenario(folder, **parts), lab, recorder=recorder).steps[0]


def test_what_it_saw_is_recorded_as_data_and_judged(lab: LocalLab, tmp_path: Path) -> None:
    recorder = Recorder()
    step = carried_out(lab, tmp_path, recorder)
    assert (step.outcome, step.title) == ("passed", "srv-web says hello")
    assert step.message == "it said {'said': 'hello', 'list': [1, 2]}"
    assert [(shown.machine, shown.command, shown.output) for shown in step.evidence] == [
        ("srv-web", "echo hello", "hello")
    ]
    (tried,) = recorder.history().of(Tried)
    assert tried.seen == {"said": "hello", "list": [1, 2]}


def test_it_fails_and_cannot_tell_as_ours_do(lab: LocalLab, tmp_path: Path) -> None:
    step = carried_out(lab, tmp_path, words="goodbye")
    assert (step.outcome, step.message) == ("failed", "it said {'said': 'goodbye', 'list': [1, 2]}")
    step = carried_out(lab, tmp_path, judge='return cannot_tell("nobody knows")')
    assert (step.outcome, step.message) == ("unclear", "nobody knows")


def test_it_asks_by_the_prober(lab: LocalLab, tmp_path: Path) -> None:
    recorder = Recorder()
    observe = f'found = guests.request(self.on, "{lab.front.url}"); return {{"page": found.text, "is": found.outcome}}'
    judge = f'return passed() if seen == {{"page": {PAGES["srv-web"]!r}, "is": "ok"}} else failed(str(seen))'
    step = carried_out(lab, tmp_path, recorder, observe=observe, judge=judge)
    assert (step.outcome, step.message) == ("passed", "")
    assert len(list(recorder.history().of(Request))) == 1


@pytest.mark.parametrize(
    ("observe", "judge", "why"),
    [
        ("1 / 0", JUDGE, "ZeroDivisionError: division by zero"),
        ("raise SystemExit(1)", JUDGE, "SystemExit: 1"),
        ("return None", JUDGE, "TypeError: "),
        ("return {'x': object()}", JUDGE, "TypeError: Object of type object is not JSON serializable"),
        ("return {'x': float('nan')}", JUDGE, "ValueError: Out of range float values are not JSON compliant"),
        ("return {'x': 'x' * 2_000_000}", JUDGE, "it observes more than a history should hold"),
        ("guests.run('client', 'true')", JUDGE, "it asks client, which is not among its machines (srv-web)"),
        ("guests.request(self.on, 'file:///etc/passwd')", JUDGE, "ValueError: file:///etc/passwd"),
        (OBSERVE, "1 / 0", "ZeroDivisionError: division by zero"),
        (OBSERVE, "return None", "TypeError: "),
        (OBSERVE, "return ('splendid', 'x')", "ValueError: splendid"),
    ],
)
def test_its_own_failure_proves_nothing(lab: LocalLab, observe: str, judge: str, why: str, tmp_path: Path) -> None:
    step = carried_out(lab, tmp_path, observe=observe, judge=judge)
    assert step.outcome == "unclear"
    assert step.message.startswith("the check words itself failed: ")
    assert why in step.message


def test_a_history_is_judged_anew_and_also_where_the_check_is_gone(lab: LocalLab, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    recorder = Recorder(file)
    report = run_scenario(scenario(tmp_path), lab, recorder=recorder)
    recorder.close()
    history = read_history(file)
    assert judge(history).steps[0].message == report.steps[0].message
    (written,) = history.run.steps
    assert written["title"] == "srv-web says hello"
    gone = {**written, "check": "gone", "more": 1}
    assert isinstance(step_of(gone), GoneCheck)
    old = history.run.model_copy(update={"steps": (gone,)})
    (step,) = judge(type(history)([old, *history.records[1:]])).steps
    assert (step.outcome, step.title, step.name) == ("passed", "srv-web says hello", "gone")
    assert step.message == report.steps[0].message


@pytest.mark.parametrize(
    "part", ["def summary(self):\n        1 / 0", "@property\n    def machines(self):\n        return (1,)"]
)
def test_what_it_says_of_itself_is_a_problem_of_its_step(part: str, tmp_path: Path) -> None:
    head = part.partition("def ")[2].partition("(")[0]
    broken = CHECK.replace(f"def {head}(", f"def not_{head}(") + f"\n    {part}\n"
    place = tmp_path / "checks" / "words"
    place.mkdir(parents=True)
    (place / "check.py").write_text(broken.replace("OBSERVE", OBSERVE).replace("JUDGE", JUDGE))
    code = read_code(tmp_path)
    assert code is not None
    trust(tmp_path / "home", code)
    kind = vocabulary_beside(tmp_path, tmp_path / "home").topology.model_fields["verify"].annotation
    assert kind is not None
    with pytest.raises(ValueError, match=r"ZeroDivisionError|it names 1"):
        kind(steps=({"check": "words", "on": "srv-web"},))
