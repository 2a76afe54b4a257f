"""hostname(5) as systemd 252 reads it (`src/basic/hostname-util.c`): process 1 at boot, and hostnamed.

The first line that is neither empty nor a comment counts. Signs that no name may have are dropped without a word, and
a name is cut at 64.
"""

from __future__ import annotations

import re

MAX_LENGTH = 64  # HOST_NAME_MAX
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def read(data: bytes) -> tuple[int, str] | None:
    """Return the line and the name that a file gives, None where it gives none."""
    # A line ends at a line feed, a carriage return, both, or a null character.
    for number, line in enumerate(re.split(rb"\r\n|\n\r|\n|\r|\0", data), 1):
        text = line.strip(b" \t")
        if text and not text.startswith(b"#"):
            name = _cleaned(text)
            return (number, name) if _is_valid(name) else None
    return None


def _cleaned(text: bytes) -> str:
    """Return what is left of a name without the signs that none may have."""
    kept = bytearray()
    after_dot = after_hyphen = True
    for byte in text:
        if len(kept) >= MAX_LENGTH:
            break
        if byte in b".":
            if after_dot or after_hyphen:
                continue
            after_dot, after_hyphen = True, False
        elif byte in b"-":
            if after_dot:
                continue
            after_dot, after_hyphen = False, True
        elif byte in _LETTERS:
            after_dot = after_hyphen = False
        else:
            continue
        kept.append(byte)
    if kept.endswith((b".", b"-")):
        kept.pop()
    return kept.decode("ascii")


def _is_valid(name: str) -> bool:
    """Tell whether a cleaned name is one that systemd takes."""
    labels = name.removesuffix(".").split(".")
    return all(label and not label.startswith("-") and not label.endswith("-") for label in labels)
