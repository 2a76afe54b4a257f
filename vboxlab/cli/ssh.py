"""`vboxlab ssh`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output

if TYPE_CHECKING:
    from vboxlab.base.model import Base
    from vboxlab.lab.context import Context
    from vboxlab.planning.observed import ObservedMachine
    from vboxlab.topology.addressing import LabName

AT_ONCE = 2.0  # seconds within which a guest that is up answers


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("machine")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--lab", metavar="LAB", help="Lab or topology name (default: the only lab there is).")
@options.copy
@options.driver
def ssh(machine: str, command: tuple[str, ...], lab: str | None, copy: str | None, driver: str | None) -> int:
    """Open a shell on MACHINE, or run COMMAND there (after `--`) and pass its exit code on.

    A COMMAND of one word, quoted, is a line for the guest's shell: vboxlab ssh srv-web -- 'ip a | grep 5'.
    """
    from vboxlab import programs
    from vboxlab.cli import session
    from vboxlab.errors import UsageError
    from vboxlab.lab.access import way_in
    from vboxlab.lab.observe import need_machine, observe

    with session.opened(driver, quiet=True) as context:
        target = session.only_lab(context, lab, copy)
        observed = need_machine(observe(context.driver, target.lab), machine)
        entry = way_in(context, target.lab, observed, session.base_of(target, machine))
        _await_server(context, target.lab, observed, entry.base)
        client = programs.find("ssh")
        if client is not None:
            return programs.run([client, *entry.client_options(), *_remote(command)]).returncode
        if not command:
            raise UsageError("no `ssh` client is installed for a shell", resolution="install the OpenSSH client")
        done = context.guests.executor(context.directory(target.lab), observed, entry.base).run(command_line(command))
        if done.stdout:
            output.say(done.stdout.rstrip("\n"))
        if done.stderr:
            output.remark(done.stderr.rstrip("\n"))
        return done.exit_code


def _await_server(context: Context, lab: LabName, machine: ObservedMachine, base: Base) -> None:
    """Wait for a guest that boots: a client that comes too early gets no more than a reset connection."""
    from vboxlab.errors import LabError
    from vboxlab.planning.observed import PowerState

    if machine.power is not PowerState.RUNNING:
        raise LabError(
            f"{machine.machine} is {machine.power.value}, so there is no way in",
            resolution="`vboxlab up` starts the machines of a lab",
        )
    directory = context.directory(lab)
    if context.guests.await_server(directory, machine, base, seconds=AT_ONCE):
        return
    output.remark(f"{machine.machine}: its guest does not answer yet, it may still boot; waiting")
    if not context.guests.await_server(directory, machine, base):
        raise LabError(
            f"{machine.machine}: no SSH server answers in its guest",
            resolution="look at its console; `vboxlab down`, then `vboxlab up`, start it anew",
        )


def _remote(command: tuple[str, ...]) -> list[str]:
    return ["--", command_line(command)] if command else []


def command_line(command: tuple[str, ...]) -> str:
    """Return what the guest's shell gets: several words arrive as typed, a single one is a line for the shell.

    ssh(1) joins its arguments with spaces and hands them to a shell.
    """
    return command[0] if len(command) == 1 else shlex.join(command)
