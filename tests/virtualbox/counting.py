"""Stands for the interpreter of a worker, and counts the calls of VirtualBox's API that the worker makes.

    counting.py FILE -c PROGRAM ARGUMENTS

runs the program as Python would. When it ends, it adds a line of JSON to the file: how many requests it had, and how
many calls of the API each kind of request made. Nothing of ours is replaced: it is XPCOM's way out that counts.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

# How often these are called depends on how long VirtualBox takes.
WAITING = frozenset({"waitForCompletion", "completed", "percent", "state", "sessionState"})


class Calls:
    """What was counted: API calls by kind of request ("": none), and the requests that made any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: Counter[str] = Counter()
        self._requests: dict[int, str] = {}

    def count(self, frame: FrameType) -> None:
        """Count a call that a frame of XPCOM's Python code makes."""
        called = frame.f_code.co_name
        if called in ("__getattr__", "__setattr__"):
            called = frame.f_locals["attr"]
        request = _request_of(frame)
        if called in WAITING or (request is None and threading.current_thread() is not threading.main_thread()):
            return
        with self._lock:
            self._made[request.call if request is not None else ""] += 1
            if request is not None:
                self._requests[request.id] = request.call

    def write(self, file: str) -> None:
        """Add what was counted to a file."""
        with self._lock, Path(file).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"calls": self._made, "requests": Counter(self._requests.values())}) + "\n")


def _request_of(frame: FrameType | None) -> Any:
    """Return the request that the worker's server answers in a thread, None for what it does by itself."""
    while frame is not None:
        if frame.f_code.co_name == "_answered":
            return frame.f_locals["request"]
        frame = frame.f_back
    return None


def main() -> None:
    file, _option, program, *arguments = sys.argv[1:]
    sys.path += [f"{os.environ['VBOX_SDK_PATH']}/bindings/xpcom/python/", os.environ["VBOX_PROGRAM_PATH"]]
    import_module("xpcom.vboxxpcom")  # finds the library, without which nothing else of xpcom can be imported
    client: Any = import_module("xpcom.client")
    calls, call, leave = Calls(), client.XPTC_InvokeByIndex, os._exit

    def counted(*what: Any) -> Any:
        calls.count(sys._getframe(1))
        return call(*what)

    def left(code: int) -> None:
        calls.write(file)
        leave(code)

    client.XPTC_InvokeByIndex = counted
    os._exit = left  # type: ignore[assignment]
    sys.argv = ["-c", *arguments]
    exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
