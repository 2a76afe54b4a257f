"""Port forwards of every kind on a real VirtualBox: read truly, and probed as what they are."""

from __future__ import annotations

import socket

import pytest

from tests.contract.worlds import Specs, free_port, management, nat
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import DriverError
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.planning.observed import Forward, PowerState


def test_forwards_of_udp_and_of_other_addresses_are_read_alike_from_the_api_and_from_the_file(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec(adapters=(nat(1), management(2222))))
    for number, rule in (
        (1, "names,udp,127.0.0.1,5353,,53"),
        (1, "pages,tcp,,8080,,80"),
        (8, "far,tcp,192.0.2.1,22,,22"),
    ):
        world.manage("modifyvm", made.handle, f"--natpf{number}", rule)
    found = driver.inspect(made.handle)
    assert [adapter.attachment.forwards for adapter in found.adapters] == [
        (Forward(5353, 53, "udp", "127.0.0.1"), Forward(8080, 80, "tcp", "")),
        (Forward(2222, 22), Forward(22, 22, "tcp", "192.0.2.1")),
    ]
    assert found.management_port == 2222
    (listed,) = (machine for machine in driver.machines() if machine.handle == made.handle)
    assert listed.adapters == found.adapters
    driver.set_adapters(made.handle, made.adapters)
    assert driver.inspect(made.handle).adapters == made.adapters


def test_a_foreign_vms_forwards_are_probed_as_what_they_are(world: VirtualBoxWorld, driver: VirtualBoxDriver) -> None:
    foreign = world.add_foreign("PF_FIREWALL")
    port = free_port()
    world.manage("modifyvm", foreign, "--nic1", "nat", "--natpf1", f"names,udp,,{port},,53")
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", port))
        tcp.listen(1)
        driver.start(foreign)
    assert driver.inspect(foreign).power is PowerState.RUNNING
    world.manage("controlvm", foreign, "poweroff")
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        with pytest.raises(DriverError, match=f"UDP port {port} of all addresses"):
            driver.start(foreign)
    assert driver.inspect(foreign).power is PowerState.OFF
