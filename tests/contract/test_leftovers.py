"""The contract of what is left: ours is named first and then removed, what is not ours stays until it is named."""

from __future__ import annotations

import pytest

from tests.contract.worlds import LAB, Specs, World, nat
from vboxlab.errors import MachineConflict
from vboxlab.hypervisor.driver import Driver
from vboxlab.topology.addressing import LabName

CONTRACT = LabName(LAB["lab"])


@pytest.mark.parametrize("moment", [0.005, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("call", ["create", "delete", "take_snapshot"])
def test_garbage_says_what_is_then_removed_and_changes_nothing(
    world: World, driver: Driver, spec: Specs, call: str, moment: float
) -> None:
    made = driver.create(spec("kept", adapters=(nat(1),)))
    victim = spec("victim", adapters=(nat(1),))
    if call == "create":
        world.kill_during("create", moment, victim)
    else:
        arguments = ("first",) if call == "take_snapshot" else ()
        world.kill_during(call, moment, driver.create(victim).handle, *arguments)
    world.await_orphans()
    driver.machines()  # returns once nothing of the killed process is at work any more
    before = world.machine_traces()
    of_lab, of_all = list(driver.garbage(CONTRACT)), list(driver.garbage())
    assert set(driver.garbage(LabName("another"))) <= set(of_lab) <= set(of_all)  # some cannot be told whose they are
    assert world.machine_traces() == before
    assert list(driver.collect_garbage(CONTRACT)) == of_lab
    assert list(driver.garbage()) == [text for text in of_all if text not in of_lab]
    driver.collect_garbage()
    assert list(driver.garbage()) == list(driver.garbage(CONTRACT)) == []
    assert driver.inspect(made.handle) == made


def test_what_somebody_put_beside_a_machines_disk_stays_until_it_is_named(
    world: World, driver: Driver, spec: Specs
) -> None:
    made, other = driver.create(spec("srv-web", adapters=(nat(1),))), driver.create(spec(lab="another"))
    assert list(driver.strays()) == []
    path = world.put_stray(made, "raid.vdi")
    world.put_stray(other, "theirs.vdi")
    (stray,) = driver.strays(CONTRACT)
    assert stray.path == path
    assert "srv-web" in stray.why
    assert [each.path.name for each in driver.strays(LabName("another"))] == ["theirs.vdi"]
    assert sorted(each.path.name for each in driver.strays()) == ["raid.vdi", "theirs.vdi"]
    assert list(driver.strays(LabName("contract", "alice"))) == []
    before = world.machine_traces()
    assert list(driver.garbage()) == list(driver.collect_garbage()) == list(driver.collect_garbage(CONTRACT)) == []
    assert world.machine_traces() == before
    driver.start(made.handle)
    driver.delete(made.handle)
    (kept,) = driver.strays(CONTRACT)
    assert (kept.path.name, kept.size) == ("raid.vdi", stray.size)
    assert list(driver.garbage()) == list(driver.collect_garbage()) == []
    assert list(driver.strays(CONTRACT)) == [kept]
    again = driver.create(spec("srv-web", adapters=(nat(1),)))
    driver.start(again.handle)
    for wrong in (kept.path.with_name("nothing.vdi"), world.home / "tiny.img"):
        with pytest.raises(MachineConflict):
            driver.remove_stray(wrong)
    (kept,) = driver.strays(CONTRACT)
    driver.remove_stray(kept.path)
    assert list(driver.strays(CONTRACT)) == []
    assert not any("raid" in trace for trace in world.machine_traces())
    assert len(driver.strays()) == 1
    assert driver.inspect(again.handle).handle == again.handle
