"""What is asked on the terminal before work is thrown away."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vboxlab.cli import output
from vboxlab.errors import UsageError
from vboxlab.language import _


def confirm(question: str) -> None:
    """Ask before something is lost. Raises UsageError where nobody can answer, click.Abort for a no."""
    if not sys.stdin.isatty():
        what = question.removesuffix("?").rstrip()
        raise UsageError(_("will not {what} without asking").format(what=what), resolution=_("add --yes"))
    with _ctrl_c_ends_it():
        output.ask(question)


def ask(question: str, default: str, fault: Callable[[str], str]) -> str:
    """Ask until there is nothing wrong with the answer. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(
            _("{question}: there is no terminal to ask on").format(question=question), resolution=_("add --yes")
        )
    while True:
        answer = output.ask_line(question, default)
        if not (wrong := fault(answer)):
            return answer
        output.remark(wrong)


@contextmanager
def _ctrl_c_ends_it() -> Iterator[None]:
    """Let Ctrl-C mean no, also where it stops running actions gently: as long as the question stands, none runs."""
    if threading.current_thread() is not threading.main_thread():  # only that one is interrupted
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
