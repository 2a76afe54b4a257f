"""The connection to VirtualBox: loading the binding, names for its numbers, and its errors as failures."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker.protocol import CONNECTING, LOADING, Failure, Progress
from vboxlab.hypervisor.virtualbox.worker.pulse import Signs
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatim, verbatims
from vboxlab.hypervisor.virtualbox.worker.versions import Differences, differences_of

# Result codes that say that VBoxSVC is gone: XPCOM's and COM's aborted, call failed, server unavailable, disconnected,
# and XPCOM's of a pipe whose other end is gone (nsError.h, NS_ERROR_MODULE_BASE: stream closed, system error, would
# block; the last was seen when the service was killed between two calls).
DEAD = frozenset({0x80004004, 0x800706BE, 0x800706BA, 0x80010108, 0x80470002, 0x80470003, 0x80470007})

# What every call on an object answers that its owner has let go, such as a disk that was closed since it was listed:
# E_ACCESSDENIED (VirtualBox's src/VBox/Main/src-all/AutoCaller.cpp, ObjectState::addCaller).
GONE = 0x80070005


def load_binding(folder: str) -> Any:
    """Import vboxapi, from the given folder ("" for wherever the interpreter finds it).

    VBOX_PROGRAM_PATH and VBOX_SDK_PATH must be set before. Raises Failure.
    """
    python = sys.version.split()[0]
    try:
        module = _import_from(folder) if folder else importlib.import_module("vboxapi")
    except Exception as error:  # whatever a package raises that was made for another Python
        problem = f"{type(error).__name__}: {error}"
        raise Failure("binding", Told("binding-not-loaded", {"python": python, "problem": problem})) from error
    if module is None:
        raise Failure("binding", Told("no-binding-there", {"python": python, "folder": folder}))
    return module


def _import_from(folder: str) -> Any:
    start = Path(folder) / "__init__.py"
    spec = importlib.util.spec_from_file_location("vboxapi", str(start), submodule_search_locations=[folder])
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules["vboxapi"] = module
    spec.loader.exec_module(module)
    return module


class Connection:
    """VirtualBox as this process sees it. Usable from several threads."""

    def __init__(
        self,
        binding_folder: str = "",
        *,
        patience: float = 20.0,
        engine: str = "",
        signs: Signs | None = None,
        begun: Callable[[Told], None] = lambda _told: None,
    ) -> None:
        """Connect. `patience` is how long (seconds) to wait for a lock that somebody else holds.

        `signs` are given while calls get on, `begun` is told what is begun that may never end.
        """
        self._signs = signs or Signs()
        begun(LOADING)
        module = load_binding(binding_folder)
        begun(CONNECTING)
        try:
            self.manager = module.VirtualBoxManager(None, None)
        except Exception as error:  # xpcom raises a bare Exception where no library of its fits the interpreter
            # On Windows it is the service that does not come (pywin32's com_error).
            kind = "dead" if type(error).__name__ == "com_error" else "binding"
            raise Failure(kind, Told("binding-does-not-start", {"problem": str(error)})) from error
        self.binding = str(Path(module.__file__).parent)
        self.patience = patience
        self.engine = engine
        self.constants = self.manager.constants
        self.api_error: Any = self.manager.oXcptClass
        self._names: dict[str, dict[int, str]] = {}
        self._local = threading.local()
        self._local.vbox = self._connect()
        self._know_sessions()
        self.version: str = self.vbox.version
        self.differences: Differences
        self.differences, self.warning = differences_of(self.version)

    def _connect(self) -> Any:
        with self.errors(Told("connecting")):
            vbox = self.manager.getVirtualBox()
        if vbox is None:
            raise Failure("dead", Told("service-silent"))
        return vbox

    def _know_sessions(self) -> None:
        """Let the binding find out what a session can do while there is one thread.

        Where several threads make XPCOM's first session at once, it may tell none of them, and for as long as the
        process lives, which interfaces a session has (2 to 8 of 400 processes with 8 threads, VirtualBox 7.2).
        """
        with self.errors(Told("connecting")):
            _ = self.session().state

    @property
    def vbox(self) -> Any:
        """Return IVirtualBox for this thread: COM objects must not be shared between threads."""
        if not hasattr(self._local, "vbox"):
            with self.errors(Told("attaching-thread")):
                self.manager.initPerThread()
            self._local.vbox = self._connect()
        return self._local.vbox

    def is_alive(self) -> bool:
        """Tell whether the service still answers."""
        try:
            return bool(self.vbox.version)
        except self.api_error:
            return False

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds, which is no sign of a call that hangs."""
        self.sign()
        time.sleep(seconds)

    def sign(self) -> None:
        """Say that this thread's call gets on."""
        self._signs.sign()

    def array(self, owner: Any, attribute: str) -> list[Any]:
        """Return an attribute that is an array: the two bindings differ in how it is read."""
        self.sign()  # long lists are many calls, and none of them may take long
        return list(self.manager.getArray(owner, attribute) or [])

    def set_array(self, owner: Any, attribute: str, values: list[Any]) -> None:
        """Set an attribute that is an array."""
        self.manager.setArray(owner, attribute, values)

    def session(self) -> Any:
        """Return a new, unlocked session."""
        return self.manager.getSessionObject(self.vbox)

    def name_of(self, enumeration: str, value: int) -> str:
        """Return an enumeration value's name. Aliases such as FirstOnline are never returned."""
        if enumeration not in self._names:
            named = self.constants.all_values(enumeration)
            aliases = ("First", "Last")
            self._names[enumeration] = {number: name for name, number in named.items() if not name.startswith(aliases)}
        return self._names[enumeration].get(value, f"unknown {value}")

    def value_of(self, enumeration: str, name: str) -> Any:
        """Return an enumeration value by its name. Raises Failure where this VirtualBox lacks it."""
        try:
            return getattr(self.constants, f"{enumeration}_{name}")
        except AttributeError:
            raise Failure("version", Told("no-such-value", {"enumeration": enumeration, "name": name})) from None

    def failure(self, error: BaseException, doing: Told) -> Failure:
        """Return an error of the binding as a failure: of kind "dead" when VBoxSVC is gone."""
        code = int(self.manager.xcptGetStatus(error) or 0) & 0xFFFFFFFF
        text = str(self.manager.xcptGetMessage(error) or error)
        return Failure("dead" if code in DEAD else "api", verbatim(text), result_code=code, details=[_while(doing)])

    @contextlib.contextmanager
    def unless_gone(self) -> Iterator[None]:
        """Let a block end where it meets an object that is gone since it was listed."""
        try:
            yield
        except self.api_error as error:
            if self.failure(error, Told("listing")).result_code != GONE:
                raise

    @contextlib.contextmanager
    def errors(self, doing: Told) -> Iterator[None]:
        """Turn the binding's errors into failures that say what was being done."""
        try:
            yield
        except self.api_error as error:
            raise self.failure(error, doing) from error

    def wait(self, progress: Any, doing: Told, report: Progress | None = None, *, moves: bool = False) -> None:
        """Wait for an IProgress; a failed one does not raise by itself. Raises Failure with its chain of errors.

        One that `moves` gets on only as long as its percentage does: it stands for another process, which may hang.
        """
        percent = -1
        with self.errors(doing):
            progress.waitForCompletion(200)
            while not progress.completed:
                seen, percent = percent, int(progress.percent)
                if percent != seen or not moves:
                    self.sign()
                if report is not None:
                    report(doing, percent)
                progress.waitForCompletion(200)
            if report is not None:
                report(doing, 100)
            code = int(progress.resultCode) & 0xFFFFFFFF
            if code == 0:
                return
            texts: list[str] = []
            info = progress.errorInfo
            while info is not None and len(texts) < 8:
                texts.append(str(info.text))
                info = info.next
        told = verbatim(texts[0]) if texts else Told("failed-with", {"result_code": code})
        details = [*verbatims(texts[1:]), _while(doing)]
        raise Failure("dead" if code in DEAD else "api", told, result_code=code, details=details)


def _while(doing: Told) -> Told:
    return Told("while", {"doing": doing})
