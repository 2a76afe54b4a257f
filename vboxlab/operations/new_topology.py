"""Writing a topology that did not exist: where `vboxlab list` looks, never over another one, only one that holds."""

from __future__ import annotations

from pathlib import Path

from vboxlab.errors import UsageError, said_by_system
from vboxlab.files import create_durably
from vboxlab.language import _
from vboxlab.settings import Settings
from vboxlab.topology.catalog import list_topologies, project_folder
from vboxlab.topology.drafting import Draft
from vboxlab.topology.loader import topology_of
from vboxlab.topology.model import Topology
from vboxlab.topology.rules_names import is_lab_name
from vboxlab.topology.source import parse_source

PUBLIC_FILE = 0o644  # a topology is shared, and has no secrets


def folder() -> Path:
    """Return the folder for topologies of the current folder, or of the nearest one above that has one."""
    return (project_folder() or Path.cwd()) / "topologies"


def name_fault(settings: Settings, name: str) -> str:
    """Say why a topology cannot be given a name, "" when it can."""
    if not is_lab_name(name):
        text = _("{name!r} cannot name a topology: expected at most 40 letters, digits, `-` and `_`, without `--`")
        return text.format(name=name)
    there = next((entry for entry in list_topologies(settings) if entry.name == name), None)
    path = folder() / f"{name}.yaml"
    if there is None and not path.exists():
        return ""
    return _("there is a topology `{name}` already: {path}").format(
        name=name, path=path if there is None else there.path
    )


def free_name(settings: Settings, wanted: str) -> str:
    """Return a name that no topology has, the wanted one if it is free."""
    known = {entry.name for entry in list_topologies(settings)}
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, len(known) + 3)))
    return next(name for name in names if name not in known)


def write_topology(settings: Settings, name: str, draft: Draft) -> tuple[Path, Topology]:
    """Write the file of a topology and return it with what it says.

    Raises UsageError where the name is taken or no file can be written, TopologyInvalid, with nothing written, where it
    would not hold.
    """
    if wrong := name_fault(settings, name):
        raise UsageError(wrong, resolution=_("choose another name; nothing was written"))
    path = folder() / f"{name}.yaml"
    text = draft.text()
    made = topology_of(parse_source(text, str(path)), {}, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = create_durably(path, text, mode=PUBLIC_FILE)
    except OSError as error:
        brief = _("{file} cannot be written").format(file=path)
        raise UsageError(brief, details=[said_by_system(error)]) from error
    if not written:
        raise UsageError(
            _("there is a topology `{name}` already: {path}").format(name=name, path=path),
            resolution=_("choose another name; nothing was written"),
        )
    return path, made
