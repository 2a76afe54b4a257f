"""The `vboxlab` command: finds the verb, and turns errors into messages and exit codes."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from typing import NamedTuple

import click

from vboxlab import __version__, programs
from vboxlab.cli import output
from vboxlab.cli.speech import chosen, in_language
from vboxlab.credentials import without_secrets
from vboxlab.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_USAGE, VboxlabError, host_error
from vboxlab.language import N_, _, speak


class Verb(NamedTuple):
    """Where a verb is, and what it does in a few words (so that --help loads nothing)."""

    module: str
    attribute: str
    summary: str


VERBS = {
    "base": Verb("base", "base", N_("Build, add, list and remove the bases that machines are clones of.")),
    "check": Verb("check", "check", N_("Compare a lab's machines with the topology, and name common slips.")),
    "destroy": Verb(
        "destroy", "destroy", N_("Remove a lab's machines, disks and snapshots; nothing that is not ours.")
    ),
    "doctor": Verb(
        "doctor", "doctor", N_("Check this computer: VirtualBox, QEMU, memory, disk, network; say what to do.")
    ),
    "down": Verb("down", "down", N_("Power a lab's machines off.")),
    "explain": Verb("explain", "explain", N_("Print a topology's answer key: every file and command, in Markdown.")),
    "gc": Verb("gc", "gc", N_("Remove what belongs to no lab any more, after showing it.")),
    "grade": Verb("grade", "grade", N_("Grade a lab, or a whole class, by its topology's scheme.")),
    "graph": Verb("graph", "graph", N_("Draw a topology as Mermaid, DOT or SVG, coloured by the lab's state.")),
    "handout": Verb("handout", "handout", N_("Write the sheet of an exercise for students, without any answer.")),
    "hint": Verb("hint", "hint", N_("Give one hint for a question, and count it.")),
    "import": Verb("importing", "import_", N_("Write a topology from what exists: VMs of this VirtualBox.")),
    "init": Verb("init", "init", N_("Write a first topology, with comments, after a few questions.")),
    "list": Verb("topologies", "list_", N_("List the topologies that can be brought up.")),
    "mark": Verb("grade", "mark", N_("Change what a copy got for a question, with the reason.")),
    "plan": Verb("plan", "plan", N_("Show what `up` would do, and why.")),
    "report": Verb("report", "report", N_("Make the report of a verification again from its history.")),
    "reset": Verb("reset", "reset", N_("Bring a lab, or a whole class, back to the beginning of its exercise.")),
    "schema": Verb("schema", "schema", N_("Print the JSON Schema of topology files.")),
    "snapshot": Verb("snapshot", "snapshot", N_("Take, list, restore and delete snapshots of a whole lab.")),
    "ssh": Verb("ssh", "ssh", N_("Open a shell or run a command on a machine.")),
    "ssh-config": Verb("ssh_config", "ssh_config", N_("Print an OpenSSH client configuration for a lab.")),
    "status": Verb("status", "status", N_("Show the machines of a lab as they are now.")),
    "trust": Verb("trust", "trust", N_("Let the roles and checks in the folders beside a topology be used.")),
    "up": Verb("up", "up", N_("Bring a lab up to its topology: create, boot and configure what is missing.")),
    "validate": Verb("validate", "validate", N_("Check topology files and report every problem in them.")),
    "verify": Verb("verify", "verify", N_("Prove that a lab does what it should, and measure it.")),
}


class Verbs(click.Group):
    """A command group that loads a verb's module only when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the verbs, sorted."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load a verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command: click.Command = getattr(importlib.import_module(f"vboxlab.cli.{verb.module}"), verb.attribute)
        return in_language(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs from the table, loading none of them."""
        with formatter.section(_("Verbs")):
            formatter.write_dl([(name, _(verb.summary)) for name, verb in sorted(VERBS.items())])


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vboxlab", help=N_("Show the version and exit."))
def vboxlab() -> None:
    """Build, prove and restore virtual labs for system administration courses.

    \b
    Exit codes: 0 done; 1 a check failed; 2 `plan` found changes; 3 a file or setting is
    wrong; 4 the hypervisor, lab or computer failed; 5 a guest failed; 6 the lab is in
    use; 7 a verification could not be carried out; 8 some copies of several failed;
    64 wrong usage; 70 a bug; 130 interrupted.
    """  # noqa: D301 -- click's mark for a paragraph that is not to be wrapped


def main() -> None:
    """Run the command line and exit with a documented code; no traceback for an expected error."""
    # pydantic would look for plug-ins of its own, and fail when any distribution's metadata is damaged.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    programs.forget_current_folder()
    output.show_what_can_be_shown()
    hush_interruptions()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # one more, while the first was told of
        code = EXIT_INTERRUPTED
    gc.freeze()  # Python would look through all objects once more at its end, which takes as long as some verbs
    sys.exit(code)


def hush_interruptions() -> None:
    """Let Python say nothing of a Ctrl-C that it can raise nowhere: in a destructor, or at its end.

    It prints "Exception ignored in" and a traceback otherwise (sys.unraisablehook), which looks like a bug of ours.
    """

    def told(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = told


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    as_json = "--json" in arguments
    speak(chosen(arguments))
    try:
        result = in_language(vboxlab).main(arguments, prog_name="vboxlab", standalone_mode=False)
    except VboxlabError as error:
        output.show_error(error, as_json=as_json)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.UsageError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        output.remark(_("interrupted"))
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error, but Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 -- the last resort: a bug is reported as one, with all there is to find it
        told = host_error(error)
        if told is not None:
            output.show_error(told, as_json=as_json)
            return told.exit_code
        output.remark(without_secrets(traceback.format_exc()))
        output.remark(_("this is a bug in vboxlab; please report it with the lines above"))
        return EXIT_BUG
    return result if isinstance(result, int) else 0
