"""What must hold after every step, whatever happened: judged from the host, the home and what the verb said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tests.campaign import confirmed, faults, steps
from tests.campaign.host import Host
from tests.campaign.process import HUNG, Outcome
from tests.campaign.steps import Step
from vboxlab.planning.observed import MARK_TOPOLOGY, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName

DOCUMENTED = {0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 130}
ADOPTED = "GATE"
BASE_SNAPSHOT = "vboxlab-base"
PROMISES = ("nothing was changed",)


def after(step: Step, before: Host, home: Path, host: Host, outcome: Outcome | None) -> list[str]:
    """Return what is wrong after a step: each line begins with the letter of the invariant that does not hold.

    `host` is the host after it; its book is brought up to date with what the step was allowed to do.
    """
    wrong = [*foreign(host), *markers(host)]
    if outcome is not None:
        wrong += [*bugs(outcome), *promises(step, before, host, outcome)]
        wrong += restores(step, before, host, home, outcome)
        wrong += faults.left_by(step, home, host, outcome)
        wrong += [*beside(before, host, outcome), *half_taken(step, before, host, outcome)]
    wrong += [*records(host, home), *faults.untold(host, home)]
    protect_again(host, home)
    host.book.undone = {str(lab): confirmed.undone(home, lab) for lab in host.labs()}
    return wrong


def foreign(host: Host) -> list[str]:
    """(a) What is not vboxlab's is as in the control run, but for what vboxlab may do to it."""
    wrong = []
    bases = {image.vm for image in host.images.values() if image.vm}
    for handle, control in list(host.book.foreign.items()):
        now = host.machines.get(handle)
        if now is None:
            wrong.append(f"(a) the VM {control.name}, which is none of vboxlab's, is gone")
            continue
        allowed = _allowed(control, now, is_base=handle in bases or handle in host.book.bases)
        if now != allowed:
            names = [name for name, value in vars(now).items() if value != getattr(allowed, name)]
            wrong.append(f"(a) the VM {control.name}, which is none of vboxlab's, has changed: {', '.join(names)}")
        host.book.foreign[handle] = now
        if host.media.get(handle) != host.book.media.get(handle):
            wrong.append(f"(a) the disks of the VM {control.name}, which is none of vboxlab's, have changed")
    for path, written in host.foreign_disks.items():
        wrong.append(f"(a) {path}, which is none of vboxlab's, was written to by a machine: {', '.join(written)}")
    host.foreign_disks.clear()
    here = {str(stray.path) for stray, _ in host.strays}
    for path, marker in host.book.strays.items():
        if path not in here and marker not in host.book.given_up:
            wrong.append(f"(a) {path}, a disk of somebody's in a machine's folder, is gone")
    return wrong


def _allowed(control: ObservedMachine, now: ObservedMachine, *, is_base: bool) -> ObservedMachine:
    """Return the control run's VM with what vboxlab may do: start an adopted one, snapshot a base that has none."""
    if control.name == ADOPTED:
        control = replace(control, untouched=control.untouched and now.untouched)  # once started, also when off again
        if now.power is PowerState.RUNNING:
            control = replace(control, power=now.power, last_power_change=now.last_power_change)
    names = [snapshot.name for snapshot in now.snapshots]
    if is_base and not control.snapshots and names == [BASE_SNAPSHOT]:
        control = replace(
            control, snapshots=now.snapshots, current_snapshot=now.current_snapshot, untouched=now.untouched
        )
    return control


def markers(host: Host) -> list[str]:
    """(b) Every marker that nobody gave up is in a machine, a snapshot or a disk of somebody's."""
    there = host.places()
    lost = [marker for marker in host.book.markers if marker not in there and marker not in host.book.given_up]
    host.book.given_up.update(lost)
    return [f"(b) {host.book.markers[marker]} is lost ({marker}), and nobody gave it up" for marker in lost]


def protect_again(host: Host, home: Path) -> None:
    """Let a marker that was given up and is still there be one to keep, unless a restore that takes it is pending."""
    places = host.places()
    for marker in list(host.book.given_up):
        for handle, snapshot in places.get(marker, []):
            machine = host.machines.get(handle)
            pending = machine is not None and machine.lab is not None and confirmed.has_pending(home, machine.lab)
            if snapshot or not pending:
                host.book.given_up.discard(marker)


def bugs(outcome: Outcome) -> list[str]:
    """(f) Nothing ended as a bug."""
    if outcome.killed:
        return []
    said = outcome.out + outcome.err
    if outcome.code == HUNG:
        return ["(f) it hangs"]
    if outcome.code not in DOCUMENTED:
        return [f"(f) it ended with exit code {outcome.code}: {_last(said)}"]
    if "Traceback (most recent call last)" in said:
        return [f"(f) a traceback was shown, with exit code {outcome.code}: {_last(said)}"]
    return []


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip() and "this is a bug" not in line]
    return lines[-1].strip() if lines else "it said nothing"


def promises(step: Step, before: Host, host: Host, outcome: Outcome) -> list[str]:
    """(g) What was refused, or said to have changed nothing, has changed nothing."""
    if outcome.struck in (steps.OTHER, steps.MEANWHILE, steps.VM) or outcome.killed:
        return []
    if any(any(faults.in_force(before, lab)) for lab in before.labs()):
        return []  # they are ended before it is asked
    changed = {name for name in host.machines if host.machines.get(name) != before.machines.get(name)}
    changed |= before.machines.keys() - host.machines.keys()
    names = [(host.machines.get(each) or before.machines[each]).name for each in sorted(changed)]
    if not names:
        return []
    if outcome.code in (3, 6, 64):
        return [f"(g) refused with exit code {outcome.code}, and yet changed: {', '.join(names)}"]
    if any(promise in outcome.err for promise in PROMISES) and "--all" not in step.words:
        return [f"(g) it says that nothing was changed, and has changed {', '.join(names)}"]
    if step.verb in ("plan", "status", "snapshot list", "snapshot tree", "check"):
        return [f"(g) {step.verb} has changed {', '.join(names)}"]
    return []


def half_taken(step: Step, before: Host, host: Host, outcome: Outcome) -> list[str]:
    """(g) A snapshot is taken of all machines or of none, unless it is said that some keep it."""
    twice = step.trouble is not None and step.trouble.how == "twice"  # it leaves at once then, as it says
    if step.verb != "snapshot take" or outcome.killed or twice or "it stays there" in outcome.out + outcome.err:
        return []
    took, deleted = (
        {name for call, name in outcome.effects if call == wanted} for wanted in ("take_snapshot", "delete_snapshot")
    )
    words = confirmed.Words(step)
    wrong = []
    for lab in words.labs(host):
        machines = host.of_lab(lab)
        of_set = confirmed.SETS.get((lab.lab, words.arguments[0]), tuple(machines))
        members = [machines[name] for name in words.options.get("--machine", of_set) if name in machines]
        left = [machine.name for machine in members if _names(machine, before) & took - deleted]
        if left and len(left) < len(members):
            wrong.append(f"(g) lab {lab}: the snapshot is on {', '.join(sorted(left))}, and on no other machine")
    return wrong


def _names(machine: ObservedMachine, before: Host) -> set[str]:
    """Return the names that a machine had in the course of a step: somebody may have renamed it meanwhile."""
    earlier = before.machines.get(machine.handle)
    return {machine.name, earlier.name if earlier else machine.name}


def beside(before: Host, host: Host, outcome: Outcome) -> list[str]:
    """(g) While one vboxlab changes a lab, no other one does."""
    if outcome.struck != steps.OTHER:
        return []
    count, others = host.book.beside
    labs = {m.name: m.lab for each in (before, host) for m in each.machines.values() if m.lab is not None}

    def touched(effects: Iterable[tuple[str, str]]) -> set[LabName]:
        return {labs[name] for _, name in effects if name in labs}

    both = touched(outcome.effects[:count]) & touched(outcome.effects[count:]) & touched(others)
    return [f"(g) two were at work on lab {lab} at once" for lab in sorted(both, key=str)]


def restores(step: Step, before: Host, host: Host, home: Path, outcome: Outcome) -> list[str]:
    """(g) A restore that went only half the way is recorded."""
    words = confirmed.Words(step)
    if words.verb == "restore":
        host.book.chosen = set(words.options.get("--machine", ()))
    back = {name for call, name in outcome.effects if call == "restore_snapshot"}
    if not back or outcome.code == 0:
        return []
    wrong = []
    for lab in host.labs():
        members = confirmed.SETS.get((lab.lab, "plain"), ())
        machines = {name: machine for name, machine in host.of_lab(lab).items() if name in members}
        gone = {name for name, machine in machines.items() if machine.name in back and _on(machine) == "plain"}
        if gone <= host.book.chosen:
            continue
        stood = {name for name, machine in before.of_lab(lab).items() if _stands(machine)}  # need not go back
        there = machines.keys() & before.of_lab(lab).keys()  # what is made anew goes back nowhere
        left = {name for name in there - gone - stood if not _stands(machines[name])}
        if words.verb == "up":  # who is right for it already stays
            left -= {n for n, m in before.of_lab(lab).items() if m.marks.get(MARK_TOPOLOGY) == words.arguments[0]}
        if words.verb == "finish/drop --finish":
            left &= host.book.undone.get(str(lab), set())
        if gone and left and not confirmed.has_pending(home, lab):
            went, stayed = ", ".join(sorted(gone)), ", ".join(sorted(left))
            wrong.append(f"(g) lab {lab}: {went} went back, {stayed} did not, and no record says so")
    return wrong


def _stands(machine: ObservedMachine) -> bool:
    """Tell whether a machine stands on the snapshot `plain`, as it was taken."""
    return _on(machine) == "plain" and machine.untouched


def _on(machine: ObservedMachine) -> str:
    return next((each.name for each in machine.snapshots if each.id == machine.current_snapshot), "")


def records(host: Host, home: Path) -> list[str]:
    """(c) What vboxlab writes down can be read again, whatever happened while it was written."""
    del host
    wrong = []
    for path in sorted([*(home / "labs").glob("*/restore.json"), *(home / "labs").glob(f"*/{faults.FILE}")]):
        try:
            json.loads(path.read_text())
        except ValueError:
            wrong.append(f"(c) {path.relative_to(home)} cannot be read")
    return wrong


DRAFT = re.compile(r"\..+\.[a-z0-9_]{8}$")  # what vboxlab.files names a file while it is written


def leavings(host: Host, home: Path, lab: LabName, topology: str) -> list[str]:
    """(c) Nothing that an interrupted run made is left once the lab is as it should be."""
    wrong = [f"(c) left in the hypervisor: {text}" for text, owner in host.leftovers if owner in (lab, None)]
    folder = home / "labs" / lab.slug
    allowed = {"lock", "known_hosts", "secrets", "reports"}
    if not faults.ours(host, home, lab, topology):
        allowed.add(faults.FILE)
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    wrong += [f"(c) left in the folder of lab {lab}: {name}" for name in found if name not in allowed]
    return wrong
