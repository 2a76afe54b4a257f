"""A guest that is no Debian and that nobody logs in to: wired, started, probed from another machine, snapshotted."""

from __future__ import annotations

import lzma
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.guests.command import CommandLine
from vboxlab.base.added import AddedBases, NewBase, Origin
from vboxlab.base.initrd import CpioWriter, read_kernel
from vboxlab.base.store import BaseStore
from vboxlab.hypervisor.qemu.driver import QemuDriver

pytestmark = [pytest.mark.guests, pytest.mark.long, pytest.mark.apart, pytest.mark.timeout(3600)]

# All that it is: no SSH server, no shell to log in to, an address of its own and a page.
INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /www
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
for module in MODULES; do $b insmod "/modules/$module"; done
$b ip link set lo up
$b ip link set eth0 up
$b ip address add 192.168.7.2/24 dev eth0
echo 'a box that is left alone' > /www/index.html
$b httpd -h /www
echo 'box: up' > /dev/console
while :; do $b sleep 1000; done
"""
TOPOLOGY = """\
lab: alone
base: debian12
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  client:
    hostname: client
    adapters: [{network: lan, address: 192.168.7.1/24}]
  box:
    hostname: box
    base: tiny
    memory: 128
    configured: false
    adapters: [{network: lan, address: 192.168.7.2/24}]
verify:
  - {check: ping, from: client, to: box, within: 60}
  - {check: page, from: client, url: "http://192.168.7.2/", contains: left alone}
  - {check: probe, from: client, url: "tcp://192.168.7.2:22", expect: refused}
  - {fault: unplug, machine: box, slot: 1}
  - {check: probe, from: client, url: "tcp://192.168.7.2:80", expect: unreachable, within: 60}
  - {fault: plug, machine: box, slot: 1}
  - {fault: pause, machine: box}
  - {fault: resume, machine: box}
  - {check: ping, from: client, to: box, within: 60}
"""


@contextmanager
def tree_of(base: Path, folder: Path) -> Iterator[tarfile.TarFile]:
    packed, plain = base / "root.tar.zst", base / "root.tar"
    if packed.exists():
        plain = folder / "root.tar"
        subprocess.run(["zstd", "-q", "-d", str(packed), "-o", str(plain)], check=True)
    with tarfile.open(plain) as tree:
        yield tree


def put_tiny_base(store: BaseStore, home: Path, folder: Path) -> None:
    """Make a disk with a kernel and an initrd beside it that are the whole guest, and a base of it."""
    base = store.directory / store.get("debian12").image
    with tree_of(base, folder) as tree:
        kernel = read_kernel(tree, ("virtio_pci", "virtio_net"), ())
    modules = {Path(path).name.removesuffix(".xz"): content for path, content in kernel.modules.items()}
    archive = CpioWriter()
    for name in ("bin", "modules", "dev"):
        archive.add(name, b"", 0o040755)
    archive.add("dev/console", b"", 0o020600, device=(5, 1))
    archive.add("bin/busybox", kernel.busybox, 0o100755)
    archive.add("init", INIT.replace("MODULES", " ".join(modules)).encode(), 0o100755)
    for (name, content), path in zip(modules.items(), kernel.modules, strict=True):
        archive.add(f"modules/{name}", lzma.decompress(content) if path.endswith(".xz") else content, 0o100644)
    tiny = folder / "tiny"
    tiny.mkdir()
    (tiny / "vmlinuz").write_bytes((base / "vmlinuz").read_bytes())
    (tiny / "initrd.img").write_bytes(archive.finish())
    (tiny / "cmdline").write_text("console=ttyS0 quiet tsc=unstable no_timer_check random.trust_cpu=on\n")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(tiny / "disk.qcow2"), "8M"], check=True)
    driver = QemuDriver(home)
    driver.import_image("tiny", tiny / "disk.qcow2", ours=True)
    driver.close()
    AddedBases(home).write(NewBase("tiny", Origin("disk", "tiny"), user="", stock=False), "qemu")


def test_a_guest_that_is_left_alone_is_started_probed_and_brought_back(
    vboxlab: CommandLine, store: BaseStore, home: Path, tmp_path: Path
) -> None:
    put_tiny_base(store, home, tmp_path)
    file = tmp_path / "alone.yaml"
    file.write_text(TOPOLOGY)
    try:
        vboxlab("up", str(file))
        assert vboxlab.json("plan", str(file))["actions"] == []
        report = vboxlab.json("verify", str(file))
        assert {step["outcome"] for step in report["steps"]} == {"passed"}
        status = {row["machine"]: row for row in vboxlab.json("status", str(file))["machines"]}
        assert (status["box"]["configured"], status["box"]["port"], status["box"]["power"]) == (False, None, "running")
        vboxlab("ssh", "--lab", str(file), "box", "true", code=4)
        vboxlab("down", str(file), "--timeout", "5")  # it knows no power button: its plug is pulled
        vboxlab("snapshot", "take", "quiet", "--lab", str(file))
        vboxlab("snapshot", "restore", "quiet", "--lab", str(file), "--yes")
        status = {row["machine"]: row for row in vboxlab.json("status", str(file))["machines"]}
        assert {row["power"] for row in status.values()} == {"off"}
    finally:
        vboxlab("destroy", str(file), "--yes")
        vboxlab("base", "remove", "tiny")  # the home's bases may be kept for other runs
