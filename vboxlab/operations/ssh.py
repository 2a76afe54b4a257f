"""`ssh`: a shell or a command on a machine."""

from __future__ import annotations

import shlex

from vboxlab import programs
from vboxlab.base.model import Base
from vboxlab.errors import LabError, UsageError
from vboxlab.lab.access import way_in
from vboxlab.lab.context import Context
from vboxlab.lab.observe import need_machine, observe
from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.operations.session import opened
from vboxlab.operations.targets import Target, only_target
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName

AT_ONCE = 2.0  # seconds within which a guest that is up answers


@dataclass(frozen=True)
class SshRequest:
    """The machine, and the words of the command to run there (none: a shell)."""

    machine: str
    command: tuple[str, ...] = ()
    lab: str | None = None
    copy: str | None = None
    driver: str | None = None


@dataclass(frozen=True)
class Client:
    """The program that opens the shell or runs the command, on the terminal of whoever starts it."""

    argv: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """How a command ended that was run without a client, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str


def ssh(request: SshRequest, door: Door) -> Client | Ended:
    """Return what opens a shell on a machine or runs a command there: this host's `ssh`; without one, run the command.

    Raises UsageError for a machine that the lab does not have, or a shell without a client; LabError when there is no
    way in.
    """
    with opened(door, request.driver) as session:
        context = session.context
        target = only_target(session, request.lab, copy=request.copy)
        observed = need_machine(observe(context.driver, target.lab), request.machine)
        _refuse_left_alone(target, request.machine)
        entry = way_in(context, target.lab, observed, target.base_of(request.machine))
        _await_server(context, target.lab, observed, entry.base, door)
        line = [command_line(request.command)] if request.command else []
        client = programs.find("ssh")
        if client is not None:
            remote = ["--", *line] if line else []
            return Client((client, *entry.client_options(), *remote))
        if not line:
            raise UsageError(_("no `ssh` client is installed for a shell"), resolution=_("install the OpenSSH client"))
        done = context.guests.executor(context.directory(target.lab), observed, entry.base).run(*line)
        return Ended(done.exit_code, done.stdout, done.stderr)


def _refuse_left_alone(target: Target, name: str) -> None:
    machine = target.blueprint.topology.machines.get(name) if target.blueprint is not None else None
    if machine is not None and not machine.configured:
        raise LabError(
            _("{machine} is left alone (`configured: false`), so vboxlab has no way in").format(machine=name),
            resolution=_("work in its own window: `vboxlab down`, then `vboxlab up --gui`"),
        )


def _await_server(context: Context, lab: LabName, machine: ObservedMachine, base: Base, door: Door) -> None:
    """Wait for a guest that boots: a client that comes too early gets no more than a reset connection."""
    if machine.power is not PowerState.RUNNING:
        raise LabError(
            _("{machine} is {power}, so there is no way in").format(
                machine=machine.machine, power=C_("machine", machine.power.value)
            ),
            resolution=_("`vboxlab up` starts the machines of a lab"),
        )
    directory = context.directory(lab)
    if context.guests.await_server(directory, machine, base, seconds=AT_ONCE):
        return
    text = _("{machine}: its guest does not answer yet, it may still boot; waiting")
    door.remark(text.format(machine=machine.machine))
    if not context.guests.await_server(directory, machine, base):
        raise LabError(
            _("{machine}: no SSH server answers in its guest").format(machine=machine.machine),
            resolution=_("look at its console; `vboxlab down`, then `vboxlab up`, start it anew"),
        )


def command_line(command: tuple[str, ...]) -> str:
    """Return what the guest's shell gets: several words arrive as typed, a single one is a line for the shell.

    ssh(1) joins its arguments with spaces and hands them to a shell.
    """
    return command[0] if len(command) == 1 else shlex.join(command)
