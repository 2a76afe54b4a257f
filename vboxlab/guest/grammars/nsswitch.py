"""The `hosts` line of nsswitch.conf(5) as the GNU C library 2.36 reads it (`nss/nss_database.c`, `nss_action_parse.c`).

The last line of a database counts, though not a line without its end of line, and the colon behind its name may be
blanks. There are no comments at line ends: `#` is a service like any other. A mistake in square brackets makes the
library find nothing; brackets without a service before them end the list. What it does with an empty list is not
defined (it may crash): there are no services in both cases. A service that is not installed is unavailable, and passed
over. Hosts cannot be merged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vboxlab.lazily import dataclass

SUCCESS, NOTFOUND, UNAVAIL, TRYAGAIN = "success", "notfound", "unavail", "tryagain"
_STATUSES = (SUCCESS, NOTFOUND, UNAVAIL, TRYAGAIN)
_ACTIONS = ("return", "continue", "merge")
_CRITERION = re.compile(r"(!?)([^ \t\n\v\f\r=\]]*)[ \t\n\v\f\r]*=[ \t\n\v\f\r]*([^ \t\n\v\f\r=\]]*)[ \t\n\v\f\r]*")
_BLANKS = " \t\n\v\f\r"


@dataclass(frozen=True)
class Service:
    """Where a name is looked up, and what comes after each status: `return`, `continue` or `merge`."""

    name: str
    actions: Mapping[str, str]


@dataclass(frozen=True)
class HostsOrder:
    """The services that hosts are looked up in, in their order, and the line that says so (None: there is none)."""

    line: int | None
    services: tuple[Service, ...]

    def found(self, knowing: Sequence[str]) -> str | None:
        """Return the service whose answer counts for a name that some of `files` and `dns` know, None for none."""
        answer, to_merge = None, False
        for service in self.services:
            if service.name not in ("files", "dns"):  # not installed: it gives no answer, not even none
                if service.actions[UNAVAIL] == "return":
                    break
                continue
            status = SUCCESS if service.name in knowing else NOTFOUND
            if to_merge:  # what hosts cannot do: two answers are none
                answer, to_merge = (None if status == SUCCESS else answer), False
            else:
                answer = service.name if status == SUCCESS else None
            if service.actions[status] == "return":
                break
            to_merge = status == SUCCESS and service.actions[status] == "merge"
        return answer


def read(data: bytes) -> HostsOrder:
    """Return what the C library understands of a file."""
    found: HostsOrder | None = None
    for number, whole in enumerate(data.split(b"\n")[:-1], 1):
        text = whole.partition(b"\0")[0].decode(errors="replace").lstrip(_BLANKS)
        match = re.match(r"([^ \t\n\v\f\r:]+)[ \t\n\v\f\r:]+", f"{text}\n")
        if match is not None and match[1] == "hosts":
            services = _services(text[match.end() :])
            if services is None:
                return HostsOrder(number, ())
            found = HostsOrder(number, services)
    return found or HostsOrder(None, _USUAL)


def _services(text: str) -> tuple[Service, ...] | None:
    """Return the services of a line, None for a mistake in it."""
    found: list[Service] = []
    rest = text.strip(_BLANKS)
    while rest:
        match = re.match(r"[^ \t\n\v\f\r\[]+", rest)
        if match is None:
            break
        actions = {SUCCESS: "return", NOTFOUND: "continue", UNAVAIL: "continue", TRYAGAIN: "continue"}
        rest = rest[match.end() :].lstrip(_BLANKS)
        if rest.startswith("["):
            end = _criteria(rest, actions)
            if end is None:
                return None
            rest = rest[end:].lstrip(_BLANKS)
        found.append(Service(match[0], actions))
    return tuple(found)


def _criteria(text: str, actions: dict[str, str]) -> int | None:
    """Apply what stands in square brackets to actions; return where it ends, None for a mistake in it."""
    position = len(text) - len(text[1:].lstrip(_BLANKS))
    while True:
        match = _CRITERION.match(text, position)
        if match is None or match[2].lower() not in _STATUSES or match[3].lower() not in _ACTIONS:
            return None
        for status in _STATUSES:
            if (status == match[2].lower()) != bool(match[1]):
                actions[status] = match[3].lower()
        position = match.end()
        if text[position : position + 1] == "]":
            return position + 1


_USUAL = _services("files dns") or ()
