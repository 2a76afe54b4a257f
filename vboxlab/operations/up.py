"""Bringing a lab, or several copies side by side, up to a topology."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from vboxlab.errors import CopyStopped, UsageError, VboxlabError
from vboxlab.events import Note
from vboxlab.lab.capacity import check_capacity, demand, room, shortfalls
from vboxlab.lab.context import Context
from vboxlab.lab.down import down
from vboxlab.lab.images import build_missing, ensure_images
from vboxlab.lab.observe import at_first_sight, see
from vboxlab.lab.planned import Blueprint, losses_on_the_way, missing_source
from vboxlab.lab.solving import check_can_begin, check_exercise, check_solvable, solve
from vboxlab.lab.up import UpResult
from vboxlab.lab.up import up as bring_up
from vboxlab.language import N_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, each, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.doubts import tell_of_doubts
from vboxlab.operations.questions import DONE_IN, Question, ask_for_all, asking
from vboxlab.operations.request import LabRequest
from vboxlab.operations.run_copies import CopyResult
from vboxlab.operations.session import Session, opened
from vboxlab.operations.targets import Target, keep_file
from vboxlab.planning.observed import PowerState
from vboxlab.planning.planner import UNTIL_CREATED
from vboxlab.topology.addressing import LabName

DOWN_SECONDS = 60.0
SOLVED = Question(
    N_("overwrite what the student did since the snapshot exercise in lab {lab} ({machines})?"),
    N_("overwrite what the students did since the snapshot exercise in {count} labs ({machines})?"),
)


@dataclass(frozen=True, kw_only=True)
class UpRequest(LabRequest):
    """Which topology to bring up, and how far.

    `until`: a stage, or `created` for everything but the boot. `at_most`: so many copies at a time, each powered off
    again when it is up. `build`: bases that are missing are built. `force`: although memory, disk or ports do not
    suffice. `yes`: work may be thrown away. `exercise`: what the topology leaves to the student is left undone, and
    `solution`: it is done in his place.
    """

    topology: str
    until: str | None = None
    at_most: int | None = None
    gui: bool = False
    build: bool = False
    force: bool = False
    yes: bool = False
    exercise: bool = False
    solution: bool = False

    def wanted(self, session: Session, target: Target) -> Target:
        """Return a lab with what is to be made of it. Raises what check_exercise and check_can_begin raise."""
        blueprint = target.needed
        if self.exercise:
            check_exercise(blueprint.topology)
            check_can_begin(at_first_sight(session.context, target.lab), blueprint.topology)
            return replace(target, blueprint=blueprint.as_exercise())
        if self.solution:
            check_exercise(blueprint.topology)
            return replace(target, blueprint=replace(blueprint, whole=True))
        return replace(target, blueprint=blueprint.in_force(session.context.machines().of(target.lab)))

    def do(self, context: Context, blueprint: Blueprint, lab: LabName, jobs: int) -> UpResult:
        """Do it to a lab whose lock is held."""
        if self.solution:
            return solve(context, blueprint, lab, jobs=jobs, gui=self.gui)
        return bring_up(context, blueprint, lab, until=self.until, jobs=jobs, gui=self.gui)


@dataclass(frozen=True)
class Up:
    """What was done to bring a lab up: how many actions, and which guests had to be repaired.

    `stopped`: the user stopped it; the same request goes on from there.
    """

    lab: LabName
    actions: int
    repaired: tuple[str, ...] = ()
    stopped: bool = False


def result_of(lab: LabName, done: UpResult) -> Up:
    """Return what was done to a lab."""
    return Up(lab, done.actions, done.repaired, done.stopped)


def up(request: UpRequest, door: Door) -> OneOrCopies[Up]:
    """Create, boot and configure what is missing, and check the rest.

    The door is asked before machines go back to a snapshot because the lab changes its topology. Raises what `up` of
    the lab layer and `up_copies` raise, UsageError, LabBusy.
    """
    if request.at_most is not None and not request.which.several:
        raise UsageError(_("--at-most-running is for several copies"), resolution=_("add --copies or --all"))
    if request.solution and (request.exercise or request.until is not None):
        raise UsageError(_("--solution does all stages: it goes neither with --exercise nor with --until"))
    with opened(door, request.driver) as session:
        return up_copies(session, request) if request.which.several else _up_one(session, request)


def _up_one(session: Session, request: UpRequest) -> OneOrCopies[Up]:
    (entry,) = choose(session, request.topology, request)
    target = request.wanted(session, entry.target(session))
    _check_stage(target, request.until)
    tell_of_doubts(session, entry)
    _warn_of_shortfalls(session.context, target, request.until)
    if request.build:
        build_missing(session.context, [target.needed])

    def one(own: Session, entry: Chosen, jobs: int) -> Up:
        end_left(own.context, entry.lab, target.needed, request.until)
        keep_file(own, entry.name, entry.lab, target.needed.topology)
        done = request.do(own.context, target.needed, entry.lab, jobs)
        return result_of(entry.lab, done)

    confirming = session.having(confirm=asking(session.door, yes=request.yes))
    boots = request.until != UNTIL_CREATED
    return on_labs(confirming, [entry], request, one, heed_stop=True, boots=boots)


def end_left(context: Context, lab: LabName, blueprint: Blueprint, until: str | None = None) -> None:
    """Undo what a verification that was broken off has left, where guests are to run."""
    if until == UNTIL_CREATED or not context.directory(lab).faults.exists():
        return
    from vboxlab.verification.live import end_faults  # hardly ever needed

    end_faults(context, lab, blueprint.topology)


def _check_stage(target: Target, until: str | None) -> None:
    """Raise UsageError unless the topology has a stage of that name."""
    stages = target.needed.topology.stage_order
    if until is not None and until not in (*stages, UNTIL_CREATED):
        text = _("--until {stage}: expected created, {stages}")
        raise UsageError(text.format(stage=until, stages=", ".join(stages)))


def _warn_of_shortfalls(context: Context, target: Target, until: str | None) -> None:
    """Say when a single lab wants more than the computer has left: it may well run nevertheless."""
    topology = target.needed.topology
    wanted = demand(topology, see(context, target.lab), boots=until != UNTIL_CREATED)
    for line in shortfalls([wanted], room(context.settings.home, context.machines())):
        context.events(Note(line, level="warning"))


def up_copies(session: Session, request: UpRequest) -> list[CopyResult[Up]]:
    """Bring copies up and return what became of each; one whose topology is wrong with its values fails alone.

    It is asked once where copies would lose work. Raises LabError, before anything is made, when they do not fit on
    this computer; BaseError when images cannot be made.
    """
    chosen = choose(session, request.topology, request, parameters=True)
    targets: dict[LabName, Target] = {}
    wrong: list[CopyResult[Up]] = []
    for entry in chosen:
        try:
            target = request.wanted(session, entry.target(session))
            _check_stage(target, request.until)
            targets[entry.lab] = target
        except VboxlabError as error:
            wrong.append(CopyResult(entry.lab, "failed", step=_("read the topology"), error=error))
    for entry in chosen[:1]:
        tell_of_doubts(session, entry)
    losses = _solved if request.solution else _losses
    lost = {} if request.yes else losses(session.context, targets, request.until)
    question = SOLVED if request.solution else DONE_IN
    session = session.having(confirm=ask_for_all(session.door, lost, yes=request.yes, question=question))
    _prepare(session.context, list(targets.values()), request)

    def one(own: Session, entry: Chosen, jobs: int) -> Up:
        blueprint = targets[entry.lab].needed
        end_left(own.context, entry.lab, blueprint, request.until)
        keep_file(own, entry.name, entry.lab, blueprint.topology)
        done = request.do(own.context, blueprint, entry.lab, jobs)
        if request.at_most is not None and not done.stopped:
            down(own.context, entry.lab, timeout=DOWN_SECONDS, hard=False, jobs=jobs)
        if done.stopped:
            text = n_("stopped after {count} action", "stopped after {count} actions", done.actions)
            raise CopyStopped(text.format(count=done.actions))
        return result_of(entry.lab, done)

    # Copies that run already come first: they count against what may run at once.
    order = [entry for entry in chosen if entry.lab in targets]
    if request.at_most is not None:
        order.sort(key=lambda entry: not _runs(session.context, entry.lab))
    results = each(
        session, order, one, jobs=request.jobs, patience=request.wait, at_most=request.at_most,
        boots=request.until != UNTIL_CREATED,
    )  # fmt: skip
    found = {result.lab: result for result in (*wrong, *results)}
    return [found[entry.lab] for entry in chosen]


def _losses(context: Context, targets: Mapping[LabName, Target], until: str | None) -> dict[LabName, list[str]]:
    """Return the machines of each copy that lose work: none where it cannot be planned, there `up` will fail."""
    host = context.machines()
    lost: dict[LabName, list[str]] = {}
    for lab, target in targets.items():
        if host.of(lab):
            with suppress(VboxlabError):
                lost[lab] = list(losses_on_the_way(context, target.needed, lab, until=until))
    return lost


def _solved(context: Context, targets: Mapping[LabName, Target], _until: str | None) -> dict[LabName, list[str]]:
    """Return the machines of each copy's student; none where there is no exercise, there it will fail."""
    lost: dict[LabName, list[str]] = {}
    for lab, target in targets.items():
        topology = target.needed.topology
        with suppress(VboxlabError):
            check_solvable(at_first_sight(context, lab), topology)
            lost[lab] = [machine.name for machine in topology.machines.values() if topology.left_undone(machine)]
    return lost


def _prepare(context: Context, targets: Sequence[Target], request: UpRequest) -> None:
    """Check that everything fits, and make the images that the copies share."""
    boots = request.until != UNTIL_CREATED
    demands = [demand(target.needed.topology, at_first_sight(context, target.lab), boots=boots) for target in targets]
    left = room(context.settings.home, context.machines())
    if not request.force:
        check_capacity(demands, left, at_most_running=request.at_most)
    else:
        for line in shortfalls(demands, left, at_most_running=request.at_most):
            context.events(Note(line, level="warning"))
    blueprints = [target.needed for target in targets]
    if request.build:
        build_missing(context, blueprints)
    for target in targets if boots else ():
        with suppress(VboxlabError):  # of one that cannot be planned its own `up` tells
            missing = missing_source(context, target.needed, target.lab, at_first_sight(context, target.lab))
            if missing is not None:
                blueprints.append(target.needed.load(missing.set.topology))
    if blueprints:
        ensure_images(context, blueprints)


def _runs(context: Context, lab: LabName) -> bool:
    return any(machine.power is PowerState.RUNNING for machine in see(context, lab).machines.values())
