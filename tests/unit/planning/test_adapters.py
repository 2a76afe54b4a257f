"""The one comparison of adapters, of what an adopted VM is plugged into, and what they are told as."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plan_world import LAB, World, desired, topology
from vboxlab.guest.findings import Finding
from vboxlab.lab.status import machine_statuses
from vboxlab.lab.wiring import adopted_findings, wiring_findings
from vboxlab.planning.adapters import compare, devices, in_words
from vboxlab.planning.observed import (
    MARK_LAB,
    AdapterState,
    Attachment,
    Forward,
    ObservedLab,
    ObservedMachine,
    PowerState,
)
from vboxlab.planning.planner import plan

MAC = "0800270000AA"
NAT = Attachment("nat", "", "10.0.2.0/24", (Forward(2222, 22),))
ONE = AdapterState(1, Attachment("internal", "sw-dmz"), MAC)
OTHERS = {
    "network": replace(ONE, attachment=Attachment("internal", "cluster")),
    "cable": replace(ONE, cable=False),
    "mac": replace(ONE, mac="0800270000AB"),
}


@pytest.mark.parametrize(
    ("wanted", "found", "kinds", "words"),
    [
        ((ONE,), (ONE,), [], []),
        ((ONE,), (), ["missing"], ["adapter 1 is missing, expected on internal sw-dmz"]),
        ((), (ONE,), ["extra"], ["adapter 1 on internal sw-dmz is not expected"]),
        ((ONE,), (OTHERS["network"],), ["network"], ["adapter 1 is on internal cluster, expected internal sw-dmz"]),
        ((ONE,), (OTHERS["cable"],), ["cable"], ["adapter 1 has its cable unplugged"]),
        ((OTHERS["cable"],), (ONE,), ["cable"], ["adapter 1 has its cable plugged in, expected unplugged"]),
        ((ONE,), (OTHERS["mac"],), ["mac"], ["adapter 1 has MAC 0800270000AB, expected 0800270000AA"]),
        ((ONE,), (replace(ONE, mac=MAC.lower()),), [], []),
        (
            (ONE,),
            (replace(OTHERS["network"], cable=False),),
            ["network", "cable"],
            ["adapter 1 is on internal cluster, expected internal sw-dmz", "adapter 1 has its cable unplugged"],
        ),
        (
            (replace(ONE, attachment=NAT),),
            (replace(ONE, attachment=replace(NAT, subnet="", forwards=(Forward(2222, 22, "udp", ""),))),),
            ["nat"],
            [
                "adapter 1 forwards port udp *:2222, expected port 2222",
                "adapter 1 has network default, expected 10.0.2.0/24",
            ],
        ),
        (
            (replace(ONE, attachment=NAT),),
            (replace(ONE, attachment=replace(NAT, forwards=())),),
            ["nat"],
            ["adapter 1 forwards no port, expected port 2222"],
        ),
    ],
)
def test_what_differs_and_how_it_is_told(
    wanted: tuple[AdapterState, ...], found: tuple[AdapterState, ...], kinds: list[str], words: list[str]
) -> None:
    assert [difference.kind for difference in compare(wanted, found)] == kinds
    assert in_words(wanted, found) == words


ATTACHMENTS = st.sampled_from(
    [Attachment("internal", "a"), Attachment("internal", "A"), Attachment("bridged", "a"), NAT, replace(NAT, subnet="")]
)
ADAPTERS = st.lists(
    st.builds(AdapterState, st.integers(1, 3), ATTACHMENTS, st.sampled_from([MAC, MAC.lower()]), st.booleans()),
    max_size=3,
    unique_by=lambda adapter: adapter.slot,
).map(tuple)


@given(ADAPTERS, ADAPTERS)
def test_check_plan_and_status_agree_whether_adapters_differ(
    wanted: tuple[AdapterState, ...], found: tuple[AdapterState, ...]
) -> None:
    source, world = topology(), World()
    goal = desired(source, world.observed)
    spec = replace(goal.machines["srv-web"], adapters=wanted)
    machine = ObservedMachine(
        "id", "srv-web", PowerState.RUNNING, spec.cpus, spec.memory, "", found, marks={MARK_LAB: LAB.lab}
    )
    differences = compare(wanted, found)
    assert len(wiring_findings(spec, machine)) == len(differences)
    lab = ObservedLab(LAB, {"srv-web": machine})
    goal = replace(goal, machines={"srv-web": spec})
    (row,) = (row for row in machine_statuses(lab, goal) if row.machine == "srv-web")
    assert bool(row.drift) == bool(differences)
    planned = [action.step for action in plan(goal, lab).actions]
    assert any(type(step).__name__ == "SetAdapters" for step in planned) == bool(differences)
    gone_or_new = {difference.kind for difference in differences} & {"missing", "extra", "mac"}
    assert (devices(wanted) != devices(found)) == bool(gone_or_new)


def test_a_port_of_udp_or_of_another_address_is_no_way_in() -> None:
    def with_forwards(*forwards: Forward) -> ObservedMachine:
        adapter = AdapterState(8, Attachment("nat", "", "10.0.9.0/24", forwards), MAC)
        return ObservedMachine("id", "x", PowerState.OFF, 1, 64, "", (adapter,))

    assert with_forwards(Forward(5000, 22, "udp")).management_port is None
    assert with_forwards(Forward(5000, 22, "tcp", "192.0.2.1")).management_port is None
    assert with_forwards(Forward(5000, 22, "udp"), Forward(5001, 22)).management_port == 5001
    assert with_forwards(Forward(5000, 22, "tcp", "")).management_port == 5000


@pytest.mark.parametrize(
    ("adapters", "blocker", "finding"),
    [
        ((("internal", "sw-dmz", True),), "", None),
        # One with its cable in is enough, whichever comes first.
        ((("internal", "sw-dmz", False), ("internal", "sw-dmz", True)), "", None),
        ((("internal", "sw-dmz", True), ("internal", "sw-dmz", False)), "", None),
        ((("internal", "sw-dmz", False),), "the cable of PF_FIREWALL's adapter on sw-dmz is unplugged", "unplugged"),
        # A bridge of the same name is another network.
        ((("bridged", "sw-dmz", True),), "the adopted VM PF_FIREWALL has no adapter on sw-dmz", "no-adapter"),
        ((), "the adopted VM PF_FIREWALL has no adapter on sw-dmz", "no-adapter"),
    ],
)
def test_plan_and_check_agree_on_what_an_adopted_vm_is_plugged_into(
    adapters: tuple[tuple[str, str, bool], ...], blocker: str, finding: str | None
) -> None:
    source = topology(environment="school")
    rest = (("internal", "servers", True), ("internal", "clients", True))
    found = tuple(
        AdapterState(slot, Attachment(kind, name), f"08002700000{slot}", cable)  # type: ignore[arg-type]
        for slot, (kind, name, cable) in enumerate((*adapters, *rest), 1)
    )
    vm = ObservedMachine("id", "PF_FIREWALL", PowerState.OFF, 1, 512, "", found)
    world = World(adopted={"firewall": vm})
    goal = desired(source, world.observed)
    blockers = [text for text in plan(goal, world.observed).blockers if text.startswith("firewall: ")]
    findings: list[Finding] = adopted_findings(
        source, goal.naming.names, source.machines["firewall"], world.observed.adopted
    )
    assert [blocker in text for text in blockers] == ([True] if blocker else [])
    assert [each.code for each in findings] == ([finding] if finding else [])
