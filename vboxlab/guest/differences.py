"""The configurator's preview as findings: every resource that is not as it shall be and that no slip explains. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.differing_lines import differing_lines
from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, PlaceKind, Severity, Where, in_file
from vboxlab.guest.grammars.interfaces import INTERFACES
from vboxlab.guest.place import Place
from vboxlab.guest.resources import (
    AbsentFile,
    Await,
    Command,
    File,
    Hostname,
    Interface,
    Package,
    Password,
    Resource,
    Restart,
    SecretText,
    Service,
    Sysctl,
)
from vboxlab.guest.role_registry import guest_roles
from vboxlab.guest.slips import means_the_same, slips, understood

# What runtime.sh says of a service: the code of the finding, by the beginning of the reason.
_SERVICE_REASONS = (
    ("not enabled at boot", "service-not-enabled"),
    ("enabled at boot", "service-enabled"),
    ("not running", "service-not-running"),
    ("running", "service-running"),
    ("not installed", "service-missing"),
    ("masked", "service-masked"),
    ("systemd says", "service-missing"),
)


def guest_findings(place: Place, resources: Sequence[Resource], facts: Facts, preview: StageReport) -> list[Finding]:
    """Return everything that a guest has otherwise than its resources say, each difference once.

    A slip stands for the difference of the resource that it explains. A hint does so too: a file whose meaning is
    compared in full may be in other words than ours.
    """
    found = slips(place, resources, facts)
    explained = {key for finding in found for key in finding.explains}
    by_key = {resource.key: resource for resource in resources}
    for result in preview.with_status("would-change", "failed"):
        resource = by_key[result.key]
        if result.key not in explained and not _belongs_to(resource, explained):
            found += _differences(place.machine.name, resource, result, facts)
    return found


def _belongs_to(resource: Resource, explained: set[str]) -> bool:
    """Tell whether a difference follows from one that is explained."""
    match resource:
        case Interface():
            return f"file:{INTERFACES}" in explained
        case Restart():  # of a file that differs, which is told
            return True
        case Command(run=("systemctl", "stop", service)):
            return f"service:{service}" in explained
        case _:
            return False


def _differences(machine: str, resource: Resource, result: ResourceResult, facts: Facts) -> Iterator[Finding]:
    if result.status == "failed" and not isinstance(resource, Service | Interface):
        values = {"resource": result.key, "reason": result.reason}
        yield Finding("failed", machine, Where("guest"), values, explains=(result.key,))
        return
    match resource:
        case File():
            yield from _file(machine, resource, result.reason, facts)
        case AbsentFile(path=path):
            yield in_file("file-exists", machine, path, None)
        case Service(name=name):
            yield from _service(machine, name, result)
        case Package(name=name):
            yield _one("package-missing", machine, "package", name, result, {"package": name})
        case Password(user=user):
            other = result.reason.startswith("another")
            code: tuple[str, Severity] = ("password-other", "hint") if other else ("password-none", "error")
            yield _one(code[0], machine, "user", user, result, {"user": user}, code[1])
        case Command(name=name):
            yield _one("command", machine, "guest", "", result, {"name": name})
        case Hostname():  # what it is and what is kept are compared in full by vboxlab.guest.slips.naming
            pass
        case Interface(name=name, address=address):
            found = ", ".join(facts.addresses.get(name, ())) or "-"
            values = {"interface": name, "found": found, "expected": address}
            yield _one("address-live", machine, "interface", name, result, values)
        case Sysctl():  # in other words than ours: slips compare in full what a setting is now, and at boot
            pass
        case Await(name=name):
            # Mostly the consequence of something else that was found.
            yield _one("state", machine, "guest", "", result, {"name": name}, "warning")
        case _:
            values = {"resource": result.key, "reason": result.reason}
            yield _one("failed", machine, "guest", "", result, values)


def _one(
    code: str,
    machine: str,
    kind: PlaceKind,
    name: str,
    result: ResourceResult,
    values: dict[str, str],
    severity: Severity = "error",
) -> Finding:
    return Finding(code, machine, Where(kind, name), values, severity, (result.key,))


def _service(machine: str, name: str, result: ResourceResult) -> Iterator[Finding]:
    for reason in result.reason.split(", "):
        code = next((code for beginning, code in _SERVICE_REASONS if reason.startswith(beginning)), None)
        if code is not None:
            state = re.search(r"\((.*)\)", reason)
            values = {"service": name, "found": state[1] if state else reason}
            yield _one(code, machine, "service", name, result, values)
        elif result.status == "failed":
            values = {"resource": result.key, "reason": result.reason}
            yield _one("failed", machine, "guest", "", result, values)


def _file(machine: str, resource: File, reason: str, facts: Facts) -> Iterator[Finding]:
    path = resource.path
    if reason == "does not exist":
        yield in_file("file-missing", machine, path, None)
        return
    if reason.startswith("is not a regular file"):
        yield in_file("file-kind", machine, path, None)
        return
    for kind in ("mode", "owner"):
        rights = re.search(rf"{kind} is (\S+) instead of (\S+)", reason)
        if rights:
            yield in_file(f"file-{kind}", machine, path, None, found=rights[1], expected=rights[2])
    if isinstance(resource.content, SecretText):
        if "content" in reason:
            code = _other_secret(path)
            # Of a text that no role knows in particular, all else may differ as well.
            unsure = code is None and bool(resource.content.holes)
            usual = "file-other-text" if unsure else "file-other-secret"
            yield in_file(code or usual, machine, path, None, "error" if unsure else "hint")
    elif path in facts.files:
        if means_the_same(path, resource.content.encode(), facts.files[path].data, facts):
            return
        severity: Severity = "hint" if path in understood() else "error"
        yield from differing_lines(machine, path, facts.files[path].content, resource.content, severity)


def _other_secret(path: str) -> str | None:
    codes = (role.other_secrets.get(path) for role in guest_roles().values())
    return next((code for code in codes if code is not None), None)
