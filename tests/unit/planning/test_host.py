"""What a lab's neighbours have, looked up."""

from __future__ import annotations

from dataclasses import replace

from vboxlab.planning.host import Host
from vboxlab.planning.observed import (
    MARK_ADOPTED,
    MARK_COPY,
    MARK_LAB,
    MARK_MACHINE,
    AdapterState,
    Attachment,
    Forward,
    ObservedMachine,
    PowerState,
)
from vboxlab.topology.addressing import LabName

ALICE, BOB, PLAIN = LabName("ha", "alice"), LabName("ha", "bob"), LabName("ha")


def machine(
    name: str, lab: LabName | None = None, *, port: int = 0, network: str = "", adopts: str = "[]"
) -> ObservedMachine:
    marks = {MARK_MACHINE: "web", MARK_ADOPTED: adopts} if lab else {}
    if lab:
        marks |= {MARK_LAB: lab.lab} | ({MARK_COPY: lab.copy} if lab.copy else {})
    attachments = [Attachment("internal", network)] if network else []
    attachments += [Attachment("nat", forwards=(Forward(port, 22),))] if port else []
    adapters = tuple(AdapterState(slot, each, "0" * 12) for slot, each in enumerate(attachments, 1))
    return ObservedMachine(f"handle of {name}", name, PowerState.OFF, 1, 512, "", adapters, marks)


def unreadable(name: str, problem: str = "") -> ObservedMachine:
    return replace(machine(name), handle=f"unreadable {name}", power=PowerState.INACCESSIBLE, problem=problem)


def test_labs_and_foreign_vms_are_found() -> None:
    ours, other, single, foreign = machine("a", ALICE), machine("b", BOB), machine("p", PLAIN), machine("f")
    host = Host([ours, other, foreign, single])
    assert list(host) == [ours, other, foreign, single]
    assert list(host.of(ALICE)) == [ours]
    assert list(host.of(LabName("none"))) == []
    assert host.labs_of("bob") == {BOB: (other,)}
    assert host.labs_of(None) == {PLAIN: (single,)}
    assert host.foreign("f") is foreign
    assert host.foreign("a") is None


def test_names_are_told_with_whose_they_are() -> None:
    host = Host([machine("a", ALICE), machine("b", BOB), machine("f")])
    assert host.others_of(ALICE, ["a", "b", "f", "free"]) == {"b": BOB, "f": None}
    assert host.others_of(BOB, ["a", "b"]) == {"a": ALICE}


def test_nobody_can_tell_whose_an_unreadable_vm_is() -> None:
    host = Host([machine("a", ALICE), unreadable("a"), unreadable("x", "no file")])
    assert host.unreadable_of(BOB, ["a", "x", "free"]) == {"a": "no reason given", "x": "no file"}
    assert host.others_of(BOB, ["a", "x"]) == {}


def test_adopted_vms_and_shared_networks_are_those_of_other_labs() -> None:
    host = Host([machine("a", ALICE, network="lan", adopts='["vm"]'), machine("f", network="lan"), machine("vm")])
    assert host.adopters_of(BOB, ["vm", "f"]) == {"vm": ALICE}
    assert host.adopters_of(ALICE, ["vm"]) == {}
    assert host.sharers_of(BOB, ["lan", "wan"]) == {"lan": ALICE}
    assert host.sharers_of(ALICE, ["lan"]) == {}


def test_ports_are_taken_by_foreign_vms_and_by_other_labs() -> None:
    host = Host([machine("a", ALICE, port=20200), machine("f", port=20201)])
    assert host.others_have_port(BOB, 20200)
    assert host.others_have_port(ALICE, 20201)
    assert not host.others_have_port(ALICE, 20200)
    assert not host.others_have_port(BOB, 20202)


def test_a_machine_that_is_dropped_leaves_nothing() -> None:
    gone = machine("a", ALICE, port=20200, network="lan", adopts='["vm"]')
    host = Host([gone, machine("b", ALICE)])
    host.drop(gone.handle)
    host.drop("never known")
    assert [each.name for each in host] == ["b"]
    assert [each.name for each in host.of(ALICE)] == ["b"]
    assert (host.others_of(BOB, ["a"]), host.adopters_of(BOB, ["vm"]), host.sharers_of(BOB, ["lan"])) == ({}, {}, {})
    assert not host.others_have_port(BOB, 20200)
    host.drop("handle of b")
    assert host.labs_of("alice") == {}


def test_a_machine_that_is_added_again_takes_the_place_of_what_it_was() -> None:
    before = machine("a", ALICE, port=20200)
    host = Host([before])
    host.add(before)
    assert list(host.of(ALICE)) == [before]
    after = replace(machine("a", BOB, port=20201), handle=before.handle)
    host.add(after)
    assert (list(host.of(ALICE)), list(host.of(BOB))) == ([], [after])
    assert not host.others_have_port(PLAIN, 20200)
    assert host.others_have_port(PLAIN, 20201)


def test_a_lab_is_seen_as_it_is_now_and_the_others_beside_it() -> None:
    old, other = machine("a", ALICE, port=20200, network="lan"), machine("b", BOB)
    host = Host([old, other])
    now = machine("a", ALICE, port=20201)
    view = host.with_now(ALICE, [now])
    assert list(view) == [other, now]
    assert list(view.of(ALICE)) == [now]
    assert list(view.of(BOB)) == [other]
    assert not view.others_have_port(ALICE, 20200)
    assert view.sharers_of(ALICE, ["lan"]) == {}
    assert list(host.of(ALICE)) == [old]
    host.add(machine("c", BOB, port=20202))
    assert view.others_have_port(ALICE, 20202)
