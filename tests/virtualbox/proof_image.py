"""The disk of the machine that `prove.py` boots: Debian sid with VirtualBox, its kernel driver, vboxlab and a base."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.virtualbox import harness
from vboxlab.base.store import BaseStore
from vboxlab.settings import load_settings

CHECKOUT = harness.CHECKOUT
PACKAGES = (
    # the machine: VirtualBox's driver is compiled for this kernel when the tree is made
    "linux-image-amd64", "linux-headers-amd64", "virtualbox-dkms", "virtualbox", "systemd-sysv", "udev", "dbus", "kmod",
    "mount", "passwd", "initramfs-tools", "zstd", "iproute2", "procps", "ca-certificates", "openssh-server",
    "openssh-client", "python3", "python3-venv",
    # what runs the machine: QEMU's AMD-V is used as it is in sid
    "qemu-system-x86",
)  # fmt: skip
HOME = "root/vboxlab"  # VBOXLAB_HOME within the tree
DISK_MIB = 16384
NOT_NEEDED = (
    "systemd-networkd-wait-online.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
    "fstrim.timer", "e2scrub_all.timer", "systemd-timesyncd.service", "dkms.service", "vboxweb.service",
    "systemd-pstore.service", "systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service",
)  # fmt: skip
FILES = {
    "etc/systemd/network/10-eth0.network": "[Match]\nName=eth0\n\n"
    "[Network]\nAddress=10.0.2.15/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
    # Only one hypervisor uses a processor's virtualisation at a time.
    "etc/modprobe.d/proof.conf": "blacklist kvm_amd\nblacklist kvm_intel\n",
    "etc/modules-load.d/proof.conf": "vboxdrv\n",
    "etc/ssh/sshd_config.d/proof.conf": "UseDNS no\n",
    "etc/hostname": "proof\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 proof\n",
    "etc/fstab": "LABEL=proof / ext4 noatime 0 0\n",
}
SETUP = f"""set -e
[ -n "$(find /lib/modules -name 'vboxdrv.ko*')" ] || {{ cat /var/lib/dkms/*/*/*/*/log/make.log; exit 1; }}
systemctl enable --quiet systemd-networkd ssh
systemctl mask --quiet {" ".join(NOT_NEEDED)}
[ -d /opt/venv ] || python3 -m venv /opt/venv
/opt/venv/bin/pip install -q --disable-pip-version-check hatchling '/checkout[virtualbox]'
"""
# The wheel is made of the checkout each time, so that what runs is what stands there; pip compiles it.
RENEW = """set -e
/opt/venv/bin/pip install -q --disable-pip-version-check --no-index --no-deps --no-build-isolation --force-reinstall \
    /checkout
"""
TOPOLOGY = """\
lab: proof
title: Two guests on an internal network
base: debian12

networks:
  lan: {kind: internal, subnet: 192.168.77.0/24}

machines:
  client:
    hostname: client
    memory: 256
    adapters: [{network: lan, address: 192.168.77.10/24}]
  srv-web:
    hostname: srv-web
    memory: 256
    adapters: [{network: lan, address: 192.168.77.51/24}]
"""
GUEST_MENU = """\
set timeout=0
menuentry Debian {{
    search --no-floppy --label --set=root vboxlab
    linux /vmlinuz {arguments}
    initrd /boot/initrd-vboxlab.img
}}
"""


def make_tree(tree: Path) -> None:
    """Make the Debian tree, with vboxlab's dependencies, unless it is there."""
    recipe = json.dumps([PACKAGES, FILES, SETUP, harness.digest_of(CHECKOUT / "pyproject.toml")])
    stamp = tree / "proof-tree"
    if harness.is_current(stamp, recipe):
        return
    shutil.rmtree(tree, ignore_errors=True)
    tree.parent.mkdir(parents=True, exist_ok=True)
    harness.run([
        "mmdebstrap", "--variant=apt", "--components=main contrib", f"--include={','.join(PACKAGES)}",
        *(f"--aptopt={option}" for option in harness.apt_options()), "sid", str(tree), harness.debian_mirror(),
    ])  # fmt: skip
    for name, text in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    harness.copy_from_host(tree)
    harness.run(harness.inside(tree, SETUP))
    stamp.write_text(recipe)  # last: a tree with its stamp is whole


def give_base(home: Path, tree: Path) -> None:
    """Put the base into the tree, its boot menu with the command line that QEMU's guests get.

    These arguments leave out what costs an emulated guest most; nothing else of the disk is changed.
    """
    image = BaseStore(load_settings(environ={**os.environ, "VBOXLAB_HOME": str(home)})).build().image
    base = home / "bases" / image
    there = tree / HOME / "bases" / base.name
    if (there / "base.json").exists():
        return
    shutil.rmtree(tree / HOME, ignore_errors=True)
    there.mkdir(parents=True)
    shutil.copytree(home / "keys", tree / HOME / "keys")
    raw, menu, commands = there / "disk.raw", there / "grub.cfg", there / "commands"
    harness.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(base / "disk.qcow2"), str(raw)])
    menu.write_text(GUEST_MENU.format(arguments=(base / "cmdline").read_text().strip()))
    commands.write_text(f"rm /boot/grub/grub.cfg\nwrite {menu} /boot/grub/grub.cfg\n")
    harness.run([program("debugfs"), "-w", "-f", str(commands), f"{raw}?offset={1024 * 1024}"])
    harness.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(there / "disk.qcow2")])
    for path in (raw, menu, commands):
        path.unlink()
    shutil.copy(base / "cmdline", there)
    shutil.copy(base / "base.json", there)  # last: a base with its record is whole


def write_image(tree: Path, machine: Path, public_key: str) -> None:
    """Make the disk of the tree and today's checkout, and put it with the kernel and its initrd into a directory."""
    harness.run(harness.inside(tree, RENEW))
    topology = tree / HOME / "topologies/proof.yaml"
    topology.parent.mkdir(exist_ok=True)
    topology.write_text(TOPOLOGY)
    authorized = tree / "root/.ssh/authorized_keys"
    authorized.parent.mkdir(mode=0o700, exist_ok=True)
    authorized.write_text(public_key)
    machine.mkdir(parents=True)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(max((tree / "boot").glob(f"{name}-*")), machine / name)
    disk = machine / "disk.raw"
    with disk.open("wb") as stream:
        stream.truncate(DISK_MIB * 1024 * 1024)
    harness.run([program("mke2fs"), "-q", "-F", "-t", "ext4", "-L", "proof", "-E",
                 "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0", "-d", str(tree), str(disk)])  # fmt: skip


def make_key(directory: Path) -> tuple[Path, str]:
    """Make the key of one run, and return its file and its public half."""
    key = directory / "key"
    harness.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "proof", "-f", str(key)])
    return key, key.with_suffix(".pub").read_text()


def program(name: str) -> str:
    """Return the path of a program, those of system administrators included."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin") or name


def virtualbox_version(tree: Path) -> str:
    """Return the version of the tree's VirtualBox package."""
    argv = ["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "-W", "-f", "${Version}", "virtualbox"]
    return subprocess.run(argv, check=True, text=True, capture_output=True).stdout
