"""What is true in a guest, as far as slips can be told from it: one read-only script, and what it printed as values.

What secret files hold never leaves the guest.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from vboxlab.errors import GuestError
from vboxlab.guest.executor import Executor
from vboxlab.guest.resources import File, Resource, Service, Sysctl
from vboxlab.guest.roles import guest_roles
from vboxlab.guest.script import quoted
from vboxlab.language import _

HOSTNAME = "/etc/hostname"
END = "end\tof facts"
TIMEOUT = 60.0  # seconds; emulated guests need 2


@dataclass(frozen=True)
class FileFact:
    """A regular file that exists."""

    path: str
    mode: int
    owner: str  # USER:GROUP
    content: str

    @property
    def lines(self) -> list[tuple[int, str]]:
        """Return its lines with their numbers, without comments, surrounding spaces and empty ones."""
        stripped = ((number, line.strip()) for number, line in enumerate(self.content.splitlines(), 1))
        return [(number, line) for number, line in stripped if line and not line.startswith("#")]


@dataclass(frozen=True)
class Facts:
    """What one guest said. Files that were asked for and are not among them do not exist."""

    hostname: str = ""
    files: Mapping[str, FileFact] = field(default_factory=dict)
    interfaces: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by interface, with prefix lengths
    gateways: tuple[tuple[str, str], ...] = ()  # (address, interface)
    settings: Mapping[str, str] = field(default_factory=dict)  # kernel settings now
    enabled: frozenset[str] = frozenset()  # services that start at boot
    said: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # a role's facts: fields, by a word


def read_facts(executor: Executor, resources: Sequence[Resource]) -> Facts:
    """Ask a guest for the facts that belong to resources. Changes nothing.

    Raises GuestError when the script ends early, and whatever the executor raises.
    """
    done = executor.run(facts_script(resources), root=True, timeout=TIMEOUT)
    if END not in done.stdout.splitlines():
        raise GuestError(
            _("{machine}: the guest could not be looked at").format(machine=executor.machine),
            details=[_("exit code {code}").format(code=done.exit_code), *done.stderr.strip().splitlines()[-3:]],
            resolution=_("can the user of the base become root without being asked?"),
        )
    return parse_facts(done.stdout.splitlines())


def facts_script(resources: Sequence[Resource]) -> str:
    """Return the script that asks for the facts that belong to resources."""
    text = files("vboxlab.guest").joinpath("facts.sh").read_text(encoding="utf-8")
    by_role = {role: tuple(role.questions(resources)) for role in guest_roles().values()}
    functions = [role.fact_functions for role, questions in by_role.items() if questions]
    asked = [f"file {HOSTNAME}", *_questions(resources), *itertools.chain(*by_role.values()), "system"]
    return "\n".join([text, *functions, *dict.fromkeys(asked), f"printf '%s\\n' {quoted(END)}"]) + "\n"


def _questions(resources: Sequence[Resource]) -> Iterable[str]:
    for resource in resources:
        match resource:
            case File(path=path, content=str()):
                yield f"file {quoted(path)}"
            case Sysctl(name=name, file=file):
                yield f"file {quoted(file)}"
                yield f"setting {quoted(name)} {quoted('/proc/sys/' + name.replace('.', '/'))}"
            case Service(name=name):
                yield f"unit {quoted(name)}"
            case _:
                pass


def parse_facts(lines: Iterable[str]) -> Facts:
    """Put together what the script printed; lines of another form are not ours and are left out."""
    hostname, interfaces, gateways, enabled = "", [], [], set()
    found: dict[str, FileFact] = {}
    said: dict[str, tuple[tuple[str, ...], ...]] = {}
    addresses: dict[str, tuple[str, ...]] = {}
    settings: dict[str, str] = {}
    for line in lines:
        match line.split("\t"):
            case ["hostname", hostname]:
                pass
            case ["interface", name]:
                interfaces.append(name)
            case ["addresses", name, those]:
                addresses[name] = tuple(those.split())
            case ["gateway", via, device]:
                gateways.append((via, device))
            case ["setting", name, value]:
                settings[name] = value
            case ["enabled", name]:
                enabled.add(name)
            case ["file", path, rights, content]:
                found[path] = FileFact(path, *rights_of(rights), _decoded(content))
            case ["said", word, *values]:
                said[word] = (*said.get(word, ()), tuple(values))
            case _:
                pass
    return Facts(hostname, found, tuple(interfaces), addresses, tuple(gateways), settings, frozenset(enabled), said)


def rights_of(text: str) -> tuple[int, str]:
    """Return mode and owner from what the script's `rights` printed."""
    mode, _blank, owner = text.partition(" ")
    return int(mode or "0", 8), owner


def _decoded(content: str) -> str:
    try:
        return base64.b64decode(content, validate=True).decode(errors="replace")
    except binascii.Error:
        return ""
