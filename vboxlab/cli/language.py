"""The language of what students read: asked for, set, or the locale's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from vboxlab.language import Language
    from vboxlab.settings import Settings


def language(asked: str | None, settings: Settings, environ: Mapping[str, str] = os.environ) -> Language:
    """Return the language asked for, else that of the settings, else the locale's, else English.

    The locale is that for messages: LC_ALL, then LC_MESSAGES, then LANG (POSIX, "Environment Variables"); a host that
    sets none of them, as Windows does, is asked.
    """
    if asked is not None:
        return cast("Language", asked)
    if settings.language is not None:
        return settings.language
    named = next((environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(key)), None)
    return "fr" if (named if named is not None else _host_locale()).lower().startswith("fr") else "en"


def _host_locale() -> str:
    import locale

    try:
        return locale.getlocale()[0] or ""
    except ValueError:
        return ""
