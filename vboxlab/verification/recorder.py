"""Writing the history of a verification as it happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from vboxlab.files import make_private_folder
from vboxlab.verification.history import AnyRecord, History


class Recorder:
    """Keeps the records of a run, and appends each to a file at once. It may be used from several threads.

    Where the file cannot be written any more, as on a full disk, the run goes on, and `trouble` is the error.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare. Without a path nothing is written."""
        self._clock, self._began = clock, clock()
        self._lock = threading.Lock()
        self._records: list[AnyRecord] = []
        self._file: IO[str] | None = None
        self.trouble: OSError | None = None
        if path is not None:
            make_private_folder(path.parent)
            self._file = path.open("x", encoding="utf-8")

    @property
    def began(self) -> float:
        """Return the moment of the monotonic clock that is 0 in the history."""
        return self._began

    def now(self) -> float:
        """Return how many seconds ago the run began."""
        return self._clock() - self._began

    def add(self, record: AnyRecord) -> None:
        """Keep a record."""
        with self._lock:
            self._records.append(record)
            if self._file is not None:
                try:
                    self._file.write(record.model_dump_json() + "\n")
                    self._file.flush()
                except OSError as error:
                    self.trouble = error
                    self._drop()

    def history(self) -> History:
        """Return what was recorded so far."""
        with self._lock:
            return History(tuple(self._records))

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what is left in its buffer cannot be written either
                self._file.close()
            self._file = None
