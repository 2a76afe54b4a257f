"""A worker as a process that is launched: with which interpreter, in which environment, and maybe before it is wanted.

It takes as long to begin as vboxlab takes to load a verb, and both begin at once where a verb asks for it (`begun`).
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vboxlab import programs
from vboxlab.errors import DriverError, VboxlabError
from vboxlab.files import make_private_folder, opened_privately, read_json
from vboxlab.hypervisor.virtualbox.readiness import (
    Binding,
    Installation,
    find_bindings,
    find_installation,
    find_interpreter,
)
from vboxlab.hypervisor.virtualbox.worker.presence import CLIENT, Presence
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.language import _
from vboxlab.lazily import dataclass

LOG = "worker.log"
PRESENCE = "presence"
REMEMBERED = "binding.json"
PACKAGE = Path(__file__).parents[3]
EXHAUSTED = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # whatever program was to be started
KILLED_WITHIN = 5.0  # seconds
UNWANTED_WITHIN = 2.0  # seconds that a worker has to end that was launched for nothing
# For hosts without the kernel driver, such as the test harness: "interpreter" lets VMs start there, very slowly.
ENGINE_VARIABLE = "VBOXLAB_VIRTUALBOX_ENGINE"
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


@dataclass(frozen=True)
class Launch:
    """How a worker is launched: what it runs under, its arguments and environment, vboxlab's folder, and its own."""

    binding: Binding
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    working: Path

    def launched(self, *, ahead: bool = False) -> Launched:
        """Start the process; one `ahead` of its first call changes nothing before it gets a line.

        Raises OSError when its interpreter does not start, DriverError when no program would.
        """
        token = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        presence = _show_presence(self.folder, token)
        known = ["--binding", self.binding.folder, "--folder", str(self.folder / PRESENCE), "--token", token]
        if ahead:
            known.append("--ahead")
        try:
            with open(self.folder / LOG, "ab", opener=opened_privately) as errors:
                process: subprocess.Popen[bytes] = programs.start(
                    [self.binding.interpreter, "-c", BOOTSTRAP, str(PACKAGE), *known, *self.arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=self.environment,
                    cwd=self.working,  # always there: VirtualBox's service lives on in it
                    # Ctrl-C must not reach the worker, nor VBoxSVC and the VMs that it starts.
                    start_new_session=os.name != "nt",
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except BaseException as error:
            presence.leave()
            if isinstance(error, OSError) and error.errno in EXHAUSTED:
                raise _host_trouble(_("no process can be started"), str(error)) from error
            raise
        return Launched(self, process, presence, ahead=ahead)


class Launched:
    """The process of a worker, from its start to its end."""

    def __init__(self, launch: Launch, process: subprocess.Popen[bytes], presence: Presence, *, ahead: bool) -> None:
        assert process.stdin is not None  # noqa: S101 -- it was asked for
        assert process.stdout is not None  # noqa: S101 -- the same
        self.launch = launch
        self.pid, self.requests, self.answers = process.pid, process.stdin, process.stdout
        self._process, self._presence = process, presence
        self._ahead = ahead

    def want(self) -> None:
        """Let a worker that was launched ahead of its first call go on."""
        if self._ahead:
            self._ahead = False
            with suppress(OSError):  # ended: who waits for its greeting learns why
                self.requests.write(b"\n")
                self.requests.flush()

    def end(self, timeout: float) -> None:
        """Close the pipe, which makes the worker end; end it by force when it does not."""
        if timeout <= 0:
            self._process.kill()  # first: closing the pipe of one that does not read waits for it
        with suppress(OSError, ValueError):
            self.requests.close()
        try:
            self._process.wait(max(timeout, KILLED_WITHIN) if timeout <= 0 else timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):  # it hangs in the system: it dies when that lets it
                self._process.wait(KILLED_WITHIN)

    def leave(self) -> None:
        """Take away what shows that the worker's client is there, at the very end."""
        self._presence.leave()


class _Ahead:
    """The worker of this process that nobody has called yet."""

    launched: Launched | None = None

    def taken(self) -> Launched | None:
        found, self.launched = self.launched, None
        return found


_ahead = _Ahead()


@contextmanager
def begun(home: Path, *, preferred: str | None, patience: float) -> Iterator[None]:
    """Let the worker begin that a driver with the same arguments will want; end it after the block if none did.

    Trouble is not told: who wants a worker meets it again.
    """
    with suppress(OSError, VboxlabError):
        launch = likely(home, preferred, patience)
        _ahead.launched = launch.launched(ahead=True) if launch is not None else None
    try:
        yield
    finally:
        _dismiss(_ahead.taken())


def worker_of(launch: Launch) -> Launched:
    """Return the worker that was launched so ahead of its first call, else a new one. Raises as `launched` does."""
    found = _ahead.taken()
    if found is not None and found.launch == launch:
        found.want()
        return found
    _dismiss(found)
    return launch.launched()


def likely(home: Path, preferred: str | None, patience: float) -> Launch | None:
    """Return how the first worker that is tried is launched, None where there is none to try."""
    installation = find_installation()
    if installation is None or (preferred and find_interpreter(preferred) is None):
        return None
    folder = folder_of(home)
    binding = candidates(installation, preferred, folder)[0]
    return launch_of(installation, binding, arguments_of(patience, os.environ.get(ENGINE_VARIABLE, "")), folder)


def launch_of(installation: Installation, binding: Binding, asked: tuple[str, ...], folder: Path) -> Launch:
    """Return how a worker is launched that uses a binding of an installation."""
    return Launch(binding, asked, worker_environment(installation, os.environ), folder, installation.program)


def folder_of(home: Path) -> Path:
    """Return where logs, presence and what is remembered of workers are kept."""
    return home.absolute() / "virtualbox"


def arguments_of(patience: float, engine: str) -> tuple[str, ...]:
    """Return a worker's arguments: how long it waits for locks of others (seconds), and what executes VMs."""
    return ("--patience", str(patience), "--engine", engine)


def candidates(installation: Installation, preferred: str | None, folder: Path) -> list[Binding]:
    """Return the bindings that can be tried, best first: the one that served last, unless the user named another."""
    found = find_bindings(installation, preferred)
    with suppress(OSError, ValueError, TypeError):
        remembered = Binding(**read_json(folder / REMEMBERED))
        if remembered in found and not preferred:
            found.remove(remembered)
            found.insert(0, remembered)
    return found


def worker_environment(installation: Installation, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the worker, and thus of the VirtualBox service that it may start.

    On Linux the service takes the encoding of file names from the locale: under plain C, names with accents fail.
    """
    environment = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    if sys.pycache_prefix:  # the one setting of Python's that fits any interpreter: where compiled code is kept
        environment["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    if environment.get("VBOX_USER_HOME"):  # the worker works in another folder
        environment["VBOX_USER_HOME"] = str(Path(environment["VBOX_USER_HOME"]).absolute())
    environment["VBOX_PROGRAM_PATH"] = str(installation.program)
    environment["VBOX_SDK_PATH"] = str(installation.sdk)
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if sys.platform.startswith("linux") and "utf" not in locale.lower():
        environment["LC_ALL"] = "C.UTF-8"
    return environment


def _dismiss(launched: Launched | None) -> None:
    if launched is not None:
        launched.end(UNWANTED_WITHIN)
        launched.answers.close()
        launched.leave()


def _show_presence(folder: Path, token: str) -> Presence:
    try:
        make_private_folder(folder / PRESENCE)
        with open(folder / LOG, "ab", opener=opened_privately):
            return Presence(folder / PRESENCE, CLIENT, token)
    except (OSError, Failure) as error:
        from vboxlab.hypervisor.virtualbox.sentences.telling import say

        why = say(error.told) if isinstance(error, Failure) else str(error)
        raise _host_trouble(_("{folder} cannot be used").format(folder=folder), why) from error


def _host_trouble(brief: str, why: str) -> DriverError:
    return DriverError(brief, details=[why], resolution=_("look at the folder's rights, free space and memory"))
