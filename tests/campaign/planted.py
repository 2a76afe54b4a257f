"""Bugs that are put into vboxlab on purpose, in this process alone, to see that the campaign finds them.

Each replaces a function of the product by one that was wrong in an earlier version, or might be in a later one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.campaign.remembering import replace_everywhere
from vboxlab import files
from vboxlab.hypervisor.memory_store import MemoryStore
from vboxlab.hypervisor.virtualbox.worker import media
from vboxlab.lab import apply, journal, pending_faults, snapshot_sets
from vboxlab.lab.directory import LOCK, LabDirectory
from vboxlab.planning import blockers, describe, observed, snapshots
from vboxlab.topology.faults import Fault, ImpairFault
from vboxlab.verification import lines
from vboxlab.verification.faults import Faults, keep_nothing

Undo = Callable[[], None]


@dataclass(frozen=True)
class Planted:
    """A bug: what it does, the invariants of which it breaks one, and how it is put in; that returns how to undo it."""

    about: str
    breaks: str  # letters
    plant: Callable[[], Undo]


def _replaced(old: object, new: object) -> Undo:
    replace_everywhere(old, new)
    return lambda: replace_everywhere(new, old)


def _attribute(owner: Any, name: str, new: object) -> Undo:
    old = vars(owner)[name]
    setattr(owner, name, new)
    return lambda: setattr(owner, name, old)


def _all(*undone: Undo) -> Undo:
    def undo() -> None:
        for each in undone:
            each()

    return undo


def finish_unasked() -> Undo:
    harmless = property(lambda pending: not (pending.impossible or pending.unknown))
    return _attribute(observed.PendingRestore, "harmless", harmless)


def restore_unasked() -> Undo:
    return _replaced(snapshot_sets.lost_by_restore, lambda *_: [])


def delete_with_folder() -> Undo:
    from tests.campaign.process import BootingDriver

    driver = BootingDriver.__mro__[1]
    delete = vars(driver)["delete"]

    def delete_all(self: Any, handle: str) -> None:
        store: MemoryStore = self.store
        name = store.machines[handle].name
        delete(self, handle)
        store.strays = [each for each in store.strays if each[0].path.parent.name != name]

    return _attribute(driver, "delete", delete_all)


def older_snapshot() -> Undo:
    need = snapshots.need_snapshot

    def first(machine: str, found: Sequence[Any], word: str) -> Any:
        return next((each for each in found if each.answers_to(word)), None) or need(machine, found, word)

    return _all(
        _replaced(need, first),
        _replaced(snapshots.check_one_each, lambda *_: None),
        _replaced(blockers.doubtful_restores, lambda *_: []),
    )


def overwrite_files() -> Undo:
    return _attribute(apply.Applier, "_is_fresh", lambda _self, _name: True)


def share_disks() -> Undo:
    return _replaced(media.refusals, lambda _judgements: [])


def unflushed_files() -> Undo:
    def write(path: Path, data: str | bytes, *, mode: int = 0o600) -> None:
        draft = path.with_name(f".{path.name}.12345678.draft")
        draft.write_bytes(data.encode() if isinstance(data, str) else data)
        draft.chmod(mode)
        draft.replace(path)

    return _replaced(files.write_durably, write)


def lock_let_go() -> Undo:
    @contextmanager
    def locked(self: LabDirectory, events: object, *, patience: float) -> Iterator[None]:
        del events, patience
        self.ensure()
        with FileLock(str(self.path / LOCK)):
            pass
        yield

    return _attribute(LabDirectory, "locked", locked)


def hidden_action() -> Undo:
    data = describe.data

    def shown(plan: Any) -> dict[str, Any]:
        told = data(plan)
        return {**told, "actions": [each for each in told["actions"] if each["action"] not in ("Repair", "Recheck")]}

    return _attribute(describe, "data", shown)


def unrecorded_restore() -> Undo:
    return _replaced(journal.write_journal, lambda _path, _journal: None)


def half_taken() -> Undo:
    return _replaced(snapshot_sets._undo, lambda *_: True)


def secret_in_place() -> Undo:
    """Write known_hosts where it is, byte by byte."""
    from vboxlab.guest import hostkeys

    def rewrite(known_hosts: Path, machine: str, added: list[str]) -> None:
        kept = [line for line in hostkeys._lines(known_hosts) if line.partition(" ")[0] != machine]
        files.make_private_folder(known_hosts.parent)
        known_hosts.write_text("".join(f"{line}\n" for line in kept + added))

    return _replaced(hostkeys._rewrite, rewrite)


def late_record() -> Undo:
    """Write a fault down once it is made."""
    inject = vars(Faults)["inject"]

    def unwritten(self: Faults, fault: Fault, *, wait: bool) -> Any:
        keep, self.keep = self.keep, keep_nothing
        try:
            moments = inject(self, fault, wait=wait)
        finally:
            self.keep = keep
        keep(tuple(self.in_force.values()))
        return moments

    return _attribute(Faults, "inject", unwritten)


def forgetful_undo() -> Undo:
    """Leave lines bad, and strike them out."""
    undo = vars(Faults)["_undo"]

    def forgetful(self: Faults, fault: Fault) -> None:
        if not isinstance(fault, ImpairFault):
            undo(self, fault)

    return _attribute(Faults, "_undo", forgetful)


def cut_stays() -> Undo:
    return _attribute(lines, "join_all", lambda lab, run: lines.cut(lab, "inner", (), run))


def untold_fault() -> Undo:
    return _replaced(pending_faults.told, lambda *_: ())


BUGS: Mapping[str, Planted] = {
    "finish-unasked": Planted("an unfinished restore is finished, whoever has worked since", "b", finish_unasked),
    "restore-unasked": Planted("restore asks nothing", "b", restore_unasked),
    "delete-with-folder": Planted("destroy removes every disk in a machine's folder", "ab", delete_with_folder),
    "older-snapshot": Planted("of two snapshots of a name the older one is meant", "b", older_snapshot),
    "overwrite-files": Planted("no file that somebody changed is kept beside", "b", overwrite_files),
    "share-disks": Planted("machines write to the teacher's own disk", "a", share_disks),
    "unflushed-files": Planted("files are replaced without a flush", "cdg", unflushed_files),
    "lock-let-go": Planted("the lab's lock is let go at once", "g", lock_let_go),
    "hidden-action": Planted("plan does not tell of repairs", "e", hidden_action),
    "unrecorded-restore": Planted("no restore is recorded", "g", unrecorded_restore),
    "half-taken": Planted("a failed take leaves snapshots on some machines", "g", half_taken),
    "late-record": Planted("a fault is written down once it is made", "h", late_record),
    "forgetful-undo": Planted("the undoing of a bad line does nothing", "dh", forgetful_undo),
    "cut-stays": Planted("a network is made whole as far as the present topology knows it", "dh", cut_stays),
    "untold-fault": Planted("plan does not tell of faults in force", "e", untold_fault),
    "unflushed-pins": Planted("host keys are written in place, without a flush", "d", secret_in_place),
}


@contextmanager
def planted(name: str) -> Iterator[Planted]:
    """Put a bug in meanwhile."""
    undo = BUGS[name].plant()
    try:
        yield BUGS[name]
    finally:
        undo()
