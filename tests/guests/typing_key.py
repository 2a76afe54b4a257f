"""The answer key of a machine as a student works it off: its files are edited, its commands are typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

SECRET = "<secret>"
_FENCE = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
_EDITED = re.compile(r"(?:Edit|What) \*\*`(?P<path>[^`]+)`\*\*")
# Not typed: the VM is there, the mirrors are not within reach, nobody answers questions or waits for a browser's page.
_LEFT_OUT = ("apt update", "passwd ", "scp ", "VBoxManage ")


@dataclass(frozen=True)
class Edited:
    """A file with the text that it gets."""

    path: str
    text: str

    def typed(self) -> str:
        """Return how it is written."""
        # scp -p, which the key has a student type, would have kept the mode of the master's file.
        mode = "chmod 600" if self.path.endswith("authkeys") else "chmod 644"
        path = shlex.quote(self.path)
        return f"cat >{path} <<'END OF FILE'\n{self.text}END OF FILE\n{mode} {path}\n"


Typed = Edited | str


def steps_of(key: str, secret: str) -> Iterator[Typed]:
    """Yield what a student does, in the order of the key: files, and commands."""
    for found in _FENCE.finditer(key.replace(SECRET, secret)):
        before, kind, text = found["before"], found["kind"], found["text"]
        edited = _EDITED.match(before)
        if edited:
            yield Edited(edited["path"], text)
        elif kind == "sh" and not before.startswith("Check:"):
            yield "".join(line for line in text.splitlines(keepends=True) if not line.startswith(_LEFT_OUT))


def script(steps: Iterable[Typed], change: Callable[[Edited], Edited] = lambda edited: edited) -> str:
    """Return one shell script that does the steps; `change` says what a student writes in the place of a text."""
    return "set -e\n" + "".join(change(step).typed() if isinstance(step, Edited) else step for step in steps)
