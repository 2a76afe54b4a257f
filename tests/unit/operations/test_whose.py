"""Secrets that were copied: the guest is asked by digests, and no secret goes in or comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.lab_world import LabWorld, RecordedGuests
from tests.unit.local_lab import HostExecutor
from vboxlab.base.model import Base
from vboxlab.guest.executor import Completed, Executor
from vboxlab.guest.findings import Finding, in_file
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.guest.secrets import SecretStore
from vboxlab.guest.telling import Told
from vboxlab.lab.check import MachineCheck
from vboxlab.lab.directory import LabDirectory
from vboxlab.operations.targets import Target
from vboxlab.operations.whose import Neighbours
from vboxlab.planning.observed import ObservedMachine
from vboxlab.roles.heartbeat.slips import AUTHKEYS
from vboxlab.topology.addressing import LabName

ALICE, BOB, CAROL = (LabName("ha", name) for name in ("alice", "bob", "carol"))
OTHER = in_file("authkeys-other-secret", "srv-web", AUTHKEYS, None, "hint")


@dataclass
class KeyedGuests(RecordedGuests):
    """Guests that have one file on this host in the place of authkeys."""

    keys: Path = Path("/nowhere")
    said: list[str] = field(default_factory=list)  # what was asked, and answered

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        def answer(script: str, _stdin: bytes) -> Completed:
            done = HostExecutor(machine.machine).run(script.replace(AUTHKEYS, str(self.keys)))
            self.said += [script, done.stdout]
            return done

        return RecordingExecutor(machine.machine, [("", answer)])


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    made = LabWorld(tmp_path / "home")
    made.guests = KeyedGuests(made.store, keys=tmp_path / "authkeys")
    made.context = made.new_context()
    made.up(lab=ALICE, until="created")
    return made


def secret_of(world: LabWorld, lab: LabName) -> str:
    return SecretStore(world.context.directory(lab).secrets).get("heartbeat")


def told_of(world: LabWorld, text: str, finding: Finding = OTHER) -> Told:
    assert isinstance(world.guests, KeyedGuests)
    world.guests.keys.write_text(text, encoding="utf-8")
    topologies = {lab: world.blueprint(values={"student": str(lab.copy)}).topology for lab in (ALICE, BOB, CAROL)}
    target = Target(ALICE, world.blueprint(values={"student": "alice"}))
    (told,) = Neighbours(topologies).told(world.context, target, MachineCheck("srv-web", True, (finding,)))
    return told


def test_anothers_secret_is_found_in_any_form_of_the_file(world: LabWorld) -> None:
    secret_of(world, ALICE)
    secret = secret_of(world, BOB)
    told = told_of(world, f"# mine\nauth\t1\n1   md5\t{secret}   \n")
    assert told.found.endswith("; it has the values of copy bob")
    assert told.finding.severity == "error"
    assert isinstance(world.guests, KeyedGuests)
    assert world.guests.said
    assert not any(secret in said for said in world.guests.said)


def test_a_secret_of_ones_own_choice_is_nobodys(world: LabWorld) -> None:
    for lab in (ALICE, BOB):
        secret_of(world, lab)
    told = told_of(world, "auth 1\n1 md5 of-my-own\n")
    assert (told.found, told.finding.severity) == (
        "the secret is another than the lab's; fine when both nodes have the same", "hint",
    )  # fmt: skip


def test_no_secret_is_made_for_the_comparison_and_a_common_one_tells_nothing(
    world: LabWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_of(world, "auth 1\n1 md5 any\n").finding.severity == "hint"
    assert not world.context.directory(BOB).secrets.exists()
    monkeypatch.setenv("VBOXLAB_SECRET_HEARTBEAT", "the-same-for-all")
    assert told_of(world, "auth 1\n1 md5 the-same-for-all\n").finding.severity == "hint"


def test_an_empty_file_tells_nothing(world: LabWorld) -> None:
    secret_of(world, BOB)
    assert told_of(world, "").finding.severity == "hint"
