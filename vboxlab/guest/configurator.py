"""Brings a guest to its resources in one SSH exec, and says what came out of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol, get_args

from vboxlab.credentials import HIDDEN
from vboxlab.errors import GuestError
from vboxlab.guest.executor import Completed, Executor
from vboxlab.guest.reasons import in_words
from vboxlab.guest.resources import Await, Command, Package, Resource
from vboxlab.guest.script import EXIT_PACKAGES_MISSING, AptOptions, compile_script
from vboxlab.language import C_, N_, _, n_
from vboxlab.lazily import dataclass

Status = Literal["unchanged", "changed", "would-change", "failed", "skipped", "missing"]
APT_SECONDS = 900.0  # what an apt-get run may take in an emulated guest
EXIT_DELTA_UNFIT = 3
SHORTEST_HIDDEN = 6  # characters of a secret: a shorter one is in words that have nothing to do with it


class ReadyPackages(Protocol):
    """Packages made ready to be installed without a mirror: an archive, and the script that takes it in a guest."""

    @property
    def packages(self) -> Sequence[str]:
        """Return the packages that it brings."""

    def script(self) -> str:
        """Return a script for root that installs from the archive on its standard input.

        It ends with exit code 3 when the guest is not in the state that they were made for.
        """

    def data(self) -> bytes:
        """Return the archive."""


Way = Callable[[Sequence[str]], ReadyPackages | None]
"""Makes packages that a guest lacks ready to be installed; None where that cannot be."""


@dataclass(frozen=True)
class ResourceResult:
    """What came out of one resource, and what was found that made a change needed or impossible."""

    key: str
    status: Status
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.status}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True)
class StageReport:
    """What came out of all resources of a machine, in their order."""

    machine: str
    results: tuple[ResourceResult, ...]
    kept: tuple[str, ...] = ()  # files that somebody changed, and what they were (in a preview: would be) kept as

    def with_status(self, *statuses: Status) -> tuple[ResourceResult, ...]:
        """Return the results of these statuses."""
        return tuple(result for result in self.results if result.status in statuses)

    @property
    def changed(self) -> tuple[ResourceResult, ...]:
        """Return what was changed, or in a preview would be."""
        return self.with_status("changed", "would-change")

    @property
    def failed(self) -> tuple[ResourceResult, ...]:
        """Return what failed."""
        return self.with_status("failed")

    @property
    def summary(self) -> str:
        """Return the counts in words: "3 changed, 12 unchanged"."""
        counts = Counter(result.status for result in self.results)
        failed, skipped, changed = counts["failed"], counts["skipped"], counts["changed"]
        left, unchanged = counts["would-change"], counts["unchanged"]
        told = (
            n_("{count} failed", "{count} failed", failed).format(count=failed) if failed else "",
            n_("{count} skipped", "{count} skipped", skipped).format(count=skipped) if skipped else "",
            n_("{count} changed", "{count} changed", changed).format(count=changed) if changed else "",
            n_("{count} to change", "{count} to change", left).format(count=left) if left else "",
            n_("{count} unchanged", "{count} unchanged", unchanged).format(count=unchanged) if unchanged else "",
        )
        return ", ".join(filter(None, told)) or C_("resources", "none")


def configure(
    executor: Executor,
    resources: Sequence[Resource],
    *,
    changes: bool = True,
    secrets: Mapping[str, str],
    time_scale: float = 1.0,
    apt: AptOptions | None = None,
    ways: Sequence[Way] = (),
    fresh: bool = False,
) -> StageReport:
    """Bring the guest to the resources (with changes off: only tell what would change) and return what came out.

    For missing packages these ways are tried, in turn, before apt looks for a mirror. A file that somebody changed is
    kept beside before it is overwritten, unless the guest is fresh: nobody has worked in it. Raises GuestError with
    machine, resource and reason when a resource failed, and whatever the executor and the ways raise.
    """
    timeout = _timeout(resources, time_scale)

    def run(*, stop: bool) -> StageReport:
        script = compile_script(
            resources,
            changes=changes,
            secrets=secrets,
            time_scale=time_scale,
            apt=apt,
            stop_at_missing_packages=stop,
            fresh=fresh,
        )
        done = executor.run(script, root=True, timeout=timeout)
        return _parsed(executor, resources, done, hidden=_lines_to_hide(secrets), changes=changes)

    report = run(stop=changes and bool(ways))
    missing = [result.key.removeprefix("package:") for result in report.with_status("missing")]
    if missing:
        installed = any(_install(executor, way(missing), missing, timeout) for way in ways)
        report = run(stop=False)
        if installed:
            report = _as_installed(report, missing)
    if changes:
        _raise_failures(report)
    return report


def _timeout(resources: Sequence[Resource], time_scale: float) -> float:
    waits = sum(resource.within for resource in resources if isinstance(resource, Await))
    waits += sum(each.timeout for each in resources if isinstance(each, Command) and each.as_written)
    packages = APT_SECONDS if any(isinstance(resource, Package) for resource in resources) else 0.0
    return (120.0 + packages + waits) * max(1.0, time_scale)


def _install(executor: Executor, ready: ReadyPackages | None, missing: Sequence[str], timeout: float) -> bool:
    if ready is None or not set(missing) <= set(ready.packages):
        return False
    done = executor.run(ready.script(), stdin=ready.data(), root=True, timeout=timeout)
    if done.exit_code not in (0, EXIT_DELTA_UNFIT):
        raise GuestError(
            _("{machine}: installing prepared packages failed").format(machine=executor.machine),
            details=[_("exit code {code}").format(code=done.exit_code), *done.stderr.strip().splitlines()[-3:]],
            resolution=_("restore a snapshot of the machine or make it again: its packages may be half installed"),
        )
    return done.exit_code == 0


def _as_installed(report: StageReport, names: Sequence[str]) -> StageReport:
    keys = {f"package:{name}" for name in names}
    results = tuple(
        ResourceResult(result.key, "changed", N_("not installed"))
        if result.key in keys and result.status == "unchanged"
        else result
        for result in report.results
    )
    return replace(report, results=results)


def _lines_to_hide(secrets: Mapping[str, str]) -> list[str]:
    """Return the lines of secrets that may be in what a program says of its file, the longest first."""
    lines = {line.strip() for value in secrets.values() for line in value.splitlines()}
    return sorted((line for line in lines if len(line) >= SHORTEST_HIDDEN), key=len, reverse=True)


def _without(text: str, hidden: Sequence[str]) -> str:
    for line in hidden:
        text = text.replace(line, HIDDEN)
    return text


def _parsed(
    executor: Executor, resources: Sequence[Resource], done: Completed, *, hidden: Sequence[str], changes: bool
) -> StageReport:
    found: dict[int, ResourceResult] = {}
    kept: dict[str, None] = {}
    for line in done.stdout.splitlines():
        index, status, reason, place = [*line.split("\t"), "", "", ""][:4]
        if line.startswith("@") and status == "kept":
            text = _("{file} was changed by somebody, and is kept as {kept}")
            kept[text.format(file=reason, kept=place) if changes else reason] = None
        if not line.startswith("@") or status not in get_args(Status):
            continue
        number = int(index[1:])
        reason = _without(reason, hidden) if status == "failed" else reason
        found[number] = ResourceResult(resources[number].key, status, reason.strip())  # type: ignore[arg-type]
    expected = done.exit_code == EXIT_PACKAGES_MISSING or len(found) == len(resources)
    if not expected:
        raise GuestError(
            _("{machine}: the configuration script ended early").format(machine=executor.machine),
            details=[
                _("exit code {code}").format(code=done.exit_code),
                *(_without(line, hidden) for line in (done.stderr or done.stdout).strip().splitlines()[-3:]),
            ],
            resolution=_("can the user of the base become root without being asked?"),
        )
    return StageReport(executor.machine, tuple(found[number] for number in sorted(found)), tuple(kept))


def _raise_failures(report: StageReport) -> None:
    if not report.failed:
        return
    first = report.failed[0]
    skipped = report.with_status("skipped")
    why, left_out = _("{subject}: {problem}"), _("{resource}: skipped, {reason}")
    raise GuestError(
        _("{machine}: {resource} failed").format(machine=report.machine, resource=first.key),
        details=[
            *(why.format(subject=result.key, problem=in_words(result.reason)) for result in report.failed),
            *(left_out.format(resource=result.key, reason=in_words(result.reason)) for result in skipped),
        ],
        resolution=_("put right what the reason says, then bring the lab up again: what is done stays done"),
    )
