"""What a file of a guest holds, of the text that a topology or a template says: the one place that knows of holes."""

from __future__ import annotations

from vboxlab.guest.resources import SecretText


def filled(text: str) -> str | SecretText:
    """Return the content of a file that a topology describes by its text."""
    return text
