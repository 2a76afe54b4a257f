"""`vboxlab ssh`."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import click

from vboxlab.cli import options, output


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
    from vboxlab.cli import session
    from vboxlab.errors import UsageError
    from vboxlab.lab.access import way_in
    from vboxlab.lab.observe import need_machine, observe

    with session.opened(driver, quiet=True) as context:
        target = session.only_lab(context, lab, copy)
        observed = need_machine(observe(context.driver, target.lab), machine)
        entry = way_in(context, target.lab, observed, session.base_of(target, machine))
        client = shutil.which("ssh")
        if client is not None:
            return subprocess.run([client, *entry.client_options(), *_remote(command)], check=False).returncode
        if not command:
            raise UsageError("no `ssh` client is installed for a shell", resolution="install the OpenSSH client")
        done = context.guests.executor(context.directory(target.lab), observed, entry.base).run(command_line(command))
        if done.stdout:
            output.say(done.stdout.rstrip("\n"))
        if done.stderr:
            output.remark(done.stderr.rstrip("\n"))
        return done.exit_code


def _remote(command: tuple[str, ...]) -> list[str]:
    return ["--", command_line(command)] if command else []


def command_line(command: tuple[str, ...]) -> str:
    """Return what the guest's shell gets: several words arrive as typed, a single one is a line for the shell.

    ssh(1) joins its arguments with spaces and hands them to a shell.
    """
    return command[0] if len(command) == 1 else shlex.join(command)
