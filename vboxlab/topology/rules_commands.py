"""Rules for commands that are run without a shell, wherever a topology has one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pydantic import BaseModel

from vboxlab.language import _
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject

KEYS = ("run", "undo", "unless", "check")
"""The keys that hold a command: a list of its words, or a text that its model splits into `argv`."""
_OPERATORS = frozenset(("|", "||", "&&", "&", ">", ">>", "<", "2>", "2>>", "2>&1", "&>", ">/dev/null", "2>/dev/null"))
_SHELLS = frozenset(("sh", "bash", "dash"))


def without_shell(subject: Subject) -> Iterator[Problem]:
    """no-shell (a warning): what only a shell makes something of is a word like others for a command without one."""
    found = [
        *(_commands(step, ("verify", "steps", index)) for index, step in enumerate(subject.topology.verify.steps)),
        *(_commands(role, place) for _machine, role, place in subject.roles()),
    ]
    for words, place in (each for commands in found for each in commands):
        for word in words:
            if word in _OPERATORS and words[0].rpartition("/")[2] not in _SHELLS:
                message = _(
                    "no shell runs this, so `{program}` is given `{word}` as a word; expected one command, or a list "
                    'such as `[sh, -c, "…"]`'
                ).format(program=words[0], word=word)
                yield subject.doubt("no-shell", place, message)
                break


def _commands(value: object, place: Place) -> Iterator[tuple[tuple[str, ...], Place]]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            inner, where = getattr(value, name), (*place, field.alias or name)
            words = _words(value, inner) if name in KEYS else ()
            if words:
                yield words, where
            else:
                yield from _commands(inner, where)
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _commands(inner, (*place, index))


def _words(model: BaseModel, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            words = tuple(shlex.split(value))
        except ValueError:  # which is told by others
            return ()
        return words if words == getattr(model, "argv", None) else ()
    is_list = isinstance(value, tuple) and all(isinstance(word, str) for word in value)
    return value if is_list else ()  # type: ignore[return-value]
