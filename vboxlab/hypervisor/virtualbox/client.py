"""The worker's other end: start it, call it, and start another when it or VirtualBox's service dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from vboxlab.errors import DriverError, VboxlabError
from vboxlab.hypervisor.driver import Progress, no_progress
from vboxlab.hypervisor.virtualbox.failures import to_error
from vboxlab.hypervisor.virtualbox.launch import LOG, arguments_of, folder_of
from vboxlab.hypervisor.virtualbox.process import CallSilent, Limits, ServiceSilent, Worker, WorkerGone
from vboxlab.hypervisor.virtualbox.service import vm_process
from vboxlab.hypervisor.virtualbox.startup import ATTEMPTS, Starter, silent_service
from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments
from vboxlab.hypervisor.virtualbox.worker.calls import name_of
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure, Greeting
from vboxlab.language import _
from vboxlab.waiting import Deadline

R = TypeVar("R")
# VBoxSVC ends five seconds after its last client, and with it what it remembers of a client that was killed.
SERVICE_LINGERS = 7.0
# How long calls under way are waited for (seconds): before the service is made to end, which they depend on, and where
# it has ended already, so that they are about to learn it.
OTHERS_END, OTHERS_LEARN = 120.0, 5.0
VM_ENDS = 0.5  # seconds until VirtualBox knows that a VM's process has ended
ENDED_BY_FORCE, ENDED_IDLE = 0.0, 0.5


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
        limits: Limits | None = None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Prepare; nothing is started before the first call.

        `say` is told what a worker mended of ours, and what takes unusually long.
        """
        self._lingers = lingers
        self._folder = folder_of(home)
        self._limits = limits or Limits()
        self._starter = Starter(self._folder, arguments_of(patience, engine), preferred, lingers, self._limits, say)
        self._changed = threading.Condition()
        self._worker: Worker | None = None
        self._failure: VboxlabError | None = None  # of the last start that failed
        self._failures = 0
        self._leaving = False  # no call begins any more: the worker is about to be replaced
        self._greeting: Greeting | None = None

    @property
    def greeting(self) -> Greeting:
        """Return version, interpreter and binding of the running worker, started if need be."""
        return self._worker_and_greeting()[1]

    @property
    def worker(self) -> Worker:
        """Return the running worker, started if need be."""
        return self._worker_and_greeting()[0]

    def _worker_and_greeting(self) -> tuple[Worker, Greeting]:
        with self._changed:
            self._changed.wait_for(lambda: not self._leaving)
            return self._connected()

    @property
    def worker_pid(self) -> int:
        """Return the process id of the running worker, started if need be."""
        return self.worker.pid

    def call(self, arguments: Arguments[R], *, subject: str = "", progress: Progress = no_progress) -> R:
        """Make a call; when worker or service die under it, make it again with another worker.

        The worker then looks at the real state first, takes what the lost call had done for done, and stops where
        somebody else did something since. It may take as long as it does, as long as worker and service live. Raises
        the errors of `failures.to_error`.
        """
        lost, lingered, service = 0, False, False
        noted: dict[str, Any] = {}
        while lost < ATTEMPTS:
            worker = self._borrow()
            try:
                return self._made(worker, arguments, progress, noted)
            except WorkerGone:
                if worker.silenced:
                    raise silent_service(self._limits.service, self._folder) from None
                self._replace(worker, ENDED_BY_FORCE)
                lost, service = lost + 1, False
            except ServiceSilent:
                worker.silenced = True  # other threads' calls end with it, and are not made again
                self._replace(worker, ENDED_BY_FORCE)
                raise silent_service(self._limits.service, self._folder) from None
            except CallSilent:
                worker.stuck = True
                raise self._stuck(name_of(arguments), subject) from None
            except Failure as failure:
                if _is_stale(failure):
                    failure.kind = "stale"
                if failure.kind == "stale" and not lingered:
                    if not self._replace(worker, ENDED_IDLE, others=OTHERS_END, linger=self._lingers):
                        others = _("other calls went on, and ending VirtualBox's service would end them")
                        raise to_error(failure, subject, more=[others]) from failure
                    lingered = True
                elif failure.kind == "dead":
                    self._replace(worker, ENDED_BY_FORCE, others=OTHERS_LEARN)
                    self._await_end(str(getattr(arguments, "handle", "")), subject)
                    lost, service = lost + 1, True
                elif failure.kind == "ended" and lost < ATTEMPTS - 1:
                    lost += 1
                    time.sleep(VM_ENDS)
                else:
                    version = "" if self._greeting is None else self._greeting.version
                    raise to_error(failure, subject, version) from failure
        raise self._lost(name_of(arguments), service=service)

    def close(self) -> None:
        """End the worker."""
        with self._changed:
            if self._worker is not None:
                self._worker.leave(timeout=8.0)
            self._worker = None

    def _borrow(self) -> Worker:
        """Return the worker for a call, once none is about to be replaced."""
        failures = self._failures
        with self._changed:
            self._changed.wait_for(lambda: not self._leaving)
            if self._failures != failures and self._failure is not None:  # of a start that was waited for here
                raise self._failure
            if self._worker is not None and self._worker.stuck and self._worker.under_way == 0:
                # A call that nobody waits for any more keeps one of its threads, and maybe a machine's lock.
                self._worker.leave(ENDED_BY_FORCE)
                self._worker = None
            worker, _greeting = self._connected()
            worker.under_way += 1
            return worker

    def _made(self, worker: Worker, arguments: Arguments[R], progress: Progress, noted: dict[str, Any]) -> R:
        try:
            return worker.call(arguments, progress, noted)
        finally:
            with self._changed:
                worker.under_way -= 1
                self._changed.notify_all()

    def _replace(self, worker: Worker, timeout: float, *, others: float = 0.0, linger: float = 0.0) -> bool:
        """Let another worker be started; return whether one is, or was already by another thread's doing.

        Calls under way in it are given `others` seconds to end. Where the service is to end as well, with `linger`
        seconds for that, and they do not, it is let be. Calls that begin meanwhile wait.
        """
        with self._changed:
            waited = False
            while self._worker is worker and self._leaving:
                waited = True
                self._changed.wait()
            if self._worker is not worker:
                return True
            if waited and linger:
                return False
            self._leaving = True
            try:
                idle = self._changed.wait_for(lambda: worker.under_way == 0 or worker.ended, others)
                if linger and not idle:
                    return False
                worker.leave(timeout)
                if self._worker is worker:
                    self._worker = None
                time.sleep(linger)
                return True
            finally:
                self._leaving = False
                self._changed.notify_all()

    def _connected(self) -> tuple[Worker, Greeting]:
        if self._worker is not None and self._worker.ended:
            self._worker.leave(ENDED_IDLE)
            self._worker = None
        if self._worker is None or self._greeting is None:
            try:
                self._worker, self._greeting = self._starter.start()
            except VboxlabError as error:
                self._failure = error
                self._failures += 1
                raise
        return self._worker, self._greeting

    def _await_end(self, handle: str, subject: str) -> None:
        """Wait until the process of a VM has ended of which VirtualBox's service, started anew, knows nothing.

        It lives on for a while, and writes to the disk that a second one would be started with. Raises DriverError.
        """
        if handle and vm_process(handle) is not None:
            self._worker_and_greeting()  # a service lives then, without which whoever ends leaves others no way to it
        deadline = Deadline.after(self._limits.outlives)
        while handle and (process := vm_process(handle)) is not None:
            if deadline.expired:
                sentence = _("{machine}: its process {process} still runs, although VirtualBox's service has ended")
                raise DriverError(
                    sentence.format(machine=subject or _("a VM"), process=process),
                    resolution=_("wait until it has ended, or end it, then run the command again"),
                )
            time.sleep(VM_ENDS)

    def _lost(self, name: str, *, service: bool) -> DriverError:
        """Return the error for a call under which the service, or only its worker, ended each time."""
        if service:
            sentence = _("VirtualBox's service ended {count} times during one call ({call})")
            advice = _("look whether VBoxSVC crashes (its log is VBoxSVC.log in VirtualBox's settings folder)")
        else:
            sentence = _("the process that calls VirtualBox ended {count} times during one call ({call})")
            advice = _("look at that log; if VirtualBox's binding crashes, name another Python in VBOXLAB_VBOX_PYTHON")
        return DriverError(
            sentence.format(count=ATTEMPTS, call=name),
            details=[_("the worker's log is {file}").format(file=self._folder / LOG)],
            resolution=advice,
        )

    def _stuck(self, name: str, subject: str) -> DriverError:
        """Return the error for a call that hangs although VirtualBox's service answers: in a VM's process."""
        return DriverError(
            _("{subject}: a call ({call}) has not got on for {seconds:.0f} s").format(
                subject=subject or "VirtualBox", call=name, seconds=self._limits.call
            ),
            details=[_("VirtualBox's service answers: it waits for the VM's own process, or for a file of the host")],
            resolution=_(
                "look whether the VM's window or process (VBoxHeadless, VirtualBoxVM) hangs, then run the command again"
            ),
        )


def _is_stale(failure: Failure) -> bool:
    """Tell whether VirtualBox's service remembers a program that is dead, and does so until it ends."""
    held = failure.kind == "locked" and failure.holder is not None
    return failure.kind == "stale" or (held and not _is_alive(failure.holder or 0))


def _is_alive(pid: int) -> bool:
    """Tell whether a process runs: VirtualBox may never learn that one died just when it was given a lock."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
