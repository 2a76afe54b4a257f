"""Disks besides the first in real guests: found by their names, shared, pulled out and put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guests.command import CommandLine
from vboxlab.errors import EXIT_DRIVER

pytestmark = [pytest.mark.guests, pytest.mark.long, pytest.mark.timeout(1800)]

TEXT = """\
lab: storage
base: debian12
networks:
  lan: {kind: internal, subnet: 192.168.50.0/24}
disks:
  quorum: {size: 8 MiB}
machines:
  one:
    hostname: one
    adapters: [{network: lan, address: 192.168.50.1/24}]
    disks:
      - {name: data, size: 16 MiB}
      - {shared: quorum}
    dvd: tools.iso
  two:
    hostname: two
    adapters: [{network: lan, address: 192.168.50.2/24}]
    disks:
      - {shared: quorum}
verify:
  - {fault: disk-out, machine: one, disk: data}
  - {check: command, on: one, run: [test, "!", -e, /dev/disk/by-id/ata-vboxlab_data]}
  - {fault: disk-in, machine: one, disk: data}
  - {check: command, on: one, run: [test, -e, /dev/disk/by-id/ata-vboxlab_data]}
  - {fault: disk-out, machine: one, disk: data}
"""
DATA, QUORUM = "/dev/disk/by-id/ata-vboxlab_data", "/dev/disk/by-id/ata-vboxlab_quorum"


@pytest.fixture(scope="module")
def storage(vboxlab: CommandLine) -> Iterator[str]:
    folder = vboxlab.home / "topologies"
    folder.mkdir()
    (folder / "tools.iso").write_bytes(b"a disc".ljust(2048 * 200, b"\0"))
    (folder / "storage.yaml").write_text(TEXT)
    vboxlab("up", "storage")
    yield "storage"
    vboxlab("destroy", "storage", "--yes")


def root(vboxlab: CommandLine, machine: str, script: str) -> str:
    return vboxlab("ssh", "--lab", "storage", machine, "--", f"sudo sh -c '{script}'").strip()


def test_a_guest_finds_its_disks_by_their_names(vboxlab: CommandLine, storage: str) -> None:
    sizes = root(vboxlab, "one", f"blockdev --getsize64 {DATA} {QUORUM}").split()
    assert sizes == [str(16 << 20), str(8 << 20)]
    assert root(vboxlab, "one", "head -c 6 /dev/sr0") == "a disc"
    assert "nothing to do" in vboxlab("plan", storage)


def test_what_one_guest_writes_on_a_shared_disk_another_reads(vboxlab: CommandLine, storage: str) -> None:
    del storage
    root(vboxlab, "one", f"printf together | dd of={QUORUM} bs=512 conv=sync,fsync oflag=direct iflag=fullblock")
    assert root(vboxlab, "two", f"dd if={QUORUM} bs=512 count=1 iflag=direct | head -c 8") == "together"


def test_a_disk_is_pulled_out_and_put_back(vboxlab: CommandLine, storage: str) -> None:
    assert vboxlab.verify(storage)["passed"] is True
    assert root(vboxlab, "one", f"blockdev --getsize64 {DATA}") == str(16 << 20)


def test_a_disk_holds_what_is_on_it_through_a_power_cycle(vboxlab: CommandLine, storage: str) -> None:
    root(vboxlab, "one", f"printf kept | dd of={DATA} bs=512 conv=sync,fsync")
    vboxlab("down", "storage")
    vboxlab("up", storage)
    assert root(vboxlab, "one", f"head -c 4 {DATA}") == "kept"
    vboxlab("snapshot", "take", "--lab", "storage", "x", code=EXIT_DRIVER)  # it would leave the shared disk out
