"""How much a running machine works: the time that its processors' threads had on the host, and what it printed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from vboxlab.hypervisor.driver import Work
from vboxlab.hypervisor.qemu.client import Process
from vboxlab.hypervisor.qemu.refusals import MonitorGone, MonitorRefused
from vboxlab.hypervisor.qemu.workspace import CONSOLE_FILE, Workspace

QUERY_SECONDS = 3.0
NANOSECONDS = 1e9


def work_of(work: Workspace, machine_id: str) -> Work | None:
    """Return what a machine has done since its process began; None when that cannot be known.

    QEMU tells which thread runs each processor (QMP query-cpus-fast): an emulated processor is as busy as its thread.
    """
    with Process(work.pid_file(machine_id)) as process:
        number = process.number
    if number is None:
        return None
    try:
        answer = work.monitors.execute(
            work.layout.monitor(machine_id), ("query-cpus-fast", {}), timeout=QUERY_SECONDS
        )  # fmt: skip
        times = [thread_times(Path(f"/proc/{number}/task/{each['thread-id']}")) for each in answer]
    except (MonitorGone, MonitorRefused, OSError, ValueError):
        return None
    waited = [wait for _ran, wait in times if wait is not None]
    printed = 0
    with suppress(FileNotFoundError):
        printed = (work.layout.machine(machine_id) / CONSOLE_FILE).stat().st_size
    return Work(sum(ran for ran, _wait in times), sum(waited) if len(waited) == len(times) else None, printed)


def thread_times(thread: Path) -> tuple[float, float | None]:
    """Return the seconds that a thread ran, and those that it waited for a processor (None: not known).

    `thread` is its folder in /proc. The kernel's sched-stats.rst has the fields of schedstat, proc_pid_stat(5) those of
    stat, for kernels without. Raises OSError, ValueError.
    """
    with suppress(FileNotFoundError):
        ran, waited, _slices = (thread / "schedstat").read_text(encoding="ascii").split()
        return int(ran) / NANOSECONDS, int(waited) / NANOSECONDS
    fields = (thread / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), None
