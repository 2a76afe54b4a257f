"""Doing the same in several threads, and what Ctrl-C and errors do to it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from vboxlab.waiting import in_threads


def test_results_come_in_the_order_of_the_things_and_no_more_than_so_many_at_once() -> None:
    lock = threading.Lock()
    running, most = 0, 0

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01 * (5 - number))
        with lock:
            running -= 1
        return number * number

    assert in_threads(work, range(5), width=2) == [0, 1, 4, 9, 16]
    assert most == 2
    assert in_threads(work, [], width=0) == []


def test_an_error_passes_through_once_what_is_under_way_has_ended_and_the_rest_never_begins() -> None:
    begun: list[int] = []
    ended: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            time.sleep(0.05)
            raise ZeroDivisionError
        time.sleep(0.3)
        ended.append(number)

    with pytest.raises(ZeroDivisionError):
        in_threads(work, range(20), width=2)
    assert ended == begun[1:]
    assert len(begun) < 20


# Whoever starts tests in a shell's background has them started with SIGINT ignored.
INTERRUPTED = """
import signal, sys, time
from vboxlab.waiting import in_threads
signal.signal(signal.SIGINT, signal.default_int_handler)
def work(number):
    print("begun", number, flush=True)
    time.sleep(1)
    print("ended", number, flush=True)
try:
    in_threads(work, range(4), width=1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_lets_what_runs_end_and_begins_nothing_more() -> None:
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun 0\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.read().splitlines() == ["ended 0", "interrupted"]
