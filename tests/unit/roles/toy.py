"""A role that is not vboxlab's: one folder, and the metadata that its distribution is found by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

ROLE = '''\
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role


class MotdRole(Role):
    """A machine that greets who logs in."""

    role: Literal["motd"]
    text: str = Field(description="what /etc/motd says")
'''
RULES = """\
from toy_motd.role import MotdRole
from vboxlab.language import _


def problems(subject):
    for machine, role, place in subject.roles_of(MotdRole):
        if not role.text.strip():
            message = _("machine `{machine}` greets with nothing; expected a text").format(machine=machine.name)
            yield subject.problem("motd-empty", (*place, "text"), message)
"""
GUEST = """\
from vboxlab.guest.findings import in_file
from vboxlab.guest.resources import Await, File, Package
from vboxlab.guest.roles import GuestRole, Seen
from vboxlab.language import N_, _

MOTD = "/etc/motd"


class MotdInGuest(GuestRole):
    found = {"motd-rude": N_("it greets with {found}")}
    expected = {"motd-rude": "{expected}"}
    understood = frozenset({MOTD})

    def resources(self, role, place):
        yield Package("libpam-modules")
        yield File(MOTD, role.text + "\\n")
        yield Await("greeting", ("test", "-s", MOTD))

    def slips(self, role, place, facts):
        found = facts.files.get(MOTD)
        if found is not None and role.text not in found.content:
            values = {"found": found.content.strip(), "expected": role.text}
            yield in_file("motd-rude", place.machine.name, MOTD, 1, **values)

    def seen(self, wish):
        return Seen(_("a login shows the greeting:"), "cat /etc/motd") if wish.name == "greeting" else None


IN_GUEST = MotdInGuest()
"""
FRENCH = {
    "machine `{machine}` greets with nothing; expected a text": "la machine `{machine}` accueille sans rien dire",
    "it greets with {found}": "elle accueille par {found}",
    "a login shows the greeting:": "une connexion affiche le message :",
}
TOPOLOGY = """\
lab: greeting
base: debian12
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  host:
    hostname: host
    adapters: [{network: lan, address: 192.168.7.1/24}]
    roles:
      - {role: motd, text: "Bonjour"}
      - {role: client}
"""


def write_role(
    folder: Path,
    *,
    name: str = "motd",
    distribution: str = "toy-motd",
    value: str = "toy_motd.role:MotdRole",
    role: str = ROLE,
    rules: str | None = RULES,
    guest: str | None = GUEST,
) -> None:
    """Put the role's folder and its distribution's metadata where Python finds them."""
    module = folder / value.partition(".")[0]
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    for file, content in (("role.py", role), ("rules.py", rules), ("guest.py", guest)):
        if content is not None:
            (module / file).write_text(content.replace("toy_motd", module.name), encoding="utf-8")
    french = Catalog("fr")
    for english, translated in FRENCH.items():
        french.add(english, translated)
    compiled = module / "locale" / "fr" / "LC_MESSAGES" / "vboxlab.mo"
    compiled.parent.mkdir(parents=True)
    with compiled.open("wb") as target:
        write_mo(target, french)
    metadata = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[vboxlab.roles]\n{name} = {value}\n")


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a folder of distributions in its path, and vboxlab alone at home in it."""
    path = os.pathsep.join((str(folder), *(entry for entry in sys.path if entry)))
    home = {"VBOXLAB_HOME": str(folder / "home"), "VBOXLAB_SETTINGS": str(folder / "none.yaml")}
    chosen = {"PYTHONPATH": path, "VBOXLAB_DRIVER": "memory", "LC_ALL": "C.UTF-8", **home}
    return subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **chosen}, capture_output=True, encoding="utf-8", check=False
    )


def vboxlab(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run vboxlab with a folder of distributions in Python's path."""
    return python(folder, "-m", "vboxlab", *arguments)
