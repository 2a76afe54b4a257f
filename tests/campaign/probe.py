"""After a step, on a copy of everything: is there a way back, is it told, and does it end where it should?

The lab that was worked on last is looked at with `status`, planned and brought up, the way that the messages name taken
where `up` refuses. Then nothing must be left to do, and nothing be left over; and what `up` did, `plan` had told.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.campaign import confirmed, deeds, faults, invariants
from tests.campaign.host import MEMORY, Host, markers_of
from tests.campaign.process import Computer, here
from tests.campaign.steps import LOGIN, Step
from vboxlab.planning.observed import PowerState
from vboxlab.topology.addressing import LabName

TELLS = {
    "Create": ("create", "add_disks"),
    "AddDisks": ("add_disks",),
    "SetDvd": ("set_dvd",),
    "SetAdapters": ("set_adapters",),
    "SetHardware": ("set_hardware",),
    "Start": ("start",),
    "Resume": ("start",),
    "CheckAdopted": ("start",),
    "Introduce": ("introduce", "set_marks"),
    "Contact": ("contact", "set_marks"),
    "Configure": ("configure", "set_marks"),
    "Recheck": ("configure",),
    "Repair": ("configure",),
    "PowerOff": ("power_off",),
    "TakeSnapshots": ("take_snapshot",),
    "RestoreSnapshots": ("restore_snapshot", "power_off"),
    "FinishRestore": ("restore_snapshot", "power_off"),
    "RemoveLeftovers": ("collect_garbage",),
    "SetMarks": ("set_marks",),
}


def probe(computer: Computer, topology: str, copy: str | None, *, finish: bool) -> list[str]:
    """Return what is wrong with the way back; the computer is as it was afterwards."""
    with _kept(computer):
        return _Probe(computer, topology, copy, finish=finish).run()


@contextmanager
def _kept(computer: Computer) -> Iterator[None]:
    """Let what is done to a computer meanwhile be undone."""
    aside = computer.folder / "aside"
    computer.home.rename(aside)
    shutil.copytree(aside, computer.home)
    host = computer.file.read_bytes()
    try:
        yield
    finally:
        shutil.rmtree(computer.home)
        aside.rename(computer.home)
        computer.file.write_bytes(host)


class _Probe:
    """Runs verbs one after the other in this process."""

    def __init__(self, computer: Computer, topology: str, copy: str | None, *, finish: bool) -> None:
        self._home = computer.home
        self._host = computer.enter()
        self._topology = topology
        self._copy = copy
        self._lab = LabName(confirmed.TOPOLOGIES[topology], copy)
        self._finish = finish
        self._wrong: list[str] = []
        self._hidden: set[int | None] = set()

    def run(self) -> list[str]:
        """Go the way back, and return what is wrong."""
        self._go()
        return self._wrong

    def _vboxlab(self, *words: str) -> tuple[int | str, str, str]:
        which = ("--copy", self._copy) if self._copy else ()
        self._host.effects.clear()
        outcome = here([*words, *which])
        self._wrong += [f"{line} (`{' '.join(words)}`)" for line in invariants.bugs(outcome)]
        return outcome.code, outcome.out, outcome.err

    def _go(self) -> None:
        # As far as can be told a machine that runs listens at its port itself; it also starts where another does.
        running = {machine.management_port for machine in self._host.machines.values() if machine.power in deeds.RUNS}
        self._hidden = running & self._host.taken_ports
        code, out, err = self._vboxlab("plan", self._topology, "--json")
        plan = json.loads(out) if code in (0, 2, 4) and out.startswith("{") else None
        if plan is not None and "actions" not in plan:
            plan = None
        nothing = code == 0
        if plan is not None:
            notes = " ".join(plan["notes"])
            told = [each["words"] for each in faults.recorded(self._home, self._lab)]
            self._wrong += [f"(e) `plan` does not tell that {words}" for words in told if words not in notes]
            said = " ".join(self._vboxlab("status", self._lab.lab)[1].split()) if told else ""
            self._wrong += [f"(e) `status` does not tell that {words}" for words in told if words not in said]
            if told and self._finish:
                self._undo()
                plan = None
        code, _, err = self._up(plan if code in (0, 2) else None)
        if not nothing or self._host.effects or code != 0:
            self._bring_up(code, err)
        self._wrong += invariants.leavings(self._host, self._home, self._lab, self._topology)
        self._wrong += [*invariants.foreign(self._host), *invariants.markers(self._host)]

    def _undo(self) -> None:
        """End the faults in force, which another `up` need not do then."""
        code, _, _ = self._vboxlab("verify", self._topology, "--undo")
        left = faults.ours(self._host, self._home, self._lab, self._topology)
        if code == 0 and left and not confirmed.has_pending(self._home, self._lab):
            self._wrong.append(f"(d) `verify {self._topology} --undo` leaves {', '.join(left)}")
        self._wrong += faults.untold(self._host, self._home)

    def _bring_up(self, code: int | str, err: str) -> None:
        if code != 0:
            code, _, err = self._way_out(code, err)
        if code != 0:
            self._wrong.append(f"(d) `up {self._topology}` ends with {code}: {_errors(err)}")
            return
        self._converged()

    def _up(self, plan: dict[str, Any] | None) -> tuple[int | str, str, str]:
        names = {machine.name: machine.machine for machine in self._host.machines.values()}
        code, out, err = self._vboxlab("up", self._topology)
        if code == 64:
            for marker in confirmed.given_up(self._host, self._home, _step("up", self._topology, copy=self._copy)):
                self._host.book.given_up.add(marker)
            code, out, err = self._vboxlab("up", self._topology, "--yes")
        names.update({machine.name: machine.machine for machine in self._host.machines.values()})
        if plan is not None:
            names["GATE"] = "gate"
            self._compare(plan, [(call, names.get(name, name)) for call, name in self._host.effects])
            unseen = ["no machine can be made of the base"]  # looked at only when one is made
            unseen += [f"port {port} of 127.0.0.1 is taken by another program" for port in self._hidden]
            if code == 4 and not any(text in err for text in unseen):
                self._wrong.append(f"(e) `plan` said that it can be done, `up {self._topology}` says: {_errors(err)}")
        return code, out, err

    def _compare(self, plan: dict[str, Any], did: list[tuple[str, str]]) -> None:
        """(e) What `up` did, `plan` had told."""
        told: Counter[tuple[str, str]] = Counter()
        for each in (plan, plan.get("first") or {"actions": []}):
            for action in each["actions"]:
                for call in TELLS[action["action"]]:
                    told.update((call, machine) for machine in action["machines"] or [""])
        if faults.recorded(self._home, self._lab) or any("broken off" in note for note in plan["notes"]):
            return  # the note tells of what ends them
        if plan.get("first"):
            return  # of the second half `plan` says that it is planned anew
        for call, machine in did:
            key = (call, "" if call == "collect_garbage" else machine)
            if told[key] <= 0:
                self._wrong.append(f"(e) `up {self._topology}` did what `plan` had not told: {call} of {machine}")
            told[key] -= 1

    def _way_out(self, code: int | str, err: str) -> tuple[int | str, str, str]:
        """Do what the message of a refused `up` names, and bring the lab up after it."""
        if _names_a_restore(err):
            self._end_restore()
            code, _, err = self._up(None)
        if code != 0:
            self._clear_the_way()
            code, _, err = self._up(None)
        if code != 0 and _names_a_restore(err):  # the other obstacle was told before it
            self._end_restore()
            code, _, err = self._up(None)
        return code, "", err

    def _end_restore(self) -> None:
        """Finish the lab's interrupted restore, or drop it."""
        step = _step("snapshot", "restore", "--finish", "--lab", self._lab.lab, copy=self._copy)
        if self._finish:
            self._host.book.given_up |= confirmed.given_up(self._host, self._home, step)
            if self._vboxlab(*step.words[:6])[0] == 0:
                return
        dropped, _, said = self._vboxlab("snapshot", "restore", "--drop", "--lab", self._lab.lab)
        if dropped != 0:
            self._wrong.append(f"(d) `snapshot restore --drop` ends with {dropped}: {_errors(said)}")

    def _clear_the_way(self) -> None:
        """Take away what of the user's own keeps a lab from coming up, as the messages ask him to."""
        host = self._host
        for handle, machine in list(host.machines.items()):
            if machine.power is PowerState.INACCESSIBLE:
                host.mark(handle, power=PowerState.OFF, problem="")
            if machine.lab is None and machine.name in ("one", "two", "three", "gate", "solo-one"):
                host.mark(handle, name=f"renamed-{handle}")
                host.book.foreign[handle] = replace(host.book.foreign[handle], name=f"renamed-{handle}")
        host.taken_ports.clear()
        deeds.do(host, ["makes-vm", "GATE", "inner"])
        for vm in {*host.book.foreign, *(image.vm for image in host.images.values())} & host.media.keys():
            normal = tuple(replace(each, kind="Normal", present=True) for each in host.media[vm])
            host.media[vm] = host.book.media[vm] = normal
        self._have_base()
        for machine in list(host.of_lab(self._lab).values()):
            twice = [each for each in machine.snapshots if each.name == "plain"][1:]
            for snapshot in twice:
                host.book.given_up |= markers_of(host.held[machine.handle, snapshot.id])
                host.book.given_up.add(machine.marks.get(MEMORY, ""))  # he switches it off himself
                host.switch(machine.handle, PowerState.OFF)
                words = ("snapshot", "delete", snapshot.id, "--lab", self._lab.lab, "--yes")
                code, _, err = self._vboxlab(*words)
                if code != 0 and _names_a_restore(err):
                    self._end_restore()
                    host.switch(machine.handle, PowerState.OFF)
                    self._vboxlab(*words)
        host.keep()
        if "no snapshot plain to go back to" in self._vboxlab("up", self._topology)[2]:
            step = _step("destroy", self._lab.lab, copy=self._copy)
            host.book.given_up |= confirmed.given_up(host, self._home, step)
            for handle in list(host.depends):  # linked clones that he made of its machines
                deeds.do(host, ["removes-vm", host.machines[handle].name])
            self._vboxlab("destroy", self._lab.lab, "--yes")

    def _have_base(self) -> None:
        """Add the base again that the lab is made of, from a VM of the user's."""
        deeds.do(self._host, ["makes-vm", "TEACHER"])
        self._host.book.bases.update(dict.fromkeys(self._host.book.foreign, "stone"))
        which, self._copy = self._copy, None
        for name, *origin in (("stone", "--vm", "TEACHER"), ("slate", "--disk", str(self._home.parent / "slate.img"))):
            code, _, err = self._vboxlab("base", "add", name, *origin, *LOGIN)
            if code != 0 and ("was interrupted" in err or name not in self._host.images):
                self._vboxlab("base", "remove", name)
                self._vboxlab("base", "add", name, *origin, *LOGIN)
        self._copy = which

    def _converged(self) -> None:
        self._wrong += [
            f"(d) after `up {self._topology}`: {line}" for line in faults.left(self._host, self._home, self._lab)
        ]
        code, out, err = self._vboxlab("plan", self._topology)
        if code != 0:
            self._wrong.append(
                f"(d) after `up {self._topology}`, `plan` ends with {code}: {out.strip()} {_errors(err)}"
            )
        code, _, err = self._vboxlab("up", self._topology)
        if code != 0 or self._host.effects:
            self._wrong.append(f"(d) a second `up {self._topology}` ends with {code}, did {self._host.effects} {err}")


def cleared(computer: Computer) -> list[str]:
    """Remove all labs and bases, and return what of vboxlab's is left then: (c) nothing but locks and the key."""
    host = computer.enter()
    for handle in list(host.depends):
        deeds.do(host, ["removes-vm", host.machines[handle].name])
    wrong: list[str] = []
    verbs = [("destroy", lab.lab, "--yes", *(("--copy", lab.copy) if lab.copy else ())) for lab in host.labs()]
    verbs += [("gc", "--yes", "--keep-layers"), *(("base", "remove", name) for name in sorted(_bases(computer, host)))]
    for words in verbs:
        outcome = here(words)
        if outcome.code != 0:
            wrong.append(f"(c) `{' '.join(words)}` ends with {outcome.code}: {_errors(outcome.err)}")
    wrong += [f"(c) left in the hypervisor: {text}" for text, _ in host.leftovers]
    wrong += [f"(c) the image {name} is left" for name in host.images]
    wrong += [f"(c) the machine {m.name} is left" for m in host.machines.values() if m.lab is not None]
    allowed = re.compile(r"keys/.*|names/.*|bases/bases\.lock|labs/[^/]+/(reports/.*|lock)")
    files = sorted(str(path.relative_to(computer.home)) for path in computer.home.rglob("*") if not path.is_dir())
    wrong += [f"(c) the file {name} is left" for name in files if not allowed.fullmatch(name)]
    wrong += [
        f"(c) the folder {path.name} of a lab is left"
        for path in (computer.home / "labs").glob("*")
        if not (path / "reports").is_dir()
    ]
    return wrong + invariants.foreign(host)


def _bases(computer: Computer, host: Host) -> set[str]:
    """Return the bases that there are, also one of which an interrupted verb has left only the files."""
    folders = (path for path in (computer.home / "bases").glob("*") if path.is_dir() and not path.name.startswith("."))
    return {*host.images, *(path.name for path in folders)}


def _names_a_restore(err: str) -> bool:
    """Tell whether a message says that a restore is to be ended first."""
    return "a restore" in err or "the restore of" in err


def _step(*words: str, copy: str | None = None) -> Step:
    """Return a verb that is agreed to."""
    return Step((*words, "--yes", *(("--copy", copy) if copy else ())))


def _errors(err: str) -> str:
    lines = err.splitlines()
    start = next((number for number, line in enumerate(lines) if "error:" in line), max(len(lines) - 6, 0))
    return " / ".join(line.strip() for line in lines[start : start + 8])
