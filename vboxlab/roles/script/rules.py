"""Rules for scripts: that there is one, with a check, and a name of its own."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.script.role import ScriptRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject


def problems(subject: Subject) -> Iterator[Problem]:
    """missing-key, empty-command, duplicate-command: what cannot be run, or told from another one."""
    seen: dict[tuple[Place, str], Place] = {}
    for _machine, role, place in subject.roles_of(ScriptRole):
        if role.run is None and role.template is None:
            message = _("script `{name}` has no text; expected `run: …` or `template: …`").format(name=role.name)
            yield subject.problem_of_key("missing-key", place, message)
        for key, text in (("name", role.name), ("check", role.check), ("run", role.run)):
            if text is not None and not text.strip():
                message = _("`{key}` is {value}; expected a text").format(key=key, value=show(None))
                yield subject.problem("empty-command", (*place, key), message)
        first = seen.setdefault((place[:-1], role.name), place)
        if first != place and role.name.strip():
            message = _("a script is called {name} already (line {line}); expected another `name`").format(
                name=show(role.name), line="{line}"
            )
            yield subject.repeated("duplicate-command", (*place, "name"), (*first, "name"), message)
