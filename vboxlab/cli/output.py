"""The only printer: everything that vboxlab writes to the terminal goes through here."""

from __future__ import annotations

import codecs
import io
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from vboxlab.credentials import redacted
from vboxlab.events import ActionFailed, ActionFinished, ActionProgress, ActionStarted, Event, EventSink, Note
from vboxlab.harmless import for_json, for_terminal
from vboxlab.language import C_, _

if TYPE_CHECKING:
    from vboxlab.errors import VboxlabError

_lock = threading.Lock()
# What French is set with, for a terminal whose encoding lacks it: plain `fr_FR` is ISO 8859-1 (glibc's SUPPORTED).
_SUBSTITUTES = {"’": "'", "…": "...", "œ": "oe", "Œ": "OE", "›": ">"}


def show_what_can_be_shown() -> None:
    """Let a character that the terminal's encoding lacks be shown as another, and never be an error."""
    codecs.register_error("vboxlab", _substituted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "backslashreplace"):
            stream.reconfigure(errors="vboxlab")


def _substituted(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_SUBSTITUTES.get(each, "?") for each in lacking), error.end


def say(text: str = "") -> None:
    """Print a line on standard output."""
    with _lock:
        click.echo(for_terminal(text))


def remark(text: str, *, sign: str = "") -> None:
    """Print a line on standard error: progress and hints that are no result. Users and passwords in URLs are hidden."""
    with _lock:
        click.echo(sign + for_terminal(redacted(text)), err=True)


def timed_progress(started: float) -> EventSink:
    """Return what prints progress with the seconds since `started` (of time.monotonic) before it."""

    def show(event: Event) -> None:
        if isinstance(event, ActionProgress):
            mark = "" if event.percent is None else f"{event.percent:3} % "
            remark(f"{time.monotonic() - started:5.0f} s  {mark}{event.text}")

    return show


def clear() -> None:
    """Clear the terminal, where standard output is one."""
    with _lock:
        click.clear()


def ask_secret(what: str) -> str:
    """Ask for a secret on the terminal without showing what is typed. Raises UsageError where there is no terminal."""
    from vboxlab.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            _("{what}: there is no terminal to ask on").format(what=what),
            resolution=_("give env:VARIABLE or a file instead"),
        )
    return str(click.prompt(_("{subject}:").format(subject=what), hide_input=True, prompt_suffix=" ", err=True))


def say_json(data: Any) -> None:
    """Print plain data as JSON on standard output."""
    say(for_json(json.dumps(data, indent=2, ensure_ascii=False, default=str)))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headers, columns aligned; nothing is wrapped or cut so that the text can be piped."""
    cells = [list(headers), *(list(row) for row in rows)]
    widths = [max(len(str(row[column])) for row in cells) for column in range(len(headers))]
    for row in cells:
        say("  ".join(f"{cell!s:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def show_error(error: VboxlabError, *, as_json: bool = False) -> None:
    """Print an expected error: what failed, the evidence, what to do."""
    if as_json:
        record = {"error": type(error).__name__, "brief": error.brief, "details": list(error.details)}
        say(for_json(json.dumps({**record, "resolution": error.resolution}, ensure_ascii=False)))
        return
    remark(f" {error.brief}", sign=click.style(_("error:"), fg="red", bold=True))
    for detail in error.details:
        remark(f"  {detail}")
    if error.resolution:
        remark(f"  -> {error.resolution}")


class PlainProgress:
    """Shows events as one line each: for pipes, logs and CI."""

    def __call__(self, event: Event) -> None:  # noqa: D102
        text = _line(event)
        if text:
            remark(text)

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_exception: object) -> None:
        return None


class JsonProgress(PlainProgress):
    """Shows events as JSON lines on standard output."""

    def __call__(self, event: Event) -> None:  # noqa: D102
        line = {"event": type(event).__name__, **event.__dict__}
        say(for_json(json.dumps(line, ensure_ascii=False, default=str)))


class LiveProgress:
    """Shows running actions as a live block on a terminal, finished ones as lines above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, highlight=False)
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._tasks: dict[str, Any] = {}
        self._titles: dict[str, str] = {}

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        _SHOWN.append(self)
        return self

    def __exit__(self, *_exception: object) -> None:
        _SHOWN.remove(self)
        self._progress.stop()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the live block off the terminal while something else is shown there."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def __call__(self, event: Event) -> None:  # noqa: D102
        if isinstance(event, ActionStarted):
            self._titles[event.action] = _told(event)
            title = for_terminal(self._titles[event.action])
            self._tasks[event.action] = self._progress.add_task(title, total=None)
        elif isinstance(event, ActionProgress):
            if event.action in self._tasks:
                percent = f" {event.percent} %" if event.percent is not None else ""
                text = f"{self._titles[event.action]} … {event.text}{percent}"
                self._progress.update(self._tasks[event.action], description=for_terminal(text))
        else:
            if isinstance(event, ActionFinished | ActionFailed) and event.action in self._tasks:
                self._progress.remove_task(self._tasks.pop(event.action))
            self._console.print(for_terminal(_line(event)), markup=False)


_SHOWN: list[LiveProgress] = []  # the live block on the terminal, if there is one


def ask(question: str) -> None:
    """Ask a question on the terminal; return for a yes, raise click.Abort for a no.

    click's own confirm takes only English answers.
    """
    hint, yes, no = C_("answers", "y/N"), C_("answer", "yes"), C_("answer", "no")
    with _SHOWN[-1].hidden() if _SHOWN else nullcontext():
        while True:
            asked = _("{subject}:").format(subject=f"{for_terminal(question)} [{hint}]")
            answer = click.prompt(asked, default="", show_default=False, prompt_suffix=" ", err=True)
            said = answer.strip().lower()
            if said in (yes, yes[:1], "yes", "y"):
                return
            if said in (no, no[:1], "no", "n", ""):
                raise click.Abort
            remark(_("Error: invalid input"))


def ask_line(question: str, default: str) -> str:
    """Ask for a line on the terminal; an empty one stands for the default, which is shown."""
    asked = _("{subject}:").format(subject=f"{for_terminal(question)} [{for_terminal(default)}]")
    return str(click.prompt(asked, default=default, show_default=False, prompt_suffix=" ", err=True)).strip()


def _line(event: Event) -> str:
    match event:
        case ActionFinished():
            text = _("{action}: {summary} ({seconds:.1f} s)") if event.summary else _("{action} ({seconds:.1f} s)")
            told = text.format(action=_told(event), summary=event.summary, seconds=event.seconds)
            sign = C_("action", "ok")
            return f"{sign:<8}{told}"
        case ActionFailed():
            text = _("{action} ({seconds:.1f} s): {reason}")
            told = text.format(action=_told(event), seconds=event.seconds, reason=event.reason)
            sign = C_("action", "FAILED")
            return f"{sign:<8}{told}"
        case Note():
            text = _("warning: {note}") if event.level == "warning" else _("note: {note}")
            return text.format(note=event.text)
        case ActionStarted():
            return f"{'...':<8}{_told(event)}"
        case ActionProgress():
            return ""


def _told(event: ActionStarted | ActionFinished | ActionFailed) -> str:
    return _("{subject}: {action}").format(subject=event.machine or _("lab"), action=event.title)


def progress(*, as_json: bool = False) -> PlainProgress | LiveProgress:
    """Return the way to show events that fits: JSON lines, live on a terminal, plain lines otherwise."""
    if as_json:
        return JsonProgress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()
