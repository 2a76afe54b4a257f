"""What the verbs share when they work on several copies of a lab: which ones, the run, the summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from vboxlab.cli import output, session
from vboxlab.errors import EXIT_OK, TopologyInvalid, UsageError
from vboxlab.events import EventSink
from vboxlab.lab.context import Context
from vboxlab.lab.listing import Listing
from vboxlab.lab.observe import labs
from vboxlab.operations.request import Which
from vboxlab.operations.run_copies import CopyResult, exit_code, run_copies, shares
from vboxlab.planning.observed import current_topology
from vboxlab.topology.addressing import LabName
from vboxlab.topology.catalog import find_topology
from vboxlab.topology.loader import load_topology

T = TypeVar("T")
PATIENCE = 10.0  # seconds to wait for a copy that another vboxlab works on, unless --wait says otherwise
DETAILS = 8  # lines shown of each failure


@dataclass(frozen=True)
class Chosen:
    """One copy to work on, the name that it was called by, and the values of its parameters."""

    lab: LabName
    name: str
    values: Mapping[str, str] = field(default_factory=dict)

    def target(self, context: Context, values: Mapping[str, str] | None = None) -> session.Target:
        """Find the copy with its topology; values from the command line go before those of the roll."""
        return session.target(context, self.name, {**self.values, **(values or {})}, self.lab.copy)


def many(context: Context) -> Context:
    """Return the context for an operation on many copies: one look at the host for all of them."""
    return replace(context, listing=Listing(context.driver))


def with_events(context: Context, events: EventSink) -> Context:
    """Return the context with another place for its events."""
    return replace(context, events=events)


def choose_or_only(context: Context, name: str | None, which: Which) -> list[Chosen]:
    """Return what `choose` does for several copies; else the one lab that is named, or the only one there is."""
    if which.several:
        return choose(context, name, which)
    found = session.only_lab(context, name, which.copy)
    return [Chosen(found.lab, name or found.lab.lab)]


def choose(context: Context, name: str | None, which: Which, *, parameters: bool = False) -> list[Chosen]:
    """Return the copies that a verb is about; `parameters`: the columns of a CSV file must be the topology's.

    Raises UsageError naming the labs that exist when it is not clear which lab is meant, or there is none.
    """
    existing = labs(list(context.machines()))
    if which.roll is None:
        wanted = _lab_name(context, name, existing) if name is not None else None
        found = [lab for lab in existing if wanted in (None, lab.lab) and (which.everything or lab.copy == which.copy)]
        if not found:
            what = f"of {name} " if name else ""
            raise UsageError(
                f"no lab {what}exists on this computer", resolution="`vboxlab status --all` shows those that do"
            )
        return [Chosen(lab, name or lab.lab) for lab in found]
    lab = _lab_name(context, name or _only(existing), existing)
    if parameters and which.roll.columns:
        topology = load_topology(find_topology(name or lab, context.settings))
        which.roll.check_columns(list(topology.parameters), topology.name)
    return [Chosen(LabName(lab, copy.name), name or lab, copy.values) for copy in which.roll.copies]


def _only(existing: Mapping[LabName, Any]) -> str:
    names = sorted({lab.lab for lab in existing})
    if len(names) == 1:
        return names[0]
    raise UsageError(
        "there are several labs; say which one" if names else "there is no lab on this computer yet", details=names
    )


def _lab_name(context: Context, name: str, existing: Mapping[LabName, Sequence[Any]]) -> str:
    """Return the lab that a topology or lab name means, also when the topology file is broken or gone."""
    try:
        return load_topology(find_topology(name, context.settings)).lab
    except (TopologyInvalid, UsageError):
        for lab, machines in existing.items():
            if lab.lab == name or current_topology(machines) == name:
                return lab.lab
        raise


def patience_of(patience: float) -> float:
    """Return how long to wait for a copy that is in use: short, so that the others are not held up, unless given."""
    source = click.get_current_context().get_parameter_source("patience")
    return patience if source is not ParameterSource.DEFAULT else PATIENCE


def each(
    context: Context,
    chosen: Sequence[Chosen],
    do: Callable[[Context, Chosen, int], T],
    *,
    jobs: int | None,
    patience: float | None,
    at_most: int | None = None,
) -> list[CopyResult[T]]:
    """Do something to each copy with its lock held (without patience: without the lock), so many at once.

    `do` gets a context whose events carry the copy's name, the copy, and how many actions it may have under way.
    """
    width, share = shares(jobs or context.settings.concurrency, min(len(chosen), at_most or len(chosen)))
    by_lab = {entry.lab: entry for entry in chosen}

    def one(lab: LabName, events: EventSink) -> T:
        own = replace(context, events=events)
        lock = own.directory(lab).locked(events, patience=patience) if patience is not None else nullcontext()
        with lock:
            return do(own, by_lab[lab], share)

    with session.stopping_gently(context.stop):
        return run_copies(list(by_lab), one, width=width, events=context.events, stop=context.stop)


def report(results: Sequence[CopyResult[T]], words: Callable[[T], str], *, as_json: bool = False) -> int:
    """Print a summary, one line a copy, and return the exit code; `words` says what came out of a copy that is done."""
    if as_json:
        output.say_json([_record(result, words) for result in results])
        return exit_code(results)
    headers = ("COPY", "OUTCOME", "SECONDS", "AT STEP", "RESULT")
    rows = [
        (
            str(result.lab),
            "FAILED" if result.outcome == "failed" else result.outcome,
            f"{result.seconds:.1f}",
            result.step or "-",
            words(result.value) if result.value is not None else result.why or "-",
        )
        for result in results
    ]
    output.table(headers, rows)
    for result in results:
        if result.error is not None and result.error.details:
            output.say(f"{result.lab}:")
            for line in result.error.details[:DETAILS]:
                output.say(f"  {line}")
        if result.error is not None and result.error.resolution:
            output.say(f"  -> {result.lab}: {result.error.resolution}")
    done = sum(result.outcome == "done" for result in results)
    code = exit_code(results)
    output.say(f"{done} of {len(results)} copies done" + ("" if code == EXIT_OK else f", {len(results) - done} not"))
    return code


def _record(result: CopyResult[T], words: Callable[[T], str]) -> dict[str, Any]:
    error = result.error
    return {
        "lab": result.lab.lab,
        "copy": result.lab.copy,
        "outcome": result.outcome,
        "step": result.step or None,
        "why": result.why or None,
        "details": list(error.details) if error else [],
        "resolution": error.resolution if error else None,
        "seconds": round(result.seconds, 1),
        "result": words(result.value) if result.value is not None else None,
    }
