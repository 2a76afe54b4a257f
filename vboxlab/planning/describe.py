"""A plan in words and as plain data: what `vboxlab plan` shows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from vboxlab.language import C_, N_, NC_, _, n_
from vboxlab.planning import actions as act
from vboxlab.planning.observed import MARK_TOPOLOGY
from vboxlab.planning.planner import machines_of
from vboxlab.topology.disks import in_words

FIXED_TITLES: dict[type[act.Step], str] = {
    act.Create: NC_("action", "create"),
    act.SetAdapters: NC_("action", "set adapters"),
    act.Start: NC_("action", "start"),
    act.Resume: NC_("action", "resume"),
    act.Introduce: NC_("action", "first contact over adapter 1"),
    act.Contact: NC_("action", "reach guest"),
    act.CheckAdopted: NC_("action", "start adopted VM"),
    act.RemoveLeftovers: NC_("action", "remove leftovers"),
}
# Of a guest that is brought to a stage, and to none.
GUEST_TITLES: dict[type[act.Step], tuple[str, str]] = {
    act.Configure: (N_("configure {stage}"), N_("configure guest")),
    act.Recheck: (N_("check {stage}"), N_("check guest")),
    act.Repair: (N_("repair {stage}"), N_("repair guest")),
}


def title(step: act.Step) -> str:
    """Return a step in a few words, without the machine's name."""
    match step:
        case act.SetHardware():
            text = n_("set {cpus} processor(s), {memory} MiB", "set {cpus} processor(s), {memory} MiB", step.cpus)
            return text.format(cpus=step.cpus, memory=step.memory)
        case act.AddDisks():
            names = ", ".join(f"{disk.name} ({in_words(disk.size)})" for disk in step.disks)
            return n_("add disk {disks}", "add disks {disks}", len(step.disks)).format(disks=names)
        case act.SetDvd():
            return _("insert {file}").format(file=PurePath(step.dvd).name) if step.dvd else _("take out the disc")
        case act.Configure() | act.Recheck() | act.Repair():
            to_stage, to_none = GUEST_TITLES[type(step)]
            return _(to_stage).format(stage=step.stage) if step.stage else _(to_none)
        case act.PowerOff():
            return C_("action", "power off") if step.how == "graceful" else _("pull the plug")
        case act.TakeSnapshots():
            return _("take snapshot {snapshot}").format(snapshot=step.snapshot)
        case act.RestoreSnapshots():
            return _("restore snapshot {snapshot}").format(snapshot=step.snapshot)
        case act.FinishRestore():
            return _("finish restore of {snapshot}").format(snapshot=step.snapshot)
        case act.SetMarks():
            return _("set aside") if step.marks.get(MARK_TOPOLOGY, "") is None else _("record topology")
        case _:
            return C_("action", FIXED_TITLES[type(step)])


def subject(step: act.Step) -> str:
    """Return the machine or machines that a step works on."""
    return ", ".join(machines_of(step)) or _("lab")


def lines(plan: act.Plan) -> list[str]:
    """Return the plan as text lines: one an action with its reason, then notes and blockers."""
    text = [_("lab {lab}, topology {topology}").format(lab=plan.lab, topology=plan.topology)]
    if plan.is_empty and not plan.blockers:
        text.append(_("nothing to do: the lab is what the topology says"))
    width = max((len(subject(action.step)) for action in plan.actions), default=0)
    what = max((len(title(action.step)) for action in plan.actions), default=0)
    for action in plan.actions:
        after = " " + _("[after {actions}]").format(actions=", ".join(action.after)) if action.after else ""
        text.append(
            f"  {action.id} {subject(action.step):<{width}}  {title(action.step):<{what}}  {action.reason}{after}"
        )
    if plan.actions:
        count = len(plan.actions)
        text.append(n_("{count} action", "{count} actions", count).format(count=count))
    text.extend(_("note: {note}").format(note=note) for note in plan.notes)
    text.extend(_("cannot be applied: {blocker}").format(blocker=blocker) for blocker in plan.blockers)
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
