"""The language that users are spoken to in: sentences are English in the code, others come from gettext catalogues.

`_` translates where a sentence is told; `N_` only marks one that is told elsewhere, as a constant or the help of an
option. Values go in after the translation, by name, so that a translator may reorder them:
`_("{machine} is off").format(machine=name)`.
"""

from __future__ import annotations

import gettext
import locale
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DOMAIN = "vboxlab"
CATALOGUES = Path(__file__).parent / "locale"
_KEEP = "\b\n"
_FRENCH_OF_WINDOWS = 0x0C  # LANG_FRENCH, the primary language of a LANGID (Microsoft, "Language Identifier Constants")


class _Speech:
    """The language of this process, and the folders that its catalogues are taken from, the first one first."""

    language: Language = "en"
    folders: tuple[Path, ...] = (CATALOGUES,)
    read: tuple[Mapping[Language, gettext.NullTranslations], ...] = ()
    catalogue: gettext.NullTranslations = gettext.NullTranslations()

    def load(self) -> None:
        first, *others = (gettext.translation(DOMAIN, each, [self.language], fallback=True) for each in self.folders)
        for other in (*others, *(each[self.language] for each in self.read if self.language in each)):
            first.add_fallback(other)
        self.catalogue = first


_speech = _Speech()


def _(text: str) -> str:
    """Return a sentence in the language spoken; as it is where no catalogue has it."""
    return _speech.catalogue.gettext(text) if text else text


def C_(context: str, text: str) -> str:  # noqa: N802 -- gettext's customary name
    """Return a word in the language spoken, as it is said in a context that tells two meanings apart."""
    return _speech.catalogue.pgettext(context, text)


def n_(one: str, many: str, count: int) -> str:
    """Return the form of a sentence that fits a number, in the language spoken; the number itself is put in later."""
    return _speech.catalogue.ngettext(one, many, count)


def N_(text: str) -> str:  # noqa: N802 -- gettext's customary name
    """Mark a sentence for the catalogues; whoever tells it calls `_` with it."""
    return text


def NC_(_context: str, text: str) -> str:  # noqa: N802 -- gettext's customary name
    """Mark a word for the catalogues; whoever tells it calls `C_` with it and the same context."""
    return text


def paragraphs(text: str) -> list[tuple[str, str]]:
    """Return the paragraphs of a cleaned docstring as sentences of their own, each after the mark that click wants.

    The mark is empty, and the paragraph on one line, but for one whose lines are kept (click's documentation,
    "Preventing Rewrapping").
    """
    parts = (part.strip("\n") for part in text.strip().split("\n\n"))
    return [(_KEEP, part.removeprefix(_KEEP)) if part.startswith(_KEEP) else ("", " ".join(part.split()))
            for part in parts if part]  # fmt: skip


def add(folder: Path) -> None:
    """Take sentences from one more folder of catalogues (LANGUAGE/LC_MESSAGES/vboxlab.mo), as a role's is.

    One that cannot be read is left out, and what gettext raises of it is raised (OSError, ValueError, struct.error).
    """
    before = _speech.folders
    if folder in before:
        return
    _speech.folders = (*before, folder)
    try:
        _speech.load()
    except Exception:
        _speech.folders = before
        raise


def add_read(catalogues: Mapping[Language, gettext.NullTranslations]) -> None:
    """Take sentences from catalogues that have been read already, by language."""
    if catalogues:
        _speech.read = (*_speech.read, catalogues)
        _speech.load()


def speak(language: Language) -> None:
    """Let all that is told from now on be told in a language, click's own words included.

    click takes its words by the standard library's gettext, which looks at LANGUAGE first (its documentation, "find");
    programs that vboxlab starts do not get that variable (vboxlab.programs.environment).
    """
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain("click", str(CATALOGUES))
    gettext.textdomain("click")
    _speech.language = language
    _speech.load()


def spoken() -> Language:
    """Return the language that users are spoken to in."""
    return _speech.language


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Speak a language for a while, then the one before."""
    before = spoken()
    speak(language)
    try:
        yield
    finally:
        speak(before)


def language_of(asked: str | None, environ: Mapping[str, str] = os.environ) -> Language:
    """Return the language that was asked for or set, else the locale's, else English.

    The locale is that for messages: LC_ALL, then LC_MESSAGES, then LANG (POSIX, "Environment Variables"); a host that
    sets none of them, as Windows does, is asked.
    """
    if asked in LANGUAGES:
        return asked
    named = next((environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(key)), None)
    return "fr" if (_host_language() if named is None else named).lower().startswith("fr") else "en"


def _host_language() -> str:
    if sys.platform == "win32":
        import ctypes

        primary = ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF
        return "fr" if primary == _FRENCH_OF_WINDOWS else ""
    try:
        return locale.getlocale()[0] or ""
    except ValueError:
        return ""
