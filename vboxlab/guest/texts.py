"""All sentences by their keys: those of every guest, and those that the installed roles bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from vboxlab.errors import RoleUnusable
from vboxlab.guest.explain_texts import TEXTS
from vboxlab.guest.finding_texts import EXPECTED, FOUND
from vboxlab.guest.roles import guest_roles
from vboxlab.guest.wording import Texts
from vboxlab.topology.role_registry import installed_roles


@dataclass(frozen=True)
class AllTexts:
    """What was found and what is expected, by the code of a finding; the words of the answer key."""

    found: Texts
    expected: Texts
    steps: Texts


@cache
def all_texts() -> AllTexts:
    """Return the sentences of vboxlab and of all installed roles. Raises RoleUnusable when two have one key."""
    roles = guest_roles()
    return AllTexts(
        _together("code", FOUND, {name: role.found for name, role in roles.items()}),
        _together("code", EXPECTED, {name: role.expected for name, role in roles.items()}),
        _together("key of a text", TEXTS, {name: role.steps for name, role in roles.items()}),
    )


def _together(what: str, own: Texts, of_roles: Mapping[str, Texts]) -> Texts:
    found, owners = dict(own), dict.fromkeys(own, "vboxlab's own for every guest")
    for name, texts in of_roles.items():
        owner = f"role {name} of {installed_roles()[name].origin}"
        for key, pair in texts.items():
            if key in found:
                raise RoleUnusable(
                    f"the {what} {key} is there twice",
                    details=[owners[key], owner],
                    resolution="remove one of them, or ask its author for a key that begins with the role's name",
                )
            found[key], owners[key] = pair, owner
    return found
