"""Rules for the mutants of a topology, and how their file is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from vboxlab.language import _
from vboxlab.topology.grading import Question
from vboxlab.topology.model import Topology
from vboxlab.topology.mutants import AdapterEdit, Mutant, Mutants
from vboxlab.topology.problems import Place, Problem, did_you_mean, invalid, one_of
from vboxlab.topology.shape import fit
from vboxlab.topology.source import Source

FOLDER = "mutants"


def mutants_file(topology: Path) -> Path:
    """Return where the mutants of a topology's file are."""
    return topology.parent / FOLDER / f"{topology.stem}.yaml"


def is_mutants(source: Source) -> bool:
    """Tell whether a file is meant to be the mutants of a topology."""
    return isinstance(source.data, dict) and FOLDER in source.data


def mutants_of(source: Source, topology: Topology) -> Mutants:
    """Make the mutants of a topology of a file that has been read.

    Raises TopologyInvalid with every problem of the file.
    """
    if not isinstance(source.data, dict):
        message = _("the file has no keys at its top; expected keys and values ({keys})").format(keys=FOLDER)
        raise invalid(source.file, [*source.problems, Problem("wrong-type", source.key(()), message)])
    found = fit(Mutants, dict(source.data), source)
    problems = [*source.problems, *found.problems]
    if found.model is not None:
        for index, mutant in enumerate(found.model.mutants):
            place = found.original((FOLDER, index))
            problems += _problems(source, place, mutant, topology)
        problems += _repeated(
            source, found.model, [found.original((FOLDER, n)) for n in range(len(found.model.mutants))]
        )
    if problems or found.model is None:
        raise invalid(source.file, problems)
    return found.model


def dependents(questions: Sequence[Question], failing: Sequence[str]) -> tuple[str, ...]:
    """Return the questions that cannot be judged when some fail: all that depend on one of them."""
    lost = set(failing)
    found = []
    for question in questions:  # a question depends on earlier ones only
        if question.question not in failing and lost & set(question.depends):
            found.append(question.question)
            lost.add(question.question)
    return tuple(found)


def _repeated(source: Source, mutants: Mutants, places: Sequence[Place]) -> Iterator[Problem]:
    """duplicate-mutant."""
    first: dict[str, Place] = {}
    for mutant, place in zip(mutants.mutants, places, strict=True):
        named = (*place, "mutant")
        if mutant.mutant in first:
            message = _("mutant `{name}` is already in line {line}; expected another name").format(
                name=mutant.mutant, line=source.value(first[mutant.mutant]).line
            )
            yield Problem("duplicate-mutant", source.value(named), message, named)
        first.setdefault(mutant.mutant, named)


def _problems(source: Source, place: Place, mutant: Mutant, topology: Topology) -> Iterator[Problem]:
    """Find unknown-machine, no-guest, unknown-network, no-adapter, unknown-question and follows."""

    def problem(code: str, where: Place, message: str) -> Problem:
        return Problem(code, source.value((*place, *where)), message, (*place, *where))

    machines = topology.machines
    for name in mutant.on:
        if name not in machines:
            message = _("there is no machine `{name}`; {expected}")
            text = message.format(name=name, expected=one_of(machines) + did_you_mean(name, machines))
            yield problem("unknown-machine", ("on",), text)
        elif not machines[name].configured or topology.is_adopted(machines[name]):
            message = _("`{name}` is left alone, so nothing can be changed on it; expected a machine of the lab's own")
            yield problem("no-guest", ("on",), message.format(name=name))
    for number, edit in enumerate(mutant.edits):
        if not isinstance(edit, AdapterEdit):
            continue
        if edit.network is not None and edit.network not in topology.networks:
            message = _("there is no network `{name}`; {expected}")
            near = did_you_mean(edit.network, topology.networks)
            text = message.format(name=edit.network, expected=one_of(topology.networks) + near)
            yield problem("unknown-network", ("edits", number, "network"), text)
        for name in mutant.on:
            if name in machines and edit.adapter not in [adapter.slot for adapter in machines[name].adapters]:
                message = _("{machine} has no adapter {slot}").format(machine=name, slot=edit.adapter)
                yield problem("no-adapter", ("edits", number, "adapter"), message)
    yield from _questions(source, place, mutant, topology)


def _questions(source: Source, place: Place, mutant: Mutant, topology: Topology) -> Iterator[Problem]:
    asked = topology.grading.asked(topology.values) if topology.grading is not None else ()
    known = {question.question: question for question in asked}
    every = [question.question for question in topology.grading.questions] if topology.grading is not None else []
    for index, name in enumerate(mutant.fails):
        where = (*place, "fails", index)
        if name not in every:
            message = _("there is no question `{name}`; {expected}")
            text = message.format(name=name, expected=one_of(every) + did_you_mean(name, every))
            yield Problem("unknown-question", source.value(where), text, where)
            continue
        others = [other for other in mutant.fails if other != name]
        if name in known and name in dependents(asked, others):
            message = _("question `{name}` depends on another one that fails, so it follows; expected only the first")
            yield Problem("follows", source.value(where), message.format(name=name), where)
