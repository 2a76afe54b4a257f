"""What happened to VirtualBox itself, its service, its binding and its files, and between vboxlab and its worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from vboxlab.language import N_, n_


def _whole_copy(copy: str, taken: float, machines: int) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(taken))
    return n_(
        "beside it lies {copy}, whole, of {when}, with {count} machine",
        "beside it lies {copy}, whole, of {when}, with {count} machines",
        machines,
    ).format(copy=copy, when=when, count=machines)


OF_SERVICE: Mapping[str, str | Callable[..., str]] = {
    "verbatim": "{text}",
    "failed-with": N_("failed with {result_code:#x}"),
    # The binding, and the version.
    "binding-not-loaded": N_("Python {python} cannot load vboxapi: {problem}"),
    "no-binding-there": N_("Python {python} cannot load vboxapi: {folder} holds no Python package"),
    "binding-does-not-start": N_("vboxapi does not start: {problem}"),
    "newer-version": N_("VirtualBox {version} is newer than those vboxlab was made for ({known})"),
    "unsupported-version": N_("VirtualBox {version} is not supported; supported are {known}"),
    "no-such-value": N_("this VirtualBox has no {enumeration} {name}"),
    "no-engine": N_("this VirtualBox has no execution engine {engine!r}"),
    # The service, and its list of machines.
    "service-silent": N_("VirtualBox's service (VBoxSVC) does not answer"),
    "machines-unknown": N_("VirtualBox's service does not know the machines of {file}"),
    "list-lost": N_("VirtualBox's list of machines is lost"),
    "list-missing": N_("{file} is missing"),
    "list-damaged": N_("{file} is damaged or cut short"),
    "no-whole-copy": N_("no whole copy lies beside it ({file}-tmp, {file}-prev)"),
    "whole-copy": _whole_copy,
    "settings-put-back": N_("the settings {settings} were cut short: those before them were put back"),
    "settings-put-back-kept": N_(
        "the settings {settings} were cut short: those before them were put back; what was there is kept as {kept}"
    ),
    "readable-again": N_("{machine} can be read again ({settings})"),
    # Between vboxlab and its worker.
    "presence-locked": N_("{file} is locked by another program"),
    "other-protocol": N_(
        "vboxlab and the process that calls VirtualBox are of different versions (protocol {ours}, and {theirs})"
    ),
    "unknown-message": N_("the process that calls VirtualBox sent what is not known here: {message}"),
    "unknown-call": N_("the process that calls VirtualBox knows no call {call}"),
    "unknown-field": N_("a message to or from the process that calls VirtualBox has a field too many: {field}"),
    "missing-field": N_("a message to or from the process that calls VirtualBox lacks a field: {field}"),
    "wrong-type": N_("a message to or from the process that calls VirtualBox has a wrong field: {field}"),
}
