"""What a topology leaves to a student: `exercise:` names the stages and machines that he does by himself.

exercise:
  stages: [web, heartbeat]
  machines: [srv-web, srv-web-bis]
  text: {fr: "Vous êtes …", en: "You are …"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters

# The stage that an exercise ends in, and the snapshot set that is taken of it: what `reset` goes back to.
EXERCISE = "exercise"

Language = Literal["en", "fr"]
Words = Annotated[
    str | dict[Language, str], Field(description="a text, or one for each language: {en: …, fr: …}; Markdown")
]
"""What students read: a text, or one a language."""


def words_in(words: str | Mapping[Language, str], language: str) -> str:
    """Return a text in a language, else in the first one that there is."""
    if isinstance(words, str):
        return words
    for spoken, text in words.items():
        if spoken == language:
            return text
    return next(iter(words.values()), "")


class Exercise(Parameters):
    """What the student does: these stages of these machines are left undone by `up --exercise`."""

    stages: tuple[str, ...] = Field(default=(), description="stages that are left undone; default: all")
    machines: tuple[str, ...] = Field(
        default=(), description="machines on which they are; default: all that have something to do in them"
    )
    initial: Literal["given", "left"] | None = Field(
        default=None,
        description=(
            "given: host name, addresses and resolver of these machines are as the topology says; left: they are the "
            "student's too; default: left where a machine's first stage is"
        ),
    )
    text: Words = Field(default="", description="what the sheet says before the questions")
