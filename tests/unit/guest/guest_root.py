"""A guest's root folder on this host: what the facts script reads, as the topology wants it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.unit.local_lab import HostExecutor
from tests.unit.plan_world import topology
from vboxlab.guest.executor import Completed
from vboxlab.guest.facts import Facts
from vboxlab.guest.facts_script import read_facts
from vboxlab.guest.grammars.sysctl import CONF, LINK
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Hostname, Interface, Resource, Service, Sysctl
from vboxlab.guest.role_registry import resources_for

NONCE = "the-same-for-all-guests"
SECRET = "never-to-leave-the-guest"


@dataclass
class RootedExecutor(HostExecutor):
    """Runs a guest's scripts on this host, with the guest's folder as root."""

    root: Path = Path("/nowhere")

    def run(self, script: str, *, stdin: bytes = b"", root: bool = False, timeout: float = 60.0) -> Completed:
        return super().run(f"VBOXLAB_ROOT={self.root}\n{script}", stdin=stdin, root=root, timeout=timeout)


@dataclass
class GuestRoot:
    """The files of a guest, and programs that answer for it."""

    root: Path
    place: Place
    resources: tuple[Resource, ...]

    def path(self, path: str) -> Path:
        return self.root / path.removeprefix("/")

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        target.chmod(mode)

    def edit(self, path: str, old: str, new: str) -> None:
        content = self.path(path).read_text(encoding="utf-8")
        assert old in content
        self.path(path).write_text(content.replace(old, new), encoding="utf-8")

    def text(self, path: str) -> str:
        return self.path(path).read_text(encoding="utf-8")

    def enable(self, service: str) -> None:
        self.write(f"/lib/systemd/system/{service}.service", "")
        wants = self.path("/etc/systemd/system/multi-user.target.wants")
        wants.mkdir(parents=True, exist_ok=True)
        (wants / f"{service}.service").symlink_to(f"/lib/systemd/system/{service}.service")

    def say(self, program: str, script: str) -> None:
        """Put a program before the host's own ones."""
        path = self.root / "answers" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def network(self, addresses: str, default: str) -> None:
        """Let `ip` answer as in the guest."""
        answers = f"cat <<'END'\n{addresses}\nEND"
        asked = f'case "$*" in\n*-batch*) {answers}\necho "{default}" ;;\n-br*) {answers}\n;;'
        self.say("ip", f"{asked}\n*) echo '{default}' ;;\nesac")

    def executor(self) -> HostExecutor:
        return RootedExecutor(self.place.machine.name, self.root / "answers", root=self.root)

    def facts(self) -> Facts:
        return read_facts(self.executor(), self.resources, NONCE)


def guest_root(root: Path, name: str, machine: str, stage: str | None, **values: str) -> GuestRoot:
    """Return a guest in which everything is as the topology wants it at a stage."""
    source = topology(name, **values)
    return rooted(root, Place(source, source.machines[machine], stage))


def rooted(root: Path, place: Place) -> GuestRoot:
    """Return a guest in which everything is as a topology wants it."""
    guest = GuestRoot(root, place, resources_for(place.topology, place.machine, place.stage))
    addresses, default = ["lo UNKNOWN 127.0.0.1/8", "enp0s19 UP 10.0.9.15/24"], ""
    for interface in ("lo", "enp0s19"):
        guest.path(f"/sys/class/net/{interface}").mkdir(parents=True)
    for resource in guest.resources:
        match resource:
            case File(path=path, content=content, mode=mode):
                guest.write(path, content if isinstance(content, str) else content.filled(lambda _hole: SECRET), mode)
            case Hostname(name=hostname):
                guest.write("/etc/hostname", f"{hostname}\n")
                guest.write("/proc/sys/kernel/hostname", f"{hostname}\n")
            case Sysctl(name=setting, value=value, file=file):
                old = guest.path(file).read_text(encoding="utf-8") if guest.path(file).exists() else ""
                guest.write(file, f"{old}#{setting}=0\n{setting}={value}\n")
                if file == CONF and not guest.path(LINK).is_symlink():  # as Debian has it
                    guest.path(LINK).parent.mkdir(parents=True, exist_ok=True)
                    guest.path(LINK).symlink_to("../sysctl.conf")
                guest.write("/proc/sys/" + setting.replace(".", "/"), f"{value}\n")
            case Service(name=service, enabled=True):
                guest.enable(service)
            case Interface(name=interface, address=address, gateway=gateway):
                guest.path(f"/sys/class/net/{interface}").mkdir()
                addresses.append(f"{interface} UP {address}")
                default = f"default via {gateway} dev {interface} onlink" if gateway else default
            case _:
                pass
    guest.network("\n".join(addresses), default)
    # Neither this host's kernel nor its programs have a say.
    for program in ("ipvsadm", "unshare"):
        guest.say(program, "exit 127")
    # Whoever runs the tests owns the files: as far as the guest is concerned, that is root.
    guest.say("stat", f"{shutil.which('stat')} \"$@\" | sed 's/ .*/ root:root/'")
    return guest
