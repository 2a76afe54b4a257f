"""Checking a lab: the hypervisor's side, the guests' previews, and the two together over the memory driver."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.guest.guest_root import GuestRoot, guest_root
from tests.unit.guest.test_slips import lines
from tests.unit.lab_world import LAB, LabWorld, RecordedGuests
from tests.unit.plan_world import World, desired, topology
from vboxlab.base.model import Base
from vboxlab.cli.main import run
from vboxlab.errors import GuestError, UsageError
from vboxlab.guest.configurator import ResourceResult, StageReport, Status
from vboxlab.guest.differences import guest_findings
from vboxlab.guest.executor import Executor
from vboxlab.guest.filling import filled
from vboxlab.guest.resources import AbsentFile, File, Interface, Package, Password, Resource, SecretText, Service
from vboxlab.guest.telling import told
from vboxlab.hypervisor.memory import store_of
from vboxlab.lab.check import MachineCheck, check
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.wiring import adopted_findings, wiring_findings
from vboxlab.language import speaking
from vboxlab.planning.observed import AdapterState, Attachment, Forward, ObservedMachine, PowerState
from vboxlab.planning.planner import plan
from vboxlab.topology.addressing import LabName, Names

# --- the hypervisor's side


def changed(*, slot: int = 1, **fields: object) -> list[str]:
    """Return what is found on srv-web when an adapter of it has been changed."""
    source, world = topology(), World()
    wanted = desired(source, world.observed)
    world.apply(plan(wanted, world.observed), wanted)
    adapters = world.machines["srv-web"].adapters
    new = tuple(
        replace(adapter, **fields) if adapter.slot == slot else adapter  # type: ignore[arg-type]
        for adapter in adapters
    )
    found = replace(world.machines["srv-web"], adapters=new)
    return lines(wiring_findings(wanted.machines["srv-web"], found))


def test_nothing_is_found_on_a_machine_as_it_was_made() -> None:
    assert changed() == []


def test_the_nic_on_the_wrong_internal_network() -> None:
    assert changed(attachment=Attachment("internal", "cluster")) == [
        "error adapter 1 (enp0s3) [wrong-network] it is on internal network `cluster` => internal network `sw-dmz`",
        (
            "error carte réseau 1 (enp0s3) [wrong-network] elle est branchée sur : réseau interne `cluster` => "
            "réseau interne `sw-dmz`"
        ),
    ]
    assert changed(attachment=Attachment("nat"))[0] == (
        "error adapter 1 (enp0s3) [wrong-network] it is on NAT => internal network `sw-dmz`"
    )


def test_the_nic_on_a_network_of_almost_that_name() -> None:
    assert changed(attachment=Attachment("internal", "SW_DMZ")) == [
        (
            "error adapter 1 (enp0s3) [similar-network] it is on internal network `SW_DMZ`: almost the right name, but "
            "another network => internal network `sw-dmz`, to the letter"
        ),
        (
            "error carte réseau 1 (enp0s3) [similar-network] elle est branchée sur : réseau interne `SW_DMZ` (presque "
            "le bon nom, mais un autre réseau) => réseau interne `sw-dmz`, à la lettre près"
        ),
    ]


def test_cables_addresses_and_the_management_adapter() -> None:
    assert changed(cable=False) == [
        "error adapter 1 (enp0s3) [unplugged] its cable is unplugged => plugged in",
        "error carte réseau 1 (enp0s3) [unplugged] son câble est débranché => branché",
    ]
    assert changed(mac="080027000000")[0].startswith(
        "warning adapter 1 (enp0s3) [other-mac] it has the MAC address 080027000000 => 080027"
    )
    moved = Attachment("nat", subnet="10.0.9.0/24", forwards=(Forward(2222, 22),))
    assert changed(slot=8, attachment=moved)[0].startswith(
        "warning adapter 8 (enp0s19) [management] its SSH forward differs (10.0.9.0/24: 2222 → 22) => 10.0.9.0/24: "
    )


def test_adapters_that_are_missing_or_too_many_and_hardware() -> None:
    source, world = topology(), World()
    wanted = desired(source, world.observed)
    world.apply(plan(wanted, world.observed), wanted)
    one, management = world.machines["srv-web"].adapters
    more = AdapterState(2, Attachment("bridged", "eth0"), "080027000001")
    found = replace(world.machines["srv-web"], adapters=(more, management), memory=256)
    assert lines(wiring_findings(wanted.machines["srv-web"], found)) == [
        "error adapter 1 (enp0s3) [no-adapter] there is none => one on internal network `sw-dmz`",
        "warning adapter 2 (enp0s8) [extra-adapter] there is one, on bridged to `eth0` => none",
        "warning the virtual machine [hardware] 1 CPU, 256 MiB => 1 CPU, 512 MiB",
        "error carte réseau 1 (enp0s3) [no-adapter] il n’y en a pas => une, sur : réseau interne `sw-dmz`",
        "warning carte réseau 2 (enp0s8) [extra-adapter] il y en a une, sur : accès par pont à `eth0` => aucune",
        "warning la machine virtuelle [hardware] 1 CPU, 256 MiB => 1 CPU, 512 MiB",
    ]
    assert one.slot == 1


def test_adopted_machines() -> None:
    source = topology(environment="school")
    firewall = source.machines["firewall"]
    assert lines(adopted_findings(source, Names(LAB), firewall, {})) == [
        (
            "error the virtual machine [not-adopted] the VM PF_FIREWALL to adopt does not exist => import it, or "
            "choose another environment"
        ),
        (
            "error la machine virtuelle [not-adopted] la VM PF_FIREWALL à adopter n’existe pas => l’importer, ou "
            "choisir un autre environnement"
        ),
    ]
    adapters = (
        AdapterState(3, Attachment("internal", "sw-dmz"), "080027000001"),
        AdapterState(4, Attachment("internal", "servers"), "080027000002", cable=False),
    )
    vm = ObservedMachine("h", "PF_FIREWALL", PowerState.RUNNING, 1, 512, "", adapters)
    assert lines(adopted_findings(source, Names(LAB), firewall, {"firewall": vm}))[:2] == [
        "error adapter 4 (enp0s10) [unplugged] its cable is unplugged => plugged in",
        "error adapter 4 (enp0s10) [no-adapter] there is none => one on internal network `clients`",
    ]


# --- the guests' side

RESOURCES: dict[str, tuple[Resource, str]] = {
    "file-missing": (File("/etc/motd", "hello\n"), "does not exist"),
    "file-kind": (File("/etc/motd", "hello\n"), "is not a regular file"),
    "file-rights": (
        File("/etc/motd", "hello\n"),
        "mode is 0600 instead of 0644 owner is www-data:root instead of root:root",
    ),
    "file-line": (File("/etc/motd", "a\nhello\n"), "content differs"),
    "file-more": (File("/etc/motd", "a\n"), "content differs"),
    "file-less": (File("/etc/motd", "a\nb c\n" + "d" * 99 + "\n"), "content differs"),
    "file-line-of-other-spaces": (File("/etc/motd", "a\nb  c\n"), "content differs"),
    "file-exists": (AbsentFile("/etc/motd"), "exists"),
    "package-missing": (Package("apache2"), "not installed"),
    "service-not-enabled": (Service("cron"), "not enabled at boot"),
    "service-enabled": (Service("cron", enabled=False), "enabled at boot"),
    "service-not-running": (Service("cron"), "not enabled at boot, not running (failed)"),
    "service-running": (Service("cron", running=False), "running"),
    "service-missing": (Service("cron"), "not installed"),
    "service-waits-for-its-file": (Service("cron"), "its configuration changed"),
    "file-other-secret": (File("/etc/motd", SecretText("<secret>", "key")), "content differs"),
    "file-other-text": (File("/etc/motd", filled("a={secret key}\n")), "content differs"),
    "password-none": (Password("root", "root-password"), "no password set"),
    "password-other": (Password("root", "root-password"), "another password"),
    "interface": (Interface("enp0s3", "dhcp"), "has no address"),
}


@pytest.mark.parametrize("name", RESOURCES)
def test_a_difference_in_words(name: str, tmp_path: Path) -> None:
    guest = guest_root(tmp_path, "failover", "client", "web")
    guest.write("/etc/motd", "a\nb c\n")
    resource, reason = RESOURCES[name]
    guest.resources = (*guest.resources, resource)
    result = ResourceResult(resource.key, "would-change", reason)
    findings = guest_findings(guest.place, guest.resources, guest.facts(), StageReport("client", (result,)))
    check_golden(f"differences/{name}.txt", lines(findings))


def test_what_a_guest_says_does_not_steer_the_terminal(tmp_path: Path) -> None:
    guest = guest_root(tmp_path, "failover", "srv-web", "web")
    guest.write("/var/www/html/index.html", "\x1b[2Jgone\n")
    (finding,) = guest_findings(guest.place, guest.resources, guest.facts(), StageReport("srv-web", ()))
    assert told(finding).found == "it says \N{REPLACEMENT CHARACTER}[2Jgone"


def previewed(guest: GuestRoot, **reasons: str) -> list[str]:
    """Return the codes of what is found when the preview says this of the resources (`__` stands for the colon)."""
    results = []
    for key, text in reasons.items():
        status: Status = "failed" if text.startswith("FAILED ") else "would-change"
        results.append(ResourceResult(key, status, text.removeprefix("FAILED ")))
    report = StageReport(guest.place.machine.name, tuple(results))
    found = guest_findings(guest.place, guest.resources, guest.facts(), report)
    return [f"{finding.severity} {finding.code}" for finding in found]


def test_a_slip_stands_for_the_difference_that_it_explains(tmp_path: Path) -> None:
    guest = guest_root(tmp_path, "failover", "srv-web", "heartbeat")
    guest.edit("/etc/ha.d/haresources", "apache2", "apache2_")
    guest.edit("/etc/network/interfaces", "    gateway 192.168.200.254\n", "")
    guest.enable("apache2")
    reasons = {
        "file:/etc/ha.d/haresources": "content differs",
        "file:/etc/network/interfaces": "content differs",
        "interface:enp0s3": "no default route through 192.168.200.254",
        "service:apache2": "enabled at boot",
        "command:apache2 handed over to Heartbeat": "not done",
        "service:heartbeat": "not running (failed)",
        "await:page": "is not so now",
    }
    assert previewed(guest, **reasons) == [
        "error interfaces-no-gateway",
        "error haresources-service",
        "error service-at-boot",
        "error service-not-running",
        "warning state",
    ]


def test_other_words_and_other_secrets_are_hints(tmp_path: Path) -> None:
    guest = guest_root(tmp_path, "failover", "srv-web", "heartbeat")
    guest.edit("/etc/ha.d/ha.cf", "logfacility local0\n", "")
    reasons = {"file:/etc/ha.d/ha.cf": "content differs", "file:/etc/ha.d/authkeys": "content differs"}
    assert previewed(guest, **reasons) == ["hint file-lacks", "hint authkeys-other-secret"]


OTHER_WORDS = {
    "/etc/ha.d/ha.cf": (
        "node srv-web-bis-theodore\nnode\tsrv-web-theodore # both\nlogfacility local0\nauto_failback yes\nudpport 694\n"
        "bcast enp0s3\nkeepalive 1000ms\nwarntime 3.0\ndeadtime 5\ninitdead 30\n"
    ),
    "/etc/ha.d/haresources": "# the master\nSRV-WEB-theodore \\\n\tIPaddr::192.168.200.5/24/enp0s3 apache2\n",
    "/etc/ipvsadm.rules": (
        "--add-service --tcp-service 192.168.200.5:80 --scheduler rr\n"
        "-a -t 192.168.200.5:80 -r 192.168.201.12 -m -w 1\n-a -t 192.168.200.5:80 -r 192.168.201.11:80 -m\n"
    ),
    "/etc/default/ipvsadm": "# comment\nIFACE='enp0s3'\nAUTO=true\nDAEMON=master # ours\nSYNCID=\"0\"\n",
}
OTHER_MEANINGS = {
    "/etc/ha.d/ha.cf": OTHER_WORDS["/etc/ha.d/ha.cf"].replace("local0", "local1"),
    "/etc/ha.d/haresources": OTHER_WORDS["/etc/ha.d/haresources"].replace("5/24/", "6/24/"),
    "/etc/ipvsadm.rules": OTHER_WORDS["/etc/ipvsadm.rules"].replace("-w 1", "-w 2 -x 9"),
    "/etc/default/ipvsadm": OTHER_WORDS["/etc/default/ipvsadm"].replace("AUTO=true", "AUTO=false"),
}


def node_or_balancer(root: Path, path: str) -> GuestRoot:
    if path.startswith("/etc/ha.d/"):
        return guest_root(root, "failover", "srv-web", "heartbeat")
    return guest_root(root, "loadbalancing", "load-balancer", "balancing", health="none")


@pytest.mark.parametrize("path", OTHER_WORDS)
def test_other_words_for_the_same_are_not_even_a_hint(tmp_path: Path, path: str) -> None:
    guest = node_or_balancer(tmp_path, path)
    before = previewed(guest)
    guest.write(path, OTHER_WORDS[path])
    assert previewed(guest, **{f"file:{path}": "content differs"}) == before
    guest.write(path, OTHER_MEANINGS[path])
    assert len(previewed(guest, **{f"file:{path}": "content differs"})) > len(before)


def test_what_cannot_be_compared_says_why(tmp_path: Path) -> None:
    guest = guest_root(tmp_path, "failover", "srv-web", "heartbeat")
    assert previewed(guest, **{"password:root": "FAILED there is no user root"}) == ["error failed"]
    assert previewed(guest, **{"service:heartbeat": "FAILED systemd says that the unit is not-found"}) == [
        "error service-missing"
    ]


# --- both together


@dataclass
class CheckedGuests(RecordedGuests):
    """Guests of folders; their previews are told beforehand."""

    roots: dict[str, GuestRoot] = field(default_factory=dict)
    previews: dict[str, dict[str, str]] = field(default_factory=dict)
    asked_to_change: list[bool] = field(default_factory=list)

    def configure(
        self,
        directory: LabDirectory,
        machine: ObservedMachine,
        base: Base,
        resources: Sequence[Resource],
        *,
        changes: bool,
        installed: tuple[str, ...],
        fresh: bool = False,
    ) -> StageReport:
        self.asked_to_change.append(changes)
        reasons = self.previews.get(machine.machine, {})
        results = (
            ResourceResult(r.key, "would-change" if r.key in reasons else "unchanged", reasons.get(r.key, ""))
            for r in resources
        )
        return StageReport(machine.machine, tuple(results))

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        if machine.machine not in self.roots:
            raise GuestError(f"{machine.machine}: its SSH server does not answer")
        return self.roots[machine.machine].executor()


@dataclass
class CheckWorld:
    """A failover lab that is up, with guests of folders."""

    world: LabWorld
    guests: CheckedGuests

    def check(self, machine: str | None = None, stage: str | None = None) -> dict[str, MachineCheck]:
        context = replace(self.world.context, guests=self.guests)
        found = check(context, self.world.blueprint(), LAB, machine=machine, stage=stage)
        return {result.machine: result for result in found}


@pytest.fixture
def lab(tmp_path: Path) -> CheckWorld:
    world = LabWorld(tmp_path / "home")
    world.up()
    guests = CheckedGuests(world.store)
    for name in topology().machines:
        guests.roots[name] = guest_root(tmp_path / name, "failover", name, "heartbeat")
    return CheckWorld(world, guests)


def test_a_lab_that_is_right(lab: CheckWorld) -> None:
    before = dict(lab.world.store.machines)
    results = lab.check()
    assert [name for name, result in results.items() if result.findings or not result.guest_seen] == []
    assert list(results) == ["firewall", "dns", "client", "srv-web", "srv-web-bis"]
    assert lab.guests.asked_to_change == [False] * 5
    assert lab.world.store.machines == before


def test_a_lab_with_a_finding_of_each_kind(lab: CheckWorld) -> None:
    machines = lab.world.machines()
    lab.world.driver.attach(machines["srv-web"].handle, 1, Attachment("internal", "cluster"))
    lab.guests.roots["srv-web"].edit("/etc/ha.d/haresources", "apache2", "apache2_")
    lab.world.driver.power_off(machines["srv-web-bis"].handle, "hard")
    lab.world.driver.delete(machines["client"].handle)
    del lab.guests.roots["dns"]
    lab.world.driver.set_marks(machines["firewall"].handle, {"contacted": None})
    results = lab.check()
    assert {name: [finding.code for finding in result.findings] for name, result in results.items()} == {
        "firewall": ["never-reached"],
        "dns": ["unreachable"],
        "client": ["not-created"],
        "srv-web": ["wrong-network", "haresources-service"],
        "srv-web-bis": ["not-running"],
    }
    assert [name for name, result in results.items() if result.guest_seen] == ["srv-web"]
    assert told(results["dns"].findings[0]).found == (
        "the guest cannot be looked at: dns: its SSH server does not answer"
    )
    with speaking("fr"):
        assert told(results["srv-web-bis"].findings[0]).found == (
            "elle n’est pas en marche (éteinte) : l’invité n’a pas été examiné"
        )


def test_one_machine_at_one_stage(lab: CheckWorld) -> None:
    lab.guests.roots["srv-web"].path("/etc/ha.d/haresources").unlink()
    lab.guests.previews["srv-web"] = {"file:/etc/ha.d/haresources": "does not exist"}
    assert list(lab.check("srv-web", "web")) == ["srv-web"]
    assert lab.check("srv-web", "web")["srv-web"].is_fine
    assert [finding.code for finding in lab.check("srv-web")["srv-web"].findings] == ["file-missing"]
    with pytest.raises(UsageError, match="failover has no machine 'srv'"):
        lab.check("srv")
    with pytest.raises(UsageError, match="failover has no stage 'x'"):
        lab.check(stage="x")


def test_nodes_are_judged_together(lab: CheckWorld) -> None:
    keys = "/etc/ha.d/authkeys"
    lab.guests.roots["srv-web"].write(keys, "auth 1\n1 md5 mine-alone\n", 0o600)
    lab.guests.previews["srv-web"] = {f"file:{keys}": "content differs"}
    found = {name: [each.code for each in result.findings] for name, result in lab.check().items() if result.findings}
    assert found == {"srv-web": ["authkeys-pair-secret"]}
    assert not lab.check()["srv-web"].is_fine
    assert lab.check(stage="web")["srv-web"].is_fine
    alone = lab.check("srv-web")["srv-web"]
    assert [each.code for each in alone.findings] == ["authkeys-other-secret"]
    assert "authkeys-digest" not in alone.facts.said
    del lab.guests.roots["srv-web-bis"]
    assert [each.code for each in lab.check()["srv-web"].findings] == ["authkeys-other-secret"]


def test_digests_of_two_checks_tell_nothing_of_each_other(lab: CheckWorld) -> None:
    digests = [lab.check()["srv-web"].facts.said["authkeys-digest"] for _time in range(2)]
    assert digests[0] != digests[1]


# --- the command line


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    world = LabWorld(tmp_path / "other")
    world.up()
    store = store_of(tmp_path)
    store.machines.update(world.store.machines)
    (handle,) = [machine.handle for machine in store.machines.values() if machine.name == "srv-web"]
    world.driver.attach(handle, 1, Attachment("internal", "cluster"))
    store.machines[handle] = replace(world.store.machines[handle], power=PowerState.OFF)
    assert run(["check", "failover", "srv-web", "--lang", "fr"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "srv-web :",
        "  erreur  carte réseau 1 (enp0s3)  [wrong-network]",
        "      trouvé : elle est branchée sur : réseau interne `cluster`",
        "      attendu : réseau interne `sw-dmz`",
        "  erreur  la machine virtuelle  [not-running]",
        "      trouvé : elle n’est pas en marche (éteinte) : l’invité n’a pas été examiné",
        "      attendu : qu’elle soit en marche",
        "2 erreurs, 0 avertissement, 0 remarque",
    ]
    assert run(["check", "ha", "srv-web", "--json", "--lang", "en"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["lab"], record["topology"], record["fine"]) == ("ha", "failover", False)
    assert record["machines"][0]["findings"][0] == {
        "code": "wrong-network",
        "severity": "error",
        "machine": "srv-web",
        "where": {"kind": "adapter", "name": "1 (enp0s3)", "line": None},
        "values": {"found": "internal cluster", "expected": "internal sw-dmz"},
        "place": "adapter 1 (enp0s3)",
        "found": "it is on internal network `cluster`",
        "expected": "internal network `sw-dmz`",
    }
    assert run(["check", "failover", "nobody"]) == 64


def test_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    world = LabWorld(tmp_path / "other")
    for copy in ("alice", "bob"):
        world.up(lab=LabName("ha", copy))
        for machine in world.machines(LabName("ha", copy)).values():
            world.driver.power_off(machine.handle, "hard")
    store_of(tmp_path).machines.update(world.store.machines)
    assert run(["check", "failover", "srv-web", "--copies", "alice,bob", "--lang", "en"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "ha/alice"
    assert out[2] == "  error  the virtual machine  [not-running]"
    assert out[-1] == "2 of 2 copies done"
    assert out[-2].split()[:2] == ["ha/bob", "done"]
    assert out[-2].endswith("1 error(s), 0 warning(s), 0 hint(s)")
    assert run(["check", "failover", "nobody", "--copies", "alice,bob"]) == 8
    capsys.readouterr()
    assert run(["check", "failover", "--all", "--json"]) == 1
    assert [record["copy"] for record in json.loads(capsys.readouterr().out)] == ["alice", "bob"]
