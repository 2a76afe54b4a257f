"""Carrying out the checks that are not vboxlab's own (vboxlab.topology.check_interface): recorded first, then judged.

What fails in somebody else's code proves nothing: the check cannot tell then, and says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ConfigDict, ValidationError

from vboxlab.errors import VboxlabError
from vboxlab.harmless import for_line
from vboxlab.language import _
from vboxlab.topology.check_interface import Answer, OutsideCheck, Ran, Verdict
from vboxlab.topology.check_registry import known_checks, own_check_names
from vboxlab.topology.code import NotFit, taken_for_a_reason
from vboxlab.verification.attempts import Finding, Site, evidence
from vboxlab.verification.history import Shown, Tried
from vboxlab.verification.probes import ProbeSpec, probe

MOST_SEEN = 1 << 20  # characters that an attempt may record
SCHEMES = ("http://", "tcp://", "dns://", "ping://")


class AskedGuests:
    """What a check asks of the machines that it names, through what the run has; kept as evidence."""

    def __init__(self, check: OutsideCheck, site: Site) -> None:
        self.shown: list[Shown] = []
        self._machines, self._site = check.machines, site

    def run(self, machine: str, script: str, *, root: bool = False) -> Ran:
        """Run a script in a machine, and return what it printed. Raises GuestError, WaitTimeout."""
        self._expect(machine)
        completed = self._site.run(machine, script, root=root)
        self.shown.append(evidence(machine, script, completed))
        return Ran(completed.exit_code, completed.stdout, completed.stderr)

    def request(self, machine: str, url: str, *, timeout: float = 5.0) -> Answer:
        """Ask for something from a machine. Raises as `probe` does."""
        self._expect(machine)
        if not url.startswith(SCHEMES):
            raise ValueError(url)
        spec = ProbeSpec(url, timeout=timeout * self._site.time_scale, count=1)
        (sample,) = probe(self._site.lab.executor(machine), spec, self._site.recorder, self._site.step)
        told = " ".join(filter(None, (sample.outcome, str(sample.status or ""), sample.page)))
        self.shown.append(Shown(machine=machine, command=str(spec), output=told))
        return Answer(sample.outcome, sample.status, sample.page)

    def _expect(self, machine: str) -> None:
        if machine not in self._machines:
            text = _("it asks {machine}, which is not among its machines ({machines})")
            raise ValueError(text.format(machine=machine, machines=", ".join(self._machines)))


def observed(check: OutsideCheck, site: Site) -> Finding:
    """Let a check look once, and judge what it saw as the history has it. Raises GuestError, WaitTimeout."""
    guests = AskedGuests(check, site)
    try:
        with taken_for_a_reason():
            seen = json.loads(json.dumps(dict(check.observe(guests)), allow_nan=False))
            if len(json.dumps(seen)) > MOST_SEEN:
                raise ValueError(_("it observes more than a history should hold"))
    except NotFit as why:
        if isinstance(why.__cause__, VboxlabError):  # the guest's, not the check's
            raise why.__cause__ from None
        return Finding((), "", tuple(guests.shown), (_doubt(check, why),))
    return judged(check, seen, guests.shown)


def judged(check: OutsideCheck, seen: dict[str, Any], shown: Sequence[Shown]) -> Finding:
    """Return what a check makes of what was seen. Pure, as far as the check is."""
    try:
        with taken_for_a_reason():
            verdict = Verdict(*check.judge(seen))
            text = for_line(str(verdict.text))
            if verdict.outcome not in ("passed", "failed", "unclear"):
                raise ValueError(verdict.outcome)
    except NotFit as why:
        return Finding((), "", tuple(shown), (_doubt(check, why),), seen)
    said = text or check.describe()
    return Finding(
        (said,) if verdict.outcome == "failed" else (),
        text,
        tuple(shown),
        (said,) if verdict.outcome == "unclear" else (),
        seen,
    )


def _doubt(check: OutsideCheck, why: NotFit) -> str:
    return _("the check {check} itself failed: {why}").format(check=check.check, why=for_line(why.told()))


class GoneCheck(OutsideCheck):
    """A check of a history that is not installed here: what was found when it was carried out, counts."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, defer_build=True)

    def summary(self) -> str:
        """Return its name: a history has its title."""
        return self.check


def step_of(written: Mapping[str, Any]) -> OutsideCheck | None:
    """Return the check of a step that a history has; None where the step is one that vboxlab itself has."""
    name = written.get("check")
    if not isinstance(name, str) or name in own_check_names():
        return None
    # one that nobody has here was written with its title (vboxlab.verification.runner)
    for found in known_checks(name):
        with suppress(ValidationError):
            return found.kind.model_validate(written)
    return GoneCheck.model_validate(written) if written.get("title") else None


def judged_again(check: OutsideCheck, tried: Tried) -> Tried:
    """Return an attempt as the check judges it now, from what it saw then; as it is where that is not known."""
    if tried.seen is None or isinstance(check, GoneCheck):
        return tried
    found = judged(check, dict(tried.seen), tried.evidence)
    return tried.model_copy(update={"problems": found.problems, "doubts": found.doubts, "message": found.message})
