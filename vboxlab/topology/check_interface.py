"""The interface of a check that is not vboxlab's own: its parameters, what it asks, and how it judges.

It is a package that an entry point of the group `vboxlab.checks` names, as `NAME = "PACKAGE.check:CLASS"`, or a folder
`checks/NAME` beside a topology; its check.py has a class that derives from OutsideCheck:

    class QuoteCheck(OutsideCheck):
        \"\"\"A machine serves a quote.\"\"\"

        check: Literal["quote"]
        source: str = Field(alias="from")
        url: str

        @property
        def machines(self):
            return (self.source,)

        def summary(self):
            return f"{self.source} reads a quote at {self.url}"

        def observe(self, guests):
            return {"page": guests.request(self.source, self.url).text}

        def judge(self, seen):
            return passed(seen["page"]) if seen["page"] else failed("the page is empty")

What it observes is recorded first, as plain data, and judged afterwards: `observe` runs once an attempt, `judge`
whenever a report is made of it, also much later and elsewhere. A verification asks again until a check passes or its
`within` is over, as with all checks. check.py imports nothing of vboxlab but this module, the model of
parameters and the language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

from pydantic import model_validator

from vboxlab.language import _
from vboxlab.topology.code import NotFit, taken_for_a_reason
from vboxlab.topology.roles import INTERFACE
from vboxlab.topology.step import CheckStep

Seen = Mapping[str, Any]
"""What was observed: what JSON can hold (RFC 8259), by names."""


class Ran(NamedTuple):
    """A script that ended in a guest."""

    exit_code: int
    stdout: str
    stderr: str


class Answer(NamedTuple):
    """What became of a request: `ok`, `refused`, `timeout`, …; the status of a page, and the beginning of its text."""

    outcome: str
    status: int
    text: str


class Guests(Protocol):
    """What a check may ask of the machines that it names in `machines`. What it asks and is told becomes its evidence.

    Errors of a guest that is not reached pass through a check: the verification deals with them.
    """

    def run(self, machine: str, script: str, *, root: bool = False) -> Ran:
        """Run a POSIX sh script in a machine, and return what it printed. Values in it are quoted with shlex.quote."""

    def request(self, machine: str, url: str, *, timeout: float = 5.0) -> Answer:
        """Ask from a machine for http://HOST/PATH, tcp://HOST:PORT, dns://SERVER/NAME or ping://HOST.

        The time-out is in seconds, and stretched by --time-scale.
        """


class Verdict(NamedTuple):
    """What a check came to, in a line for people."""

    outcome: Literal["passed", "failed", "unclear"]
    text: str


def passed(text: str = "") -> Verdict:
    """Return that the statement was found true, and what shows it."""
    return Verdict("passed", text)


def failed(text: str) -> Verdict:
    """Return that the statement was found false, and what is wrong."""
    return Verdict("failed", text)


def cannot_tell(text: str) -> Verdict:
    """Return that nothing was found out, and why: a program that did not run has proved nothing."""
    return Verdict("unclear", text)


class OutsideCheck(CheckStep):
    """A check: its parameters are the model's fields, and `check` is a Literal of its name."""

    check: str

    made_for: ClassVar[int] = INTERFACE
    """The version of the interface that it is made for; a check of a distribution of its own says it as a number."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        """Tell what fails in somebody else's code where the topology uses it."""
        try:
            with taken_for_a_reason():
                wrong = [each for each in (*self.machines, self.summary()) if not isinstance(each, str)]
        except NotFit as why:
            raise ValueError(why.told()) from None
        if wrong:
            raise ValueError(_("it names {value}; expected names of machines").format(value=repr(wrong[0])))
        return self

    def observe(self, guests: Guests) -> Seen:
        """Ask the guests, and return what was seen; nothing is judged here."""
        raise NotImplementedError

    def judge(self, seen: Seen) -> Verdict:
        """Return what follows from what was seen. Pure: the same always comes to the same."""
        raise NotImplementedError
