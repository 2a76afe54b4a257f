"""A call that is made again looks first: what the lost one found, what is there now, and what is wanted.

A call notes what it finds before it changes anything (Call.note). Made again, it takes for its own only what the lost
one can have done; where somebody else has changed the same since, it stops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatim


def still_to_do(
    call: Call[Any],
    now: Mapping[str, Any],
    wanted: Mapping[str, Any],
    told: Told,
    setting: Callable[[str], Told] = verbatim,
) -> bool:
    """Tell whether a change of settings is to be made, and note what is there now if the call is not made again.

    Both mappings are of the settings in question; one that is missing is None. Raises Failure, with what is to be
    `told` and each `setting` by its name, when somebody else has changed one of them since the lost call looked.
    """
    before = call.noted.get("before")
    if before is None:
        call.note(before=dict(now))
        return True
    keys = now.keys() | wanted.keys() | before.keys()
    foreign = sorted(key for key in keys if now.get(key) not in (before.get(key), wanted.get(key)))
    if foreign:
        raise changed(told, [
            Told("setting-changed", {
                "setting": setting(key), "before": before.get(key), "wanted": wanted.get(key), "now": now.get(key),
            })
            for key in foreign
        ])  # fmt: skip
    return any(now.get(key) != wanted.get(key) for key in keys)


def changed(told: Told, details: list[Told] | None = None) -> Failure:
    """Return the failure of a call that was lost, and that is not made again because of what somebody else did."""
    return Failure("changed", told, details=details)
