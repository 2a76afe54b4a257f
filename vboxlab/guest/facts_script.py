"""The read-only script that asks a guest for facts: those of every guest, and those that its roles ask for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from importlib.resources import files

from vboxlab.errors import GuestError
from vboxlab.guest.executor import Executor
from vboxlab.guest.facts import HOSTNAME, NSSWITCH, Facts, parse_facts
from vboxlab.guest.grammars.sysctl import CONF, FOLDERS
from vboxlab.guest.resources import File, Interface, Resource, Service, Sysctl
from vboxlab.guest.role_registry import guest_roles
from vboxlab.guest.script import quoted
from vboxlab.guest.slips import interfaces
from vboxlab.language import _

END = "end\tof facts"
TIMEOUT = 60.0  # seconds; emulated guests need 2


def read_facts(executor: Executor, resources: Sequence[Resource], nonce: str = "") -> Facts:
    """Ask a guest for the facts that belong to resources. Changes nothing.

    With a nonce, the same for several guests, it gives keyed digests of secrets that they must have in common.

    Raises GuestError when the script ends early, and whatever the executor raises.
    """
    done = executor.run(facts_script(resources, nonce), root=True, timeout=TIMEOUT)
    if END not in done.stdout.splitlines():
        raise GuestError(
            _("{machine}: the guest could not be looked at").format(machine=executor.machine),
            details=[_("exit code {code}").format(code=done.exit_code), *done.stderr.strip().splitlines()[-3:]],
            resolution=_("can the user of the base become root without being asked?"),
        )
    return parse_facts(done.stdout.splitlines())


def facts_script(resources: Sequence[Resource], nonce: str = "") -> str:
    """Return the script that asks for the facts that belong to resources."""
    text = files("vboxlab.guest").joinpath("facts.sh").read_text(encoding="utf-8")
    by_role = {role: tuple(role.questions(resources)) for role in guest_roles().values()}
    functions = [role.fact_functions for role, questions in by_role.items() if questions]
    asked = [
        f"nonce={quoted(nonce)}",
        f"file {HOSTNAME}",
        f"file {NSSWITCH}",
        *_questions(resources),
        *itertools.chain(*by_role.values()),
        "system",
    ]
    return "\n".join([text, *functions, *dict.fromkeys(asked), f"printf '%s\\n' {quoted(END)}"]) + "\n"


def _questions(resources: Sequence[Resource]) -> Iterable[str]:
    for resource in resources:
        match resource:
            case File(path=path, content=str()):
                yield f"file {quoted(path)}"
            case Sysctl(name=name, file=file):
                yield f"file {quoted(file)}"
                yield from (f"file {CONF}", f"folder {FOLDERS[0]} '*'", *(f"folder {f} '*.conf'" for f in FOLDERS[1:]))
                yield f"setting {quoted(name)} {quoted('/proc/sys/' + name.replace('.', '/'))}"
            case Service(name=name):
                yield f"unit {quoted(name)}"
            case Interface(name=name):
                yield from interfaces.questions()
                yield interfaces.about_interface(quoted(name))
            case _:
                pass
