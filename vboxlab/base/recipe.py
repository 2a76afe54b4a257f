"""The recipe of a base as data: packages, files, set-up script, disk and boot parameters. Pure.

What a student finds is a Debian without a desktop: the packages of the installer's smallest selection that matter at a
prompt (manual pages, completion, editors, network tools) plus OpenSSH and sudo, and the stock kernel. Left out or
switched off, because they cost seconds of an emulated boot or of each SSH command and change nothing a student does:
pam_systemd's session registration, periodic apt and file-system jobs, the start-time test of sshd's configuration.

The disk boots in two ways: QEMU is given kernel, initrd and command line beside it (no boot loader, some seconds less);
anything else, VirtualBox above all, finds GRUB in the boot sector and starts the same kernel with the same small initrd
(vboxlab.base.initrd), which has the modules of VirtualBox's controllers too. A later `apt upgrade` of the kernel in a
machine makes Debian's own initrd and menu.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache

from vboxlab.base.mirror import Mirror
from vboxlab.lazily import dataclass
from vboxlab.topology.addressing import MANAGEMENT_FILE, MANAGEMENT_STANZA
from vboxlab.topology.model import MANAGEMENT_ADDRESS

FORMAT = 2  # raise when builder, disk or initrd change what comes out of the same recipe


@dataclass(frozen=True)
class TreeFile:
    """A file that is put into the root tree, owned by root unless owner (uid and gid) says otherwise."""

    path: str
    content: str | bytes
    mode: int = 0o644
    owner: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a base contains, the versions on the mirror excepted."""

    name: str
    suite: str
    user: str
    packages: tuple[str, ...]
    files: tuple[TreeFile, ...]
    debconf: tuple[str, ...]
    setup: str  # POSIX sh, run in the tree as root once everything is installed
    disk_mib: int
    label: str
    modules: tuple[str, ...]  # kernel modules of the initrd, dependencies are added
    more_modules: tuple[str, ...]  # loaded when no root file system shows up with the first ones
    command_line: str

    def digest(self, public_key: str) -> str:
        """Return the digest that decides whether a base is up to date; the mirror is not part of it."""
        text = json.dumps([FORMAT, asdict(self), public_key], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def sources_text(recipe: Recipe, mirror: Mirror) -> str:
    """Return the tree's list of package sources."""
    return "".join(f"{line}\n" for line in mirror.sources(recipe.suite))


def sources_files(recipe: Recipe, mirror: Mirror) -> tuple[TreeFile, ...]:
    """Return the apt configuration of the tree: the mirror's sources and the options they need."""
    files = [TreeFile("/etc/apt/sources.list", sources_text(recipe, mirror))]
    if mirror.options:
        files.append(TreeFile("/etc/apt/apt.conf.d/90mirror", "".join(f"{option}\n" for option in mirror.options)))
    return tuple(files)


def key_files(recipe: Recipe, public_key: str) -> tuple[TreeFile, ...]:
    """Return the authorized_keys of the login user."""
    return (TreeFile(f"/home/{recipe.user}/.ssh/authorized_keys", f"{public_key}\n", 0o600, owner=1000),)


_PACKAGES = (
    # the machine itself
    "linux-image-amd64", "grub-pc", "systemd-sysv", "udev", "dbus", "kmod", "busybox-static", "adduser",
    "systemd-timesyncd", "cron", "logrotate", "tzdata", "locales", "kbd", "keyboard-configuration", "console-setup",
    # network
    "ifupdown", "isc-dhcp-client", "iproute2", "iputils-ping", "netbase", "nftables", "openssh-server", "curl", "wget",
    "ca-certificates", "bind9-dnsutils", "tcpdump", "traceroute", "netcat-openbsd",
    # at the prompt
    "sudo", "nano", "vim-tiny", "less", "man-db", "manpages", "bash-completion", "procps", "psmisc", "perl", "lsof",
    "file", "xz-utils", "zstd", "pciutils", "fdisk", "whiptail", "apt-utils", "debconf-i18n",
)  # fmt: skip

_INTERFACES = """\
# This file describes the network interfaces available on your system
# and how to activate them. For more information, see interfaces(5).

source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback
"""

_HOSTS = """\
127.0.0.1\tlocalhost
127.0.1.1\tdebian

# The following lines are desirable for IPv6 capable hosts
::1     localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
"""

# DNS look-ups of the client's address would delay each login by their time-out; the test of the configuration before
# each start costs as much as the start itself.
#
# A host's other users reach the forwarded port too, and the password is known to all: there, only the key counts.
_SSHD = f"""\
UseDNS no
Match LocalAddress {MANAGEMENT_ADDRESS.ip}
    PasswordAuthentication no
    KbdInteractiveAuthentication no
"""
_SSHD_UNIT = "[Service]\nExecStartPre=\n"

# Half of udev's work at boot would be for buses, drivers and 80 virtual terminals and change nothing: the kernel has
# made their device files. The serial console is needed: its getty waits for udev's word.
_UDEV_TRIGGER = """\
[Service]
ExecStart=
ExecStart=-udevadm trigger --type=devices --action=add --subsystem-nomatch=tty --subsystem-nomatch=vc
ExecStart=-udevadm trigger --type=devices --action=add --sysname-match=ttyS0
"""

# Keyboard and font of the text console are set at boot once somebody has chosen them (dpkg-reconfigure
# keyboard-configuration or console-setup keep their choice there); compiling the default anew takes half a minute.
_ONCE_CHOSEN = "[Unit]\nConditionPathExists=/etc/console-setup/cached_setup_{}.sh\n"

# The clock follows the hypervisor's; the time servers are asked when the boot is over.
_TIME_LATER = """\
[Unit]
Description=Ask the time servers once the machine is up

[Timer]
OnBootSec=2min

[Install]
WantedBy=timers.target
"""

# The journal is kept on disk as Debian does it, within bounds that suit a small disk.
_JOURNAL = "[Journal]\nSystemMaxUse=64M\n"

# A boot that gives up says so on /dev/console only, which on VirtualBox is the window, and not why. The serial console
# is what the hypervisor keeps for whoever asks later why a guest does not answer.
_GAVE_UP = """\
[Service]
ExecStartPre=-/bin/sh -c 'exec >/dev/ttyS0; echo "the boot gave up: %N mode"; \
    journalctl --boot --priority=err --output=cat --lines=10 --no-pager _PID=1'
"""

_SETUP = """\
set -e
useradd --create-home --shell /bin/bash --comment Debian --groups sudo,adm,cdrom,users,plugdev USER
echo USER:USER | chpasswd
cp -a --update=none /etc/skel/. /home/USER/ 2>/dev/null || cp -an /etc/skel/. /home/USER/
chown -R USER:USER /home/USER
chmod 700 /home/USER/.ssh
passwd --lock root >/dev/null
: > /etc/machine-id
mkdir -p /var/lib/dbus /var/log/journal
ln -sf /etc/machine-id /var/lib/dbus/machine-id
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer \\
    dpkg-db-backup.timer grub-common.service grub-initrd-fallback.service; do
    systemctl disable --quiet "$unit" 2>/dev/null || true
done
systemctl disable --quiet systemd-timesyncd
systemctl enable --quiet ssh systemd-timesyncd.timer
systemctl mask --quiet MASKED
mkdir -p /etc/systemd/system-generators
for generator in GENERATORS; do ln -s /dev/null "/etc/systemd/system-generators/systemd-$generator-generator"; done
rm -f /etc/console-setup/cached_*
rm -f /etc/resolv.conf /initrd.img /initrd.img.old /vmlinuz.old
: > /etc/resolv.conf
mkdir -p /boot/grub/i386-pc
cp /usr/lib/grub/i386-pc/*.mod /usr/lib/grub/i386-pc/*.lst /usr/lib/grub/i386-pc/boot.img /boot/grub/i386-pc/
grub-mkimage --format i386-pc --output /boot/grub/i386-pc/core.img --prefix '(hd0,msdos1)/boot/grub' \\
    biosdisk part_msdos ext2 normal configfile linux search search_label test echo
touch -r /usr /etc/.updated /var/.updated
rm -f /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log /var/cache/debconf/*-old
"""

# Pseudo file systems and kernel modules that nobody asks for at boot (they still load and mount on demand); the root
# file system is mounted for writing by the initrd, and the kernel has hardware random numbers.
_MASKED = (
    "modprobe@drm.service", "modprobe@dm_mod.service", "modprobe@loop.service", "modprobe@efi_pstore.service",
    "modprobe@fuse.service", "modprobe@configfs.service", "systemd-pstore.service", "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount",
    "dev-mqueue.mount", "systemd-remount-fs.service", "systemd-random-seed.service",
)  # fmt: skip

# For encrypted disks, hibernation, GPT discovery and offline updates, none of which a machine of a lab has.
_GENERATORS = ("cryptsetup", "veritysetup", "integritysetup", "hibernate-resume", "gpt-auto", "system-update", "run")

# Drivers for the emulated board's hardware that a guest without screen does not use. Not evdev: logind learns of the
# power button through it.
_NOT_LOADED = (
    "ata_piix", "ata_generic", "pata_acpi", "floppy", "psmouse", "pcspkr", "serio_raw", "i2c_piix4",
    "sha1_ssse3", "sha256_ssse3", "sha512_ssse3", "crc32c_intel", "qemu_fw_cfg",
)  # fmt: skip

_BOOT_ARGUMENTS = "console=ttyS0 console=tty0 quiet"
_GRUB_DEFAULT = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=quiet
GRUB_CMDLINE_LINUX="console=ttyS0 console=tty0"
GRUB_DISABLE_OS_PROBER=true
"""
_GRUB_MENU = f"""\
# The menu of a fresh base; update-grub replaces it, at the latest when a new kernel is installed.
set timeout=0
menuentry Debian {{
    search --no-floppy --label --set=root vboxlab
    linux /vmlinuz root=LABEL=vboxlab rw {_BOOT_ARGUMENTS}
    initrd /boot/initrd-vboxlab.img
}}
"""

DEBIAN12 = Recipe(
    name="debian12",
    suite="bookworm",
    user="debian",
    packages=_PACKAGES,
    files=(
        TreeFile("/etc/hostname", "debian\n"),
        TreeFile("/etc/hosts", _HOSTS),
        TreeFile("/etc/fstab", "# <file system> <mount point> <type> <options> <dump> <pass>\n"
                 "LABEL=vboxlab / ext4 errors=remount-ro 0 0\n"),
        TreeFile("/etc/network/interfaces", _INTERFACES),
        TreeFile(MANAGEMENT_FILE, MANAGEMENT_STANZA),
        TreeFile("/etc/sudoers.d/debian", "debian ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440),
        TreeFile("/etc/ssh/sshd_config.d/vboxlab.conf", _SSHD),
        TreeFile("/etc/systemd/system/ssh.service.d/vboxlab.conf", _SSHD_UNIT),
        TreeFile("/etc/systemd/system/systemd-udev-trigger.service.d/vboxlab.conf", _UDEV_TRIGGER),
        TreeFile("/etc/systemd/system/console-setup.service.d/vboxlab.conf", _ONCE_CHOSEN.format("font")),
        TreeFile("/etc/systemd/system/keyboard-setup.service.d/vboxlab.conf", _ONCE_CHOSEN.format("keyboard")),
        TreeFile("/etc/udev/rules.d/90-console-setup.rules", "# Left to console-setup.service.\n"),
        TreeFile("/etc/systemd/system/systemd-timesyncd.timer", _TIME_LATER),
        TreeFile("/etc/systemd/journald.conf.d/vboxlab.conf", _JOURNAL),
        TreeFile("/etc/systemd/system/emergency.service.d/vboxlab.conf", _GAVE_UP),
        TreeFile("/etc/systemd/system/rescue.service.d/vboxlab.conf", _GAVE_UP),
        TreeFile("/etc/default/grub", _GRUB_DEFAULT),
        TreeFile("/boot/grub/grub.cfg", _GRUB_MENU),
        TreeFile("/etc/default/locale", "LANG=C.UTF-8\n"),
    ),
    debconf=(
        # The index of apropos is rebuilt after each installation otherwise: a minute under emulation.
        "man-db man-db/auto-update boolean false",
        "keyboard-configuration keyboard-configuration/layoutcode string us",
        "grub-pc grub-pc/install_devices_empty boolean true",
    ),
    setup=_SETUP.replace("USER", "debian").replace("MASKED", " ".join(_MASKED))
        .replace("GENERATORS", " ".join(_GENERATORS)),
    disk_mib=8192,
    label="vboxlab",
    modules=("virtio_pci", "virtio_blk", "ext4"),
    more_modules=("ata_piix", "ahci", "sd_mod"),
    command_line=(
        "root=LABEL=vboxlab rw console=tty0 console=ttyS0 quiet loglevel=3 mitigations=off "
        # A busy host makes the kernel measure the TSC wrong, up to tenfold. Left to itself it notices after seconds,
        # changes to the HPET and stays half a minute ahead; so it takes the HPET (kvm-clock under KVM) at once.
        "tsc=unstable no_timer_check random.trust_cpu=on systemd.show_status=error systemd.gpt_auto=0 "
        "modprobe.blacklist="
        + ",".join(_NOT_LOADED)
    ),
)  # fmt: skip

RECIPES = {DEBIAN12.name: DEBIAN12}


@cache
def digest_of(recipe: str, public_key: str) -> str:
    """Return the digest of a base that is made by a recipe for a key, which is asked for time and again."""
    return RECIPES[recipe].digest(public_key)
