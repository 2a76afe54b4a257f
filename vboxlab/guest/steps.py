"""The steps of somebody who types, as lines of Markdown."""

from __future__ import annotations

from vboxlab.guest.resources import HIDDEN_SECRET, File
from vboxlab.guest.wording import block
from vboxlab.language import _

SECRET = HIDDEN_SECRET


class Steps:
    """Collects steps as lines of Markdown; commands that follow each other share a block."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._commands: list[str] = []

    def say(self, text: str) -> None:
        """Add a paragraph, in the language spoken."""
        self._flush()
        self.lines += [text, ""]

    def check(self, text: str) -> None:
        """Add a paragraph of what is to be seen, in the language spoken."""
        self.say(_("Check: {what}").format(what=text))

    def run(self, *commands: str) -> None:
        """Add commands to type."""
        self._commands += commands

    def show(self, content: str, kind: str = "text") -> None:
        """Add what a file holds."""
        self._flush()
        self.lines += [*block(content, kind), ""]

    def finished(self) -> list[str]:
        """Return all lines."""
        self._flush()
        return self.lines

    def _flush(self) -> None:
        if self._commands:
            self.lines += [*block("\n".join(self._commands), "sh"), ""]
            self._commands = []


def content_of(file: File) -> str:
    """Return what a file holds, with marks in the places of secrets."""
    return file.content if isinstance(file.content, str) else file.content.shown()
