"""`vboxlab import vm`: what a topology says of VMs that exist, on the memory driver; they are only read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.operations.doors import RecordingDoor
from vboxlab.base.added import NewBase, Origin
from vboxlab.base.store import BaseStore
from vboxlab.cli.main import run
from vboxlab.errors import CapabilityMissing, DriverError, MachineConflict, MachineNotFound, UsageError
from vboxlab.hypervisor.memory import MemoryDriver, MemoryStore, store_of
from vboxlab.hypervisor.virtualbox.worker.media import DISK, Medium
from vboxlab.operations.import_vm import Imported, ImportRequest, import_vm
from vboxlab.planning.observed import AdapterState, Attachment, ObservedMachine, PowerState
from vboxlab.settings import load_settings
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return store_of(tmp_path / "home")


def plug(slot: int, kind: str, name: str = "", *, cable: bool = True) -> AdapterState:
    return AdapterState(slot, Attachment(kind, name), f"08002700000{slot}", cable)  # type: ignore[arg-type]


def add(store: MemoryStore, name: str, *adapters: AdapterState, cpus: int = 2, memory: int = 1024) -> str:
    handle = store.new_handle()
    store.media[handle] = (Medium("SATA", 0, 0, DISK, f"/vms/{name}.vdi"),)
    store.machines[handle] = ObservedMachine(handle, name, PowerState.OFF, cpus, memory, "", adapters)
    return handle


def imported(*vms: str, name: str | None = None, clone: bool = False) -> tuple[Imported, Topology]:
    done = import_vm(ImportRequest(vms, name, clone), RecordingDoor())
    return done, load_topology(done.path)


def test_a_vm_becomes_an_adopted_machine_with_its_wiring(store: MemoryStore) -> None:
    handle = add(store, "PF-FIREWALL", plug(1, "nat"), plug(2, "internal", "sw-dmz"), plug(4, "host-only", "vboxnet0"))
    store.subnets["host-only vboxnet0"] = "192.168.56.0/24"
    store.media[handle] = (Medium("SATA", 0, 0, DISK, "/vms/pf.vdi"), Medium("SATA", 1, 0, DISK, "C:\\vms\\data.vdi"))
    before = dict(store.machines)
    done, topology = imported("PF-FIREWALL")
    machine = topology.machines["PF-FIREWALL"]
    assert machine.adopt is not None
    assert (machine.adopt.vm, machine.cpus, machine.memory) == ("PF-FIREWALL", 2, 1024)
    assert [(each.slot, each.network) for each in machine.adapters] == [(1, "nat"), (2, "sw-dmz"), (4, "vboxnet0")]
    assert {name: (each.kind, str(each.subnet)) for name, each in topology.networks.items()} == {
        "nat": ("nat", "None"), "sw-dmz": ("internal", "None"), "vboxnet0": ("host-only", "192.168.56.0/24"),
    }  # fmt: skip
    text = done.path.read_text()
    assert "# Disk 1: pf.vdi." in text
    assert "# Disk 2: data.vdi." in text
    assert "# Its subnet is not known" in text
    assert (done.name, done.remarks, done.commands) == ("pf-firewall", (), ())
    assert store.machines == before
    assert {call for call, _machine in store.calls} <= {"machines", "inspect", "describe"}


def test_what_was_imported_comes_up(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    handle = add(store, "PF-FIREWALL", plug(1, "internal", "sw-dmz"))
    assert run(["import", "vm", "PF-FIREWALL", "--as", "mine"]) == 0
    assert run(["validate", "mine"]) == 0
    assert run(["plan", "mine"]) == 2, capsys.readouterr()
    assert store.machines[handle].power is PowerState.OFF


def test_vms_on_one_network_share_it(store: MemoryStore) -> None:
    add(store, "one", plug(1, "internal", "intnet"), plug(2, "nat"))
    add(store, "two", plug(1, "internal", "intnet"), plug(2, "nat"))
    done, topology = imported("one", "two")
    assert (done.name, list(topology.networks)) == ("imported", ["intnet", "nat"])


def test_names_that_do_not_fit_are_made_fit_and_said(store: MemoryStore) -> None:
    add(store, "Serveur d'été n°1", plug(1, "internal", "réseau: {a}"), plug(2, "bridged", "Intel(R) Wi-Fi #2"))
    add(store, "Serveur-d-t-n-1", plug(1, "internal", "réseau: {a}"))
    done, topology = imported("Serveur d'été n°1", "Serveur-d-t-n-1")
    adopted = {name: machine.adopt.vm for name, machine in topology.machines.items() if machine.adopt}
    assert adopted == {"Serveur-d-t-n-1-2": "Serveur d'été n°1", "Serveur-d-t-n-1": "Serveur-d-t-n-1"}
    assert {name: network.host_name for name, network in topology.networks.items()} == {
        "r-seau-a": "réseau: {a}", "Intel(R) Wi-Fi #2": None,
    }  # fmt: skip
    assert any("the VM Serveur d'été n°1 is machine Serveur-d-t-n-1-2" in remark for remark in done.remarks)
    assert any("the network réseau: {a} is called r-seau-a here" in remark for remark in done.remarks)


def test_what_a_topology_has_no_word_for_is_a_comment(store: MemoryStore) -> None:
    add(store, "odd", plug(1, "Generic", "udp"), plug(2, "internal", "lan", cable=False), plug(8, "nat"), memory=16)
    done, topology = imported("odd")
    assert topology.machines["odd"].adapters == ()
    assert topology.machines["odd"].memory == 64
    text = done.path.read_text()
    assert "# Adapter 1 is left out: it is plugged into Generic" in text
    assert "# Adapter 2 on internal lan is left out: its cable is unplugged." in text
    assert "# Adapter 8 on nat is left out: that slot is kept for vboxlab." in text


def test_subnets_that_cannot_stand_beside_each_other_are_comments(store: MemoryStore) -> None:
    add(store, "one", plug(1, "host-only", "vboxnet0"), plug(2, "host-only", "vboxnet1"), plug(3, "nat-network", "way"))
    store.subnets.update({
        "host-only vboxnet0": "192.168.56.0/24", "host-only vboxnet1": "192.168.56.0/25",
        "nat-network way": "10.0.9.0/24",
    })  # fmt: skip
    done, topology = imported("one")
    assert [str(network.subnet) for network in topology.networks.values()] == ["192.168.56.0/24", "None", "None"]
    assert "VirtualBox says 10.0.9.0/24 of it, which cannot stand here: 10.0.9.0/24 is taken." in done.path.read_text()


def test_a_clone_is_left_alone_and_says_what_to_type_first(store: MemoryStore) -> None:
    add(store, "PF FIREWALL", plug(1, "internal", "lan", cable=False))
    done, topology = imported("PF FIREWALL", clone=True)
    machine = topology.machines["PF-FIREWALL"]
    assert (machine.base, machine.configured, machine.adopt) == ("pf-firewall", False, None)
    assert [(each.slot, each.cable) for each in machine.adapters] == [(1, False)]
    assert done.commands == ("vboxlab base add pf-firewall --vm 'PF FIREWALL' --no-login",)
    assert f"# {done.commands[0]}\n" in done.path.read_text()


def test_what_is_typed_first_lets_the_clone_be_made(store: MemoryStore) -> None:
    add(store, "router", plug(1, "internal", "lan"))
    assert run(["import", "vm", "router", "--clone", "--as", "routed"]) == 0
    assert run(["base", "add", "router", "--vm", "router", "--no-login"]) == 0
    assert run(["validate", "routed"]) == 0
    assert run(["up", "routed", "--until", "created"]) == 0
    assert sum(machine.lab is not None for machine in store.machines.values()) == 1


def test_a_base_that_is_the_vm_already_is_used(store: MemoryStore) -> None:
    handle = add(store, "router", plug(1, "internal", "lan"))
    new = NewBase("mine", Origin("vm", handle), user="", stock=False)
    BaseStore(load_settings()).add(new, MemoryDriver(store))
    done, topology = imported("router", clone=True)
    assert (done.commands, topology.machines["router"].base) == ((), "mine")


def test_a_vm_that_does_not_exist_is_said_with_the_nearest(store: MemoryStore) -> None:
    add(store, "PF_FIREWALL")
    with pytest.raises(MachineNotFound, match="there is no VM PF_FIREWAL") as caught:
        imported("PF_FIREWAL")
    assert caught.value.resolution == "did you mean `PF_FIREWALL`?"
    assert list(caught.value.details) == ["VMs: PF_FIREWALL"]


def test_one_of_several_with_a_name_is_named_by_its_uuid(store: MemoryStore) -> None:
    first = add(store, "twin", plug(1, "nat"))
    add(store, "twin")
    with pytest.raises(MachineConflict, match="2 VMs are named twin"):
        imported("twin")
    done, topology = imported(first, clone=True)
    assert len(topology.machines["twin"].adapters) == 1
    assert done.commands == (f"vboxlab base add twin --vm {first} --no-login",)


def test_a_machine_of_a_lab_is_none_to_import(store: MemoryStore) -> None:
    handle = add(store, "srv-web")
    store.machines[handle] = replace(store.machines[handle], marks={"lab": "ha", "machine": "srv-web"})
    with pytest.raises(MachineConflict, match="it is a machine of lab ha"):
        imported("srv-web")


def test_one_that_cannot_be_read_is_said_with_the_reason(store: MemoryStore) -> None:
    handle = add(store, "broken")
    store.machines[handle] = replace(store.machines[handle], power=PowerState.INACCESSIBLE, problem="no settings")
    with pytest.raises(DriverError, match=r"cannot be read \(no settings\)"):
        imported("broken")


def test_a_name_that_cannot_be_adopted_is_refused_before_anything_is_written(
    store: MemoryStore, tmp_path: Path
) -> None:
    add(store, "a/b")
    with pytest.raises(UsageError, match="the VM a/b cannot be adopted: its name contains `/`"):
        imported("a/b")
    assert not (tmp_path / "project" / "topologies").exists()
    assert list(imported("a/b", clone=True)[1].machines) == ["a-b"]


def test_where_there_are_no_vms_of_others_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_DRIVER", "qemu")
    with pytest.raises(CapabilityMissing, match="qemu has no VMs but vboxlab's"):
        imported("any")


def test_its_json_has_the_commands(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    add(store, "router")
    assert run(["import", "vm", "router", "--clone", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], len(said["commands"])) == ("router", 1)
