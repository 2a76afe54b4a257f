"""Questions at the terminal."""

from __future__ import annotations

import io
import signal
import sys

import click
import pytest

from vboxlab.cli.questions import confirm
from vboxlab.cli.terminal import Terminal
from vboxlab.errors import UsageError


class Keyboard(io.TextIOBase):
    """A terminal at which somebody presses Ctrl-C before he types an answer."""

    def isatty(self) -> bool:
        return True

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        del size
        signal.raise_signal(signal.SIGINT)
        return "y\n"


def test_ctrl_c_at_a_question_is_no_also_where_it_stops_running_actions_gently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard())
    terminal = Terminal()
    with terminal.heeding_stop():
        gently = signal.getsignal(signal.SIGINT)
        with pytest.raises(click.Abort):
            terminal.confirm("throw away what was done?")
        assert signal.getsignal(signal.SIGINT) is gently
    assert not terminal.stop.is_set()


def test_where_nobody_can_answer_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="will not throw away what was done without asking"):
        confirm("throw away what was done?")
