"""How a worker is started: which interpreters are tried, and what each way to fail means.

Another interpreter is tried only where the one before is the reason: it does not start, or not load the binding.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vboxlab.errors import DriverError, DriverUnavailable, SettingsInvalid
from vboxlab.files import write_durably
from vboxlab.hypervisor.virtualbox.failures import to_error
from vboxlab.hypervisor.virtualbox.launch import LOG, REMEMBERED, candidates, launch_of, worker_of
from vboxlab.hypervisor.virtualbox.process import Limits, NoGreeting, Worker, WorkerGone
from vboxlab.hypervisor.virtualbox.readiness import (
    INSTALL_HINT,
    Binding,
    Installation,
    binding_hint,
    find_installation,
    find_interpreter,
    installed_version,
)
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.service import running_services
from vboxlab.hypervisor.virtualbox.worker.protocol import LOADING, LOOKING, Failure, Greeting
from vboxlab.language import _
from vboxlab.lazily import dataclass

ATTEMPTS = 3
# What XPCOM says of VirtualBox's objects while its processes of before are ending, and COM for good where its
# installation is broken: "Class not registered", and on a busy computer NS_ERROR_FAILURE.
PASSING = (0x80040154, 0x80004005)


class Refused(Exception):
    """An interpreter is no use, with why: another one may be. `silent` says that it does not even begin."""

    def __init__(self, why: str, *, silent: bool = False) -> None:
        super().__init__(why)
        self.silent = silent


@dataclass(frozen=True)
class Starter:
    """Starts workers.

    `preferred` is the interpreter that the user named, `lingers` for how many seconds the service outlives its clients.
    """

    folder: Path
    arguments: tuple[str, ...]
    preferred: str | None
    lingers: float
    limits: Limits
    say: Callable[[str], None]

    def start(self) -> tuple[Worker, Greeting]:
        """Return a worker that is connected, and what it says of itself.

        Raises DriverUnavailable, SettingsInvalid for an interpreter that the user named and that does not start, and
        the errors of `failures.to_error`.
        """
        installation = find_installation()
        if installation is None:
            raise DriverUnavailable(_("VirtualBox is not installed"), resolution=_(INSTALL_HINT))
        named = self._named()
        problems: list[str] = []
        silent: set[str] = set()
        for binding in candidates(installation, self.preferred, self.folder):
            if named and binding.interpreter != named:
                text = _("VBOXLAB_VBOX_PYTHON (vbox_python in the settings): {problems}; others are tried")
                self.say(text.format(problems="; ".join(problems)))
                named = None
            if binding.interpreter in silent:
                continue
            try:
                worker, greeting = self._connected(installation, binding, named)
            except Refused as refused:
                problems.append(_("{binding}: {problem}").format(binding=binding, problem=refused))
                silent |= {binding.interpreter} if refused.silent else set()
                continue
            self._remember(binding)
            for told in greeting.mended:
                self.say(_("mended: {what}").format(what=say(told)))
            return worker, greeting
        raise DriverUnavailable(
            _("no interpreter could load VirtualBox's Python binding"),
            details=problems,
            resolution=binding_hint(installed_version(installation)),
        )

    def _named(self) -> str | None:
        """Return the path of the interpreter that the user named, None if there is none. Raises SettingsInvalid."""
        if not self.preferred:
            return None
        found = find_interpreter(self.preferred)
        if found is None:
            why = _("there is no program {program} that may be started").format(program=self.preferred)
            raise self._wrong_setting(why)
        return found

    def _wrong_setting(self, why: str) -> SettingsInvalid:
        sentence = _("VBOXLAB_VBOX_PYTHON (vbox_python in the settings) names {program}, which does not start")
        return SettingsInvalid(
            sentence.format(program=self.preferred),
            details=[why],
            resolution=_(
                "name a Python that loads VirtualBox's binding, or none: `vboxlab doctor` shows which is taken"
            ),
        )

    def _remember(self, binding: Binding) -> None:
        with suppress(OSError):
            text = json.dumps({"interpreter": binding.interpreter, "folder": binding.folder})
            write_durably(self.folder / REMEMBERED, text)

    def _connected(self, installation: Installation, binding: Binding, named: str | None) -> tuple[Worker, Greeting]:
        """Start a worker with a binding. Raises Refused when that is of no use, else the error that it met."""
        problems: list[str] = []
        for attempt in range(1, ATTEMPTS + 1):
            worker = self._started(installation, binding, named)
            try:
                return worker, worker.greeting(self.limits.starting * attempt)
            except Failure as failure:
                worker.leave(timeout=1.0)
                self._judge(failure, attempt)
                problems.append(say(failure.told))
                # Several programs that start the service at once get into each other's way.
                time.sleep(0.5 if failure.kind == "dead" else self.lingers)
            except BaseException as error:
                worker.leave(timeout=0.0)
                if isinstance(error, WorkerGone):
                    raise Refused(_("ended while loading it")) from None
                if not isinstance(error, NoGreeting):
                    raise
                self._judge_silence(error, attempt)
        raise no_service(problems, self.folder)

    def _started(self, installation: Installation, binding: Binding, named: str | None) -> Worker:
        try:
            launched = worker_of(launch_of(installation, binding, self.arguments, self.folder))
        except OSError as error:
            if named:
                raise self._wrong_setting(str(error)) from error
            raise Refused(_("it does not start: {problem}").format(problem=error), silent=True) from error
        return Worker(launched, self.limits, self.say)

    def _judge(self, failure: Failure, attempt: int) -> None:
        """Return when a worker that failed so may be tried once more. Raises Refused, or the error."""
        if failure.kind == "binding":
            raise Refused(say(failure.told)) from failure
        passing = failure.kind == "lost" or failure.result_code in PASSING
        if not (failure.kind == "dead" or (passing and attempt < ATTEMPTS)):
            raise to_error(failure) from failure

    def _judge_silence(self, silent: NoGreeting, attempt: int) -> None:
        """Return when a worker that was silent may be tried once more: the service may just have been ending."""
        if silent.doing in (None, LOADING):
            seconds = self.limits.starting * attempt
            if silent.doing is None:
                raise Refused(_("no word within {seconds:.0f} s").format(seconds=seconds), silent=True)
            text = _("no word within {seconds:.0f} s ({doing})").format(seconds=seconds, doing=say(silent.doing))
            raise Refused(text, silent=True)
        if silent.doing == LOOKING:
            raise silent_service(self.limits.call, self.folder)
        waited = self.limits.starting * sum(range(1, attempt + 1))
        if attempt > 1 or any(each.is_stopped for each in running_services()):
            raise silent_service(waited, self.folder)


def no_service(problems: list[str], folder: Path) -> DriverError:
    """Return the error for a service that comes to nothing: another interpreter would not make it live."""
    return DriverError(
        _("VirtualBox's service did not answer {count} times").format(count=ATTEMPTS),
        details=[*dict.fromkeys(problems), _("the worker's log is {file}").format(file=folder / LOG)],
        resolution=_(
            "look at VBoxSVC.log in VirtualBox's settings folder; if `VBoxManage list vms` does not answer "
            "either, it may be a machine's settings file that ends it"
        ),
    )


def silent_service(seconds: float, folder: Path) -> DriverError:
    """Return the error for a service that lives and does not answer. It is not ours to end."""
    running = [str(each) for each in running_services()] or [_("no process VBoxSVC of this user is seen")]
    return DriverError(
        _("VirtualBox's service has not answered for {seconds:.0f} s").format(seconds=seconds),
        details=[*running, _("the worker's log is {file}").format(file=folder / LOG)],
        resolution=_(
            "wait if this computer is very busy; if `VBoxManage list vms` does not answer either, that process "
            "hangs: end it yourself (VMs that run end with it) and run the command again"
        ),
    )
