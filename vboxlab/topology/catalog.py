"""Where topologies and snapshot sets are found: the project's, the user's, and those that come with vboxlab."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Literal

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.language import C_, N_, _
from vboxlab.lazily import dataclass
from vboxlab.settings import Settings
from vboxlab.topology.problems import nearest
from vboxlab.topology.source import Source, read_source

Kind = Literal["topologies", "snapshots"]
Origin = Literal["project", "user", "packaged"]
ENDINGS = (".yaml", ".yml")
_NO_FILE = {
    "topologies": N_("{argument}: there is no such topology file, or it cannot be read"),
    "snapshots": N_("{argument}: there is no such snapshot set file, or it cannot be read"),
}
_NONE_NAMED = {
    "topologies": N_("there is no topology `{name}`"),
    "snapshots": N_("there is no snapshot set `{name}`"),
}
_NAME_ONE = {
    "topologies": N_("give one of these names, or the path of a topology file"),
    "snapshots": N_("give one of these names, or the path of a snapshot set file"),
}


@dataclass(frozen=True)
class TopologyEntry:
    """A topology that can be named on the command line."""

    name: str
    lab: str
    title: str
    origin: Origin
    path: Path
    problem: str | None = None


def project_folder(start: Path | None = None) -> Path | None:
    """Return the nearest folder at or above the current one (or `start`) that has a `topologies` folder."""
    try:
        here = (start or Path.cwd()).resolve()
    except OSError:  # the current folder has been removed
        return None
    # os.path instead of Path.is_dir: a folder that we may not look into is one without topologies, not an error
    return next((folder for folder in (here, *here.parents) if os.path.isdir(folder / "topologies")), None)  # noqa: PTH112


def packaged_folder(kind: Kind) -> Path:
    """Return the folder of the files that come with vboxlab: in the wheel, or beside the package in a checkout."""
    package = Path(str(resources.files("vboxlab")))
    packaged = package / "packaged" / kind
    return packaged if packaged.is_dir() else package.parent / kind


def _folders(kind: Kind, settings: Settings) -> Iterator[tuple[Origin, Path]]:
    project = project_folder()
    packaged = packaged_folder(kind)
    if project is not None and (project / kind).resolve() != packaged.resolve():
        yield "project", project / kind
    yield "user", settings.home / kind
    yield "packaged", packaged


def _files(folder: Path) -> dict[str, Path]:
    """Return the YAML files of a folder by name; a folder that is missing or not readable has none."""
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file())
    except OSError:
        return {}
    return {path.stem: path for path in reversed(found)}


def _named(kind: Kind, settings: Settings, first: tuple[Path, ...] = ()) -> dict[str, tuple[Origin, Path]]:
    """Return what can be named; the nearest folder wins where two have the same name."""
    result: dict[str, tuple[Origin, Path]] = {}
    for origin, folder in (*(("project", folder) for folder in first), *_folders(kind, settings)):
        for name, path in sorted(_files(folder).items()):
            result.setdefault(name, (origin, path))
    return result


def _is_path(argument: str) -> bool:
    return argument.endswith(ENDINGS) or "/" in argument or "\\" in argument


def _find(kind: Kind, argument: str, named: dict[str, tuple[Origin, Path]], folders: list[Path]) -> Path:
    names = ", ".join(sorted(named))
    if _is_path(argument):
        path = Path(os.path.expanduser(argument))  # noqa: PTH111  # Path's own raises for an unknown user
        if os.path.isfile(path):  # noqa: PTH113
            return path
        raise UsageError(
            _(_NO_FILE[kind]).format(argument=argument),
            resolution=_("give the path of a file, or one of the names: {names}").format(
                names=names or C_("names", "none exists")
            ),
        )
    if argument in named:
        return named[argument][1]
    near = nearest(argument, named)
    raise UsageError(
        _(_NONE_NAMED[kind]).format(name=argument),
        details=[
            _("those that exist: {names}").format(names=names or C_("names", "none")),
            _("looked in {folders}").format(folders=", ".join(map(str, folders))),
        ],
        resolution=_("did you mean `{word}`?").format(word=near) if near else _(_NAME_ONE[kind]),
    )


def find_topology(name_or_path: str, settings: Settings) -> Path:
    """Return the file of a topology named by name or path.

    Raises UsageError with the topologies that exist and the nearest name when there is none.
    """
    folders = [folder for _origin, folder in _folders("topologies", settings)]
    return _find("topologies", name_or_path, _named("topologies", settings), folders)


def list_topologies(settings: Settings, read: Callable[[Path], Source] = read_source) -> list[TopologyEntry]:
    """Return the topologies that can be named, by name; those with problems in the file as well, with the problem.

    `read` is what reads a file, for callers that go on with what is read.
    """
    named = _named("topologies", settings)
    return [_entry(name, origin, path, read) for name, (origin, path) in sorted(named.items())]


def _entry(name: str, origin: Origin, path: Path, read: Callable[[Path], Source]) -> TopologyEntry:
    try:
        source = read(path)
    except (TopologyInvalid, UsageError) as error:
        return TopologyEntry(name, "", "", origin, path, problem=error.details[0] if error.details else error.brief)
    lab, title = source.get(("lab",)), source.get(("title",))
    problem = source.problems[0].render(str(path)) if source.problems else None
    return TopologyEntry(
        name, lab if isinstance(lab, str) else "", title if isinstance(title, str) else "", origin, path, problem
    )


def _near(topology: Path | None) -> tuple[Path, ...]:
    """Return the snapshot folders that belong to a topology's file: beside it, or beside its folder."""
    if topology is None:
        return ()
    folder = topology.resolve().parent
    return (
        (folder / "snapshots", folder.parent / "snapshots") if folder.name == "topologies" else (folder / "snapshots",)
    )


def find_snapshot_set(name: str, settings: Settings, near: Path | None = None) -> Path:
    """Return the file of a snapshot set named by name or path; `near` is the file of the topology that names it.

    Raises UsageError with the snapshot sets that exist and the nearest name when there is none.
    """
    first = _near(near)
    folders = [*first, *(folder for _origin, folder in _folders("snapshots", settings))]
    return _find("snapshots", name, _named("snapshots", settings, first), list(dict.fromkeys(folders)))


def snapshot_set_names(settings: Settings, near: Path | None = None) -> frozenset[str]:
    """Return the names of the snapshot sets that a topology may refer to."""
    return frozenset(_named("snapshots", settings, _near(near)))


class FoundParts:
    """The parts that a topology can name: in the folder `parts` beside its file, else beside those found by name."""

    def __init__(
        self, topology: Path, settings: Settings | None = None, read: Callable[[Path], Source] = read_source
    ) -> None:
        self._read = read
        folders = [folder for _origin, folder in _folders("topologies", settings)] if settings is not None else []
        self._folders = [folder / "parts" for folder in (topology.parent, *folders, packaged_folder("topologies"))]

    def names(self) -> tuple[str, ...]:
        """Return the names of all parts."""
        return tuple(sorted({name for folder in self._folders for name in _files(folder)}))

    def source(self, name: str) -> Source | None:
        """Return what a part's file holds, the nearest one's; None when there is none of that name.

        Raises UsageError when it cannot be read, TopologyInvalid when it is not YAML.
        """
        for folder in self._folders:
            path = _files(folder).get(name)
            if path is not None:
                return self._read(path)
        return None
