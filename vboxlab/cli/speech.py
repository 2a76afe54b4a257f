"""The language of a command line: which one is spoken, and the help of its verbs in it."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Mapping, Sequence

import click

from vboxlab.language import LANGUAGES, N_, Language, _, language_of, paragraphs

# click's names of the kinds of values, as its errors tell them, and its help in capitals (click.types).
_KINDS = (N_("text"), N_("integer"), N_("float"), N_("integer range"), N_("float range"))
_HELP = N_("Language (default: the settings', else the locale's).")
_MEMBERS = N_("COMMAND [ARGS]...")


def chosen(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Language:
    """Return the language that a command line asks for, else that of the settings, else the locale's, else English.

    It is looked for before the command line is judged, as what is told of a wrong one is in that language already.
    """
    return language_of(_asked(arguments) or _set(environ), environ)


def _asked(arguments: Sequence[str]) -> str | None:
    """Return the value of --lang, wherever it stands before `--`."""
    found = None
    for index, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--lang":
            found = next(iter(arguments[index + 1 :]), None)
        elif argument.startswith("--lang="):
            found = argument.removeprefix("--lang=")
    return found if found in LANGUAGES else None


def _set(environ: Mapping[str, str]) -> str | None:
    """Return the language of the settings; what is wrong with them is told by who needs them."""
    from vboxlab.errors import SettingsInvalid
    from vboxlab.settings_file import ENVIRONMENT_PREFIX, read_settings, settings_path

    try:
        return environ.get(f"{ENVIRONMENT_PREFIX}LANGUAGE") or read_settings(settings_path(environ)).get("language")
    except (SettingsInvalid, OSError):
        return None


def in_language(command: click.Command) -> click.Command:
    """Return a command with its help in the language spoken, and --lang among its options; the one given stays."""
    shown = copy.copy(command)
    shown.help = _help(command.help)
    shown.short_help, shown.epilog = _help(command.short_help), _help(command.epilog)
    shown.params = [_parameter(each) for each in command.params]
    if all(each.name != "lang" for each in shown.params):
        asked = click.Option(["--lang"], type=click.Choice(LANGUAGES), help=_(_HELP), expose_value=False)
        shown.params.append(asked)
    if isinstance(shown, click.Group):
        shown.subcommand_metavar = _(shown.subcommand_metavar)
        shown.commands = {name: in_language(each) for name, each in shown.commands.items()}
    return shown


def _help(text: str | None) -> str | None:
    return text and "\n\n".join(mark + _(part) for mark, part in paragraphs(inspect.cleandoc(text)))


def _parameter(parameter: click.Parameter) -> click.Parameter:
    shown = copy.copy(parameter)
    if shown.type.name in _KINDS:
        shown.type = copy.copy(shown.type)
        shown.type.name = _(shown.type.name)
    if isinstance(shown, click.Option):
        shown.help, shown.metavar = shown.help and _(shown.help), shown.metavar and _(shown.metavar)
    elif shown.metavar is not None:
        shown.metavar = _(shown.metavar)
    elif shown.name:
        name = shown.name.upper()
        if _(name) != name:
            several = f"{_(name)}{'...' if shown.nargs != 1 else ''}"
            shown.metavar = several if shown.required else f"[{several}]"
    return shown
