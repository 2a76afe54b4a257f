"""A plan in words and as plain data: what `vboxlab plan` shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vboxlab.planning import actions as act
from vboxlab.planning.observed import MARK_TOPOLOGY
from vboxlab.planning.planner import machines_of

FIXED_TITLES: dict[type[act.Step], str] = {
    act.Create: "create",
    act.SetAdapters: "set adapters",
    act.Start: "start",
    act.Resume: "resume",
    act.Introduce: "first contact over adapter 1",
    act.Contact: "reach guest",
    act.CheckAdopted: "start adopted VM",
    act.RemoveLeftovers: "remove leftovers",
}
VERBS: dict[type[act.Step], str] = {act.Configure: "configure", act.Recheck: "check", act.Repair: "repair"}


def title(step: act.Step) -> str:
    """Return a step in a few words, without the machine's name."""
    match step:
        case act.SetHardware():
            return f"set {step.cpus} processor(s), {step.memory} MiB"
        case act.Configure() | act.Recheck() | act.Repair():
            return f"{VERBS[type(step)]} {step.stage or 'guest'}"
        case act.PowerOff():
            return "power off" if step.how == "graceful" else "pull the plug"
        case act.TakeSnapshots():
            return f"take snapshot {step.snapshot}"
        case act.RestoreSnapshots():
            return f"restore snapshot {step.snapshot}"
        case act.FinishRestore():
            return f"finish restore of {step.snapshot}"
        case act.SetMarks():
            return "set aside" if step.marks.get(MARK_TOPOLOGY, "") is None else "record topology"
        case _:
            return FIXED_TITLES[type(step)]


def subject(step: act.Step) -> str:
    """Return the machine or machines that a step works on."""
    return ", ".join(machines_of(step)) or "lab"


def lines(plan: act.Plan) -> list[str]:
    """Return the plan as text lines: one an action with its reason, then notes and blockers."""
    text = [f"lab {plan.lab}, topology {plan.topology}"]
    if plan.is_empty and not plan.blockers:
        text.append("nothing to do: the lab is what the topology says")
    width = max((len(subject(action.step)) for action in plan.actions), default=0)
    what = max((len(title(action.step)) for action in plan.actions), default=0)
    for action in plan.actions:
        after = f" [after {', '.join(action.after)}]" if action.after else ""
        text.append(
            f"  {action.id} {subject(action.step):<{width}}  {title(action.step):<{what}}  {action.reason}{after}"
        )
    if plan.actions:
        text.append(f"{len(plan.actions)} actions")
    text.extend(f"note: {note}" for note in plan.notes)
    text.extend(f"cannot be applied: {blocker}" for blocker in plan.blockers)
    return text


def data(plan: act.Plan) -> dict[str, Any]:
    """Return the plan as plain data for JSON; keys are stable."""
    return {
        "lab": plan.lab.lab,
        "copy": plan.lab.copy,
        "topology": plan.topology,
        "actions": [
            {
                "id": action.id,
                "action": type(action.step).__name__,
                "machines": list(machines_of(action.step)),
                "arguments": {k: v for k, v in asdict(action.step).items() if k not in ("machine", "machines")},
                "reason": action.reason,
                "after": list(action.after),
            }
            for action in plan.actions
        ],
        "notes": list(plan.notes),
        "blockers": list(plan.blockers),
    }
