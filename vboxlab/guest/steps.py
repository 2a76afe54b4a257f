"""The steps of somebody who types, as lines of Markdown."""

from __future__ import annotations

from vboxlab.guest.resources import File
from vboxlab.guest.wording import Texts, block, say
from vboxlab.language import Language

SECRET = "<secret>"  # noqa: S105 -- what is shown in the place of one


class Steps:
    """Collects steps as lines of Markdown; commands that follow each other share a block."""

    def __init__(self, texts: Texts, language: Language) -> None:
        self.lines: list[str] = []
        self._texts = texts
        self._language: Language = language
        self._commands: list[str] = []

    def say(self, key: str, **values: object) -> None:
        """Add a paragraph."""
        self._flush()
        self.lines += [say(self._texts, key, self._language, **values), ""]

    def check(self, key: str, **values: object) -> None:
        """Add a paragraph that says what is to be seen."""
        self.say("check", what=say(self._texts, key, self._language, **values))

    def word(self, key: str) -> str:
        """Return a word of the language."""
        return say(self._texts, key, self._language)

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
    """Return what a file holds, with a mark in the place of a secret."""
    return file.content if isinstance(file.content, str) else file.content.filled(SECRET)
