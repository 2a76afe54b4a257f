"""The worker's other end: start it, call it, and start another when it or VirtualBox's service dies."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from vboxlab import programs
from vboxlab.errors import DriverError, DriverUnavailable
from vboxlab.files import make_private_folder, opened_privately, read_json, write_durably
from vboxlab.hypervisor.driver import Progress, no_progress
from vboxlab.hypervisor.virtualbox.failures import to_error
from vboxlab.hypervisor.virtualbox.readiness import (
    INSTALL_HINT,
    Binding,
    Installation,
    binding_hint,
    find_bindings,
    find_installation,
    installed_version,
)
from vboxlab.hypervisor.virtualbox.worker.presence import CLIENT, Presence
from vboxlab.hypervisor.virtualbox.worker.protocol import (
    Failure,
    Message,
    Progressed,
    Reply,
    Request,
    decode_message,
    encode,
)

START_TIMEOUT = 40.0  # a cold VBoxSVC takes a second or two
SILENCE_TIMEOUT = 180.0  # seconds without a word from the worker before it is given up
ATTEMPTS = 3
# VBoxSVC ends five seconds after its last client, and with it what it remembers of a client that was killed.
SERVICE_LINGERS = 7.0
FINAL = ("version", "registry", "registry-gone")  # failures to start that another interpreter meets as well
LOG = "worker.log"
PRESENCE = "presence"
PACKAGE = Path(__file__).parents[3]
# The worker's interpreter may lack what vboxlab's other packages import, so their __init__ modules are stood in for.
# Its path begins with the current folder (it may be too old for -P, and -I would hide what a user installed for
# himself), so nothing but sys is imported before that is gone: entries that do not begin with a root or a drive.
BOOTSTRAP = """
import sys
sys.path[:] = [entry for entry in sys.path if entry[:1] in ("/", "\\\\") or entry[1:3] in (":\\\\", ":/")]
import types
root, names = sys.argv[1], ["vboxlab", "hypervisor", "virtualbox"]
for depth in range(len(names)):
    module = types.ModuleType(".".join(names[: depth + 1]))
    module.__path__ = ["/".join([root, *names[: depth + 1]])]
    sys.modules[module.__name__] = module
from vboxlab.hypervisor.virtualbox.worker.main import main
main(sys.argv[2:])
"""


class WorkerGone(Exception):
    """The worker ended or fell silent: nobody knows whether the call took effect."""


class Worker:
    """One worker process. Raises OSError when its interpreter does not start."""

    def __init__(
        self, binding: Binding, argv: list[str], environment: Mapping[str, str], folder: Path, working: Path
    ) -> None:
        token = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        make_private_folder(folder / PRESENCE)
        self._presence = Presence(folder / PRESENCE, CLIENT, token)
        known = ["--binding", binding.folder, "--folder", str(folder / PRESENCE), "--token", token]
        try:
            with open(folder / LOG, "ab", opener=opened_privately) as errors:
                self._process = programs.start(
                    [binding.interpreter, "-c", BOOTSTRAP, str(PACKAGE), *known, *argv],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                    cwd=working,  # always there: VirtualBox's service lives on in it
                    # Ctrl-C must not reach the worker, nor VBoxSVC and the VMs that it starts.
                    start_new_session=os.name != "nt",
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except BaseException:
            self._presence.leave()
            raise
        self._ids = count(1)
        self._lock = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[Message | None]] = {0: queue.SimpleQueue()}
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="virtualbox-worker", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the worker's process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Tell whether the worker can no longer be called."""
        return self._ended

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 -- it was asked for
        with self._process.stdout as lines:
            for line in lines:
                with suppress(ValueError, TypeError, KeyError):
                    message = decode_message(line)
                    self._answers[message.id].put(message)
        with self._lock:
            self._ended = True
            waiting = list(self._answers.values())
        for answers in waiting:
            answers.put(None)

    def greeting(self, timeout: float) -> dict[str, Any]:
        """Return what the worker says of itself once it is connected. Raises Failure or WorkerGone."""
        return dict(self._wait(0, no_progress, timeout))

    def call(self, name: str, arguments: Mapping[str, Any], progress: Progress, *, again: bool, silence: float) -> Any:
        """Make a call and return its result. Raises Failure, or WorkerGone when no answer will come."""
        request = Request(next(self._ids), name, dict(arguments), again)
        with self._lock:
            if self._ended:
                raise WorkerGone
            self._answers[request.id] = queue.SimpleQueue()
            assert self._process.stdin is not None  # noqa: S101 -- it was asked for
            try:
                self._process.stdin.write(encode(request))
                self._process.stdin.flush()
            except OSError:
                raise WorkerGone from None
        try:
            return self._wait(request.id, progress, silence)
        finally:
            del self._answers[request.id]

    def _wait(self, request: int, progress: Progress, silence: float) -> Any:
        while True:
            try:
                message = self._answers[request].get(timeout=silence)
            except queue.Empty:
                raise WorkerGone from None
            if isinstance(message, Progressed):
                progress(message.text, message.percent)
            elif isinstance(message, Reply):
                if message.error is not None:
                    raise Failure(message.error.pop("kind"), message.error.pop("text"), **message.error)
                return message.result
            else:
                raise WorkerGone

    def leave(self, timeout: float) -> None:
        """Close the pipe, which makes the worker end; end it by force when it does not."""
        with suppress(OSError, ValueError):
            assert self._process.stdin is not None  # noqa: S101 -- it was asked for
            self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout)
        self._presence.leave()


class Client:
    """VirtualBox, called through a worker that is replaced when it dies."""

    def __init__(
        self,
        home: Path,
        *,
        preferred: str | None = None,
        patience: float = 20.0,
        engine: str = "",
        lingers: float = SERVICE_LINGERS,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Prepare; nothing is started before the first call. `say` is told what a worker mended of ours."""
        self._say = say
        self._lingers = lingers
        self._folder = home.absolute() / "virtualbox"
        self._preferred = preferred
        self._argv = ["--patience", str(patience), "--engine", engine]
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._greeting: dict[str, Any] = {}

    @property
    def greeting(self) -> dict[str, Any]:
        """Return version, interpreter and binding of the running worker, started if need be."""
        self._connected()
        return self._greeting

    @property
    def worker_pid(self) -> int:
        """Return the process id of the running worker, started if need be."""
        return self._connected().pid

    def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        subject: str = "",
        progress: Progress = no_progress,
        silence: float = SILENCE_TIMEOUT,
    ) -> Any:
        """Make a call; when worker or service die under it, make it again with another worker.

        The worker then looks at the real state first, and takes what the lost call had done for done. `silence` is how
        many seconds may pass without a word. Raises the errors of `failures.to_error`.
        """
        lost, lingered = 0, False
        while lost < ATTEMPTS:
            worker = self._connected()
            try:
                return worker.call(name, arguments or {}, progress, again=lingered or lost > 0, silence=silence)
            except WorkerGone:
                self._drop(worker)
                lost += 1
            except Failure as failure:
                if failure.kind == "locked" and failure.holder is not None and not _is_alive(failure.holder):
                    failure.kind = "stale"
                if failure.kind == "stale" and not lingered:
                    self._drop(worker, linger=self._lingers)
                    lingered = True
                elif failure.kind == "dead":
                    self._drop(worker)
                    lost += 1
                else:
                    raise to_error(failure, subject) from failure
        raise DriverError(
            f"VirtualBox's service ended {ATTEMPTS} times during one call ({name})",
            details=[f"the worker's log is {self._folder / LOG}"],
            resolution="look whether VBoxSVC crashes (its log is VBoxSVC.log in VirtualBox's settings folder)",
        )

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            if self._worker is not None:
                self._worker.leave(timeout=8.0)
            self._worker = None

    def _drop(self, worker: Worker, *, linger: float = 0.0) -> None:
        """Let another worker be started, not before so many seconds: calls of other threads wait as well."""
        with self._lock:
            worker.leave(timeout=0.5)
            if self._worker is worker:
                self._worker = None
                time.sleep(linger)

    def _connected(self) -> Worker:
        with self._lock:
            if self._worker is not None and self._worker.ended:
                self._worker.leave(timeout=0.5)
                self._worker = None
            if self._worker is None:
                self._worker = self._start()
            return self._worker

    def _start(self) -> Worker:
        installation = find_installation()
        if installation is None:
            raise DriverUnavailable("VirtualBox is not installed", resolution=INSTALL_HINT)
        problems: list[str] = []
        for binding in self._candidates(installation):
            worker = self._try(installation, binding, problems)
            if worker is not None:
                self._remember(binding)
                return worker
        raise DriverUnavailable(
            "no interpreter could load VirtualBox's Python binding",
            details=problems,
            resolution=binding_hint(installed_version(installation)),
        )

    def _candidates(self, installation: Installation) -> list[Binding]:
        found = find_bindings(installation, self._preferred)
        with suppress(OSError, ValueError, TypeError):
            remembered = Binding(**read_json(self._folder / "binding.json"))
            if remembered in found and not self._preferred:
                found.remove(remembered)
                found.insert(0, remembered)
        return found

    def _no_service(self, problems: list[str]) -> DriverError:
        """Return the error for a service that comes to nothing: another interpreter would not make it live."""
        return DriverError(
            f"VirtualBox's service did not answer {ATTEMPTS} times",
            details=[*problems, f"the worker's log is {self._folder / LOG}"],
            resolution="look at VBoxSVC.log in VirtualBox's settings folder; if `VBoxManage list vms` does not answer "
            "either, it may be a machine's settings file that ends it",
        )

    def _remember(self, binding: Binding) -> None:
        with suppress(OSError):
            text = json.dumps({"interpreter": binding.interpreter, "folder": binding.folder})
            write_durably(self._folder / "binding.json", text)

    def _try(self, installation: Installation, binding: Binding, problems: list[str]) -> Worker | None:
        environment = worker_environment(installation, os.environ)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                worker = Worker(binding, self._argv, environment, self._folder, installation.program)
            except OSError as error:
                problems.append(f"{binding}: it does not start: {error}")
                return None
            try:
                self._greeting = worker.greeting(START_TIMEOUT)
            except WorkerGone:
                ended = worker.ended
                worker.leave(timeout=1.0)
                if ended:
                    problems.append(f"{binding}: ended while loading it")
                    return None
                problems.append(f"{binding}: no word within {START_TIMEOUT:.0f} s")
                if attempt == ATTEMPTS:
                    raise self._no_service(problems) from None
            except Failure as failure:
                worker.leave(timeout=1.0)
                if failure.kind in FINAL or (failure.kind == "lost" and attempt == ATTEMPTS):
                    raise to_error(failure) from failure
                if failure.kind == "binding":
                    problems.append(f"{binding}: {failure.text}")
                    return None
                problems.append(f"{binding}: {failure.text}")
                if failure.kind == "dead" and attempt == ATTEMPTS:
                    raise self._no_service(problems) from failure
                # Several programs that start the service at once get into each other's way.
                time.sleep(self._lingers if failure.kind == "lost" else 0.5)
            else:
                for text in self._greeting.get("mended", ()):
                    self._say(f"mended: {text}")
                return worker
        return None


def _is_alive(pid: int) -> bool:
    """Tell whether a process runs: VirtualBox may never learn that one died just when it was given a lock."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def worker_environment(installation: Installation, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the worker, and thus of the VirtualBox service that it may start.

    On Linux the service takes the encoding of file names from the locale: under plain C, names with accents fail.
    """
    environment = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    if environment.get("VBOX_USER_HOME"):  # the worker works in another folder
        environment["VBOX_USER_HOME"] = str(Path(environment["VBOX_USER_HOME"]).absolute())
    environment["VBOX_PROGRAM_PATH"] = str(installation.program)
    environment["VBOX_SDK_PATH"] = str(installation.sdk)
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if sys.platform.startswith("linux") and "utf" not in locale.lower():
        environment["LC_ALL"] = "C.UTF-8"
    return environment
