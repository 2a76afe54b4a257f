"""Making the edits of a mutant in a lab, and putting files and what starts at boot back afterwards."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial

from vboxlab.errors import GuestError, LabError
from vboxlab.guest.executor import Completed, Executor
from vboxlab.hypervisor.driver import Driver
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import Attachment, ObservedLab
from vboxlab.topology.model import Topology
from vboxlab.topology.mutants import AdapterEdit, CommandEdit, FileEdit, FileRemoval, Mutant, ServiceEdit
from vboxlab.topology.parameters import fill

SECONDS = 120.0


@dataclass
class Mutating:
    """The edits of one mutant; `undo` puts back what can be put back exactly, the last first."""

    driver: Driver
    topology: Topology
    observed: ObservedLab
    executor: Callable[[str], Executor]
    values: Mapping[str, str]
    _undone_by: list[Callable[[], object]] = field(default_factory=list)

    def make(self, mutant: Mutant) -> None:
        """Make all edits on all machines of a mutant, in their order.

        Raises LabError where a file, a text or a network to change is not there, or a command fails, GuestError.
        """
        for machine in mutant.on:
            for edit in mutant.edits:
                match edit:
                    case FileEdit():
                        self._edit(machine, edit)
                    case FileRemoval():
                        self._keep(machine, edit.remove)
                        self._as_root(machine, f"rm -- {shlex.quote(edit.remove)}")
                    case ServiceEdit():
                        back = partial(self._set_at_boot, machine, edit.service, at_boot=not edit.at_boot)
                        self._undone_by.append(back)
                        self._set_at_boot(machine, edit.service, at_boot=edit.at_boot)
                    case AdapterEdit():
                        self._plug(machine, edit)
                    case CommandEdit():
                        self._as_root(machine, shlex.join(fill(word, self.values) for word in edit.run))

    def undo(self) -> None:
        """Put files and what starts at boot back. Raises GuestError."""
        while self._undone_by:
            self._undone_by[-1]()
            self._undone_by.pop()

    def _edit(self, machine: str, edit: FileEdit) -> None:
        path = shlex.quote(edit.edit)
        text = self._keep(machine, edit.edit).decode("utf-8", "surrogateescape")
        new, missed = edit.applied(text, self.values)
        if missed:
            brief = _("{machine} {path}: `{pattern}` is not found, so nothing there can be changed")
            raise LabError(brief.format(machine=machine, path=edit.edit, pattern=missed[0]))
        if edit.changes_text:
            self._as_root(machine, f"cat > {path}", new.encode("utf-8", "surrogateescape"))
        if edit.owner is not None:
            self._as_root(machine, f"chown {edit.owner} -- {path}")
        if edit.mode is not None:
            self._as_root(machine, f"chmod {edit.mode} -- {path}")

    def _keep(self, machine: str, path: str) -> bytes:
        """Return what a file holds, and have it put back with its rights at the end."""
        quoted = shlex.quote(path)
        said = self._as_root(machine, f"stat -L -c '%a %U:%G' -- {quoted} && base64 -w0 -- {quoted}").stdout
        rights, _newline, encoded = said.partition("\n")
        mode, owner = rights.split()
        data = base64.b64decode(encoded)
        script = f"cat > {quoted} && chown {shlex.quote(owner)} -- {quoted} && chmod {shlex.quote(mode)} -- {quoted}"
        self._undone_by.append(lambda: self._as_root(machine, script, data))
        return data

    def _set_at_boot(self, machine: str, service: str, *, at_boot: bool) -> None:
        self._as_root(machine, shlex.join(["systemctl", "enable" if at_boot else "disable", "--", service]))

    def _plug(self, machine: str, edit: AdapterEdit) -> None:
        handle = self.observed.machines[machine].handle
        if edit.network is not None:
            self.driver.attach(handle, edit.adapter, self._attachment(edit.network))
        if not edit.plugged:
            self.driver.set_cable(handle, edit.adapter, False)

    def _attachment(self, network: str) -> Attachment:
        """Return what adapters that are on a network are plugged into."""
        for name, machine in self.topology.machines.items():
            there = self.observed.machines.get(name)
            for adapter in machine.adapters if there is not None else ():
                found = there.adapter(adapter.slot) if there is not None else None
                if adapter.network == network and found is not None:
                    return found.attachment
        raise LabError(_("no machine of the lab is on network {network}").format(network=network))

    def _as_root(self, machine: str, script: str, stdin: bytes = b"") -> Completed:
        done = self.executor(machine).run(script, stdin=stdin, root=True, timeout=SECONDS)
        if done.exit_code:
            failed = _("{machine}: {command} failed").format(machine=machine, command=script)
            raise GuestError(failed, details=[done.stderr.strip()])
        return done
