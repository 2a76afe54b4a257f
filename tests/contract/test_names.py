"""Labs side by side on one host, created and not booted: no two of them share a VM's or a network's name."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import pytest

from tests.contract.worlds import World
from tests.unit.lab_world import ROOT, InstantBases
from tests.virtualbox.test_switch import WillingGuests
from vboxlab.errors import LabError
from vboxlab.events import Event, Note
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.context import Context
from vboxlab.lab.down import destroy
from vboxlab.lab.observe import observe
from vboxlab.lab.overview import overview
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.up import UpResult, up
from vboxlab.planning.observed import MARK_NAMES, ObservedMachine
from vboxlab.settings import Settings
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_snapshot_set, load_topology
from vboxlab.topology.model import Topology

HA, DHCP, SCHOOL = LabName("ha"), LabName("dhcp"), LabName("school")
FAILOVER = ["client", "dns", "firewall", "srv-web", "srv-web-bis"]
# Another lab, with names that failover has too, and one of its own.
OTHER = """\
lab: LAB
base: debian12
networks:
  clients: {kind: internal, subnet: 192.168.10.0/24}
  sw-dmz: {kind: internal, subnet: 192.168.200.0/24}
machines:
  client: {hostname: client, adapters: [{network: clients, address: 192.168.10.2/24}]}
  srv-web: {hostname: srv-web, adapters: [{network: sw-dmz, address: 192.168.200.2/24}]}
  srv-dhcp: {hostname: srv-dhcp, adapters: [{network: clients, address: 192.168.10.1/24}]}
"""


@dataclass
class Host:
    """A user who brings labs up on a host."""

    world: World
    driver: Driver
    bases: InstantBases
    notes: list[str] = field(default_factory=list)

    @property
    def context(self) -> Context:
        def heard(event: Event) -> None:
            if isinstance(event, Note):
                self.notes.append(event.text)

        return Context(self.driver, self.bases, WillingGuests(), Settings(home=self.world.home), heard)

    def topology(self, lab: LabName) -> Topology:
        if lab.lab == "ha":
            return load_topology(ROOT / "topologies" / "failover.yaml")
        path = self.world.home / f"{lab.lab}.yaml"
        path.write_text(OTHER.replace("LAB", lab.lab), encoding="utf-8")
        return load_topology(path)

    def blueprint(self, lab: LabName) -> Blueprint:
        sets = [load_snapshot_set(ROOT / "snapshots" / "apache-base.yaml")] if lab.lab == "ha" else []
        return Blueprint(self.topology(lab), sets, lambda _name: self.blueprint(lab))

    def up(self, lab: LabName) -> UpResult:
        return up(self.context, self.blueprint(lab), lab, until="created", jobs=2)

    def destroy(self, lab: LabName) -> None:
        destroy(self.context, lab, jobs=2)

    def names(self, lab: LabName) -> list[str]:
        return sorted(machine.name for machine in observe(self.driver, lab).machines.values())

    def networks(self, lab: LabName) -> set[str]:
        return networks(list(observe(self.driver, lab).machines.values()))

    def check_nothing_to_do(self, *labs: LabName) -> None:
        for lab in labs:
            plan, _, _ = make_plan(self.context, self.blueprint(lab), lab, until="created")
            assert (plan.actions, plan.blockers, plan.notes) == ((), (), ())
        rows = overview(
            self.world.home, self.driver.machines(), lambda name: self.topology(LabName(name.replace("failover", "ha")))
        )
        assert {row.name: row.drift for row in rows} == dict.fromkeys(labs, ())


def networks(machines: Sequence[ObservedMachine]) -> set[str]:
    return {
        adapter.attachment.name
        for machine in machines
        for adapter in machine.adapters
        if adapter.attachment.kind == "internal"
    }


@pytest.fixture
def host(world: World, driver: Driver) -> Host:
    return Host(world, driver, InstantBases(world.disk("base")))


def test_the_first_lab_has_the_plain_names_and_the_second_its_own(host: Host) -> None:
    host.up(HA)
    assert host.notes == []
    plan, _, _ = make_plan(host.context, host.blueprint(DHCP), DHCP)
    said = (
        "lab ha has the plain names: this lab's VMs are called dhcp-client and its networks vboxlab-dhcp--clients, "
        "and so on"
    )
    assert plan.notes == (said,)
    host.up(DHCP)
    assert host.notes == [said]
    assert host.names(HA) == FAILOVER
    assert host.networks(HA) == {"sw-dmz", "servers", "clients"}
    assert host.names(DHCP) == ["dhcp-client", "dhcp-srv-dhcp", "dhcp-srv-web"]
    assert host.networks(DHCP) == {"vboxlab-dhcp--clients", "vboxlab-dhcp--sw-dmz"}
    host.check_nothing_to_do(DHCP, HA)


def test_a_lab_keeps_its_names_when_the_other_is_gone(host: Host) -> None:
    host.up(HA)
    host.up(DHCP)
    before = observe(host.driver, DHCP).machines
    host.destroy(HA)
    assert host.up(DHCP).actions == 0
    assert observe(host.driver, DHCP).machines == before
    host.up(SCHOOL)
    assert host.names(SCHOOL) == ["client", "srv-dhcp", "srv-web"]
    host.up(HA)
    assert host.names(HA) == [f"ha-{name}" for name in FAILOVER]
    host.driver.delete(before["client"].handle)
    assert host.up(DHCP).actions == 1
    assert host.names(DHCP) == ["dhcp-client", "dhcp-srv-dhcp", "dhcp-srv-web"]
    host.check_nothing_to_do(DHCP, HA, SCHOOL)


def test_copies_of_two_labs_that_have_one_name(host: Host) -> None:
    alice, other = LabName("dhcp", "alice"), LabName("school", "alice")
    host.up(alice)
    host.up(LabName("dhcp", "bob"))
    host.up(other)
    host.up(DHCP)
    assert host.names(alice) == ["alice-client", "alice-srv-dhcp", "alice-srv-web"]
    assert host.names(LabName("dhcp", "bob")) == ["bob-client", "bob-srv-dhcp", "bob-srv-web"]
    assert host.names(other) == ["school-alice-client", "school-alice-srv-dhcp", "school-alice-srv-web"]
    assert host.names(DHCP) == ["client", "srv-dhcp", "srv-web"]
    assert host.networks(other) == {"vboxlab-school--alice--clients", "vboxlab-school--alice--sw-dmz"}
    host.destroy(alice)
    assert host.up(other).actions == 0


def test_a_lab_of_a_version_that_did_not_mark_its_names_has_the_plain_ones(host: Host) -> None:
    host.up(DHCP)
    for machine in observe(host.driver, DHCP).machines.values():
        host.driver.set_marks(machine.handle, {MARK_NAMES: None})
    assert host.up(DHCP).actions == 0
    host.up(SCHOOL)
    assert host.names(SCHOOL) == ["school-client", "school-srv-dhcp", "school-srv-web"]
    assert host.names(DHCP) == ["client", "srv-dhcp", "srv-web"]


def test_labs_that_an_older_version_made_in_the_same_networks_say_so(host: Host) -> None:
    host.up(DHCP)
    (vm,) = (machine for machine in observe(host.driver, DHCP).machines.values() if machine.machine == "client")
    host.driver.set_marks(vm.handle, {"lab": "old"})
    plan, _, _ = make_plan(host.context, host.blueprint(DHCP), DHCP)
    assert plan.notes == (
        (
            "clients: lab old has networks of these names too, as an older vboxlab made it; "
            "destroy one of the labs and bring it up again: it gets names of its own"
        ),
    )


def test_beside_a_foreign_vm_of_one_of_its_names_a_lab_gets_its_own(host: Host) -> None:
    handle = host.world.add_foreign("srv-web")
    before = host.driver.inspect(handle)
    host.up(DHCP)
    assert host.notes == [
        (
            "a VM named 'srv-web' exists already, which is not vboxlab's: this lab's VMs are called dhcp-client "
            "and its networks vboxlab-dhcp--clients, and so on"
        )
    ]
    assert host.names(DHCP) == ["dhcp-client", "dhcp-srv-dhcp", "dhcp-srv-web"]
    host.destroy(DHCP)
    assert [machine for machine in host.driver.machines() if machine.lab] == []
    assert host.driver.inspect(handle) == before


def test_a_vm_in_the_way_of_a_lab_that_exists_is_called_whose_it_is(host: Host) -> None:
    host.up(DHCP)
    host.driver.delete(observe(host.driver, DHCP).machines["srv-web"].handle)
    taken = observe(host.driver, DHCP).machines["client"]
    host.driver.set_marks(taken.handle, {"lab": "ha", "copy": "alice"})
    with pytest.raises(LabError) as caught:
        host.up(DHCP)
    assert caught.value.details == (
        (
            "client: a VM named 'client' exists already and is lab ha/alice's; work in a copy (--copy NAME), "
            "or destroy that lab first"
        ),
    )
    assert host.names(DHCP) == ["srv-dhcp"]


def test_of_two_labs_made_at_the_same_moment_one_gets_the_plain_names(host: Host) -> None:
    barrier = Barrier(2)

    def begin(lab: LabName) -> None:
        own = Host(host.world, host.world.open(), host.bases)
        blueprint = own.blueprint(lab)
        barrier.wait()
        up(own.context, blueprint, lab, until="created", jobs=1)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(begin, [DHCP, SCHOOL]))
    plain = ["client", "srv-dhcp", "srv-web"]
    found = sorted((host.names(DHCP), host.names(SCHOOL)), key=len)
    assert plain in found
    assert [[f"{lab}-{name}" for name in plain] for lab in (DHCP, SCHOOL) if host.names(lab) != plain] in [
        [host.names(DHCP)],
        [host.names(SCHOOL)],
    ]
    assert not host.networks(DHCP) & host.networks(SCHOOL)
