"""Which folders of code beside topologies their user has agreed to run: by a digest of all that is in them.

Kept in the home, in a file of its own. One that is damaged or written by somebody else trusts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vboxlab.files import make_private_folder, read_json, write_durably
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.topology.code import Kind
from vboxlab.topology.code_folder import FOLDERS, CodeFolder

TRUSTED = "trusted.json"
_UNTRUSTED: Mapping[Kind, str] = {
    "role": N_("the role `{name}` is in {folder}, whose code you have not agreed to run as it is now"),
    "check": N_("the check `{name}` is in {folder}, whose code you have not agreed to run as it is now"),
}
_REFUSED: Mapping[Kind, str] = {
    "role": N_("the role `{name}` is in {folder}, which cannot be used: {why}"),
    "check": N_("the check `{name}` is in {folder}, which cannot be used: {why}"),
}


@dataclass(frozen=True, eq=False)
class Untrusted:
    """A role or check of a folder whose code its user has not agreed to run."""

    kind: Kind
    name: str
    folder: CodeFolder

    @property
    def code(self) -> str:
        """Return the code of the problem where a topology uses it."""
        return f"untrusted-{self.kind}"

    @property
    def place(self) -> str:
        """Return the folder that it is in."""
        return str(self.folder.path / FOLDERS[self.kind])

    def sentence(self, file: str) -> str:
        """Say where it is, and how its code may be run."""
        refused = self.folder.refused
        if refused is not None:
            return _(_REFUSED[self.kind]).format(name=self.name, folder=self.place, why=refused.told())
        said = _(_UNTRUSTED[self.kind]).format(name=self.name, folder=self.place)
        text = _("{what}; `vboxlab trust {file}` shows its files and asks")
        return text.format(what=said, file=file)


def untrusted_in(folder: CodeFolder | None, home: Path) -> tuple[Untrusted, ...]:
    """Return the roles and checks of a folder that may not run; none where it is trusted, or there is none."""
    if folder is None or is_trusted(home, folder):
        return ()
    return tuple(Untrusted(kind, name, folder) for kind in FOLDERS for name in folder.names(kind))


def is_trusted(home: Path, folder: CodeFolder) -> bool:
    """Tell whether all that is in a folder is what its user has agreed to run."""
    return folder.refused is None and folder.digest in _read(home)


def trust(home: Path, folder: CodeFolder) -> None:
    """Remember that a folder's code may run, as long as no byte of it changes. Raises OSError."""
    make_private_folder(home)
    same = {digest: path for digest, path in _read(home).items() if path != str(folder.path)}
    _write(home, {**same, folder.digest: str(folder.path)})


def revoke(home: Path, path: Path, folder: CodeFolder | None) -> bool:
    """Forget that the code of a folder may run, as it is and as it was; tell whether it might. Raises OSError."""
    before = _read(home)
    gone = {folder.digest} if folder is not None and folder.refused is None else set()
    after = {digest: other for digest, other in before.items() if digest not in gone and other != str(path.resolve())}
    if after != before:
        _write(home, after)
    return after != before


def _read(home: Path) -> Mapping[str, str]:
    with suppress(OSError, ValueError):
        found: Any = read_json(home / TRUSTED)
        folders = found.get("folders") if isinstance(found, dict) else None
        if isinstance(folders, dict) and all(isinstance(path, str) for path in folders.values()):
            return folders
    return {}


def _write(home: Path, folders: Mapping[str, str]) -> None:
    write_durably(home / TRUSTED, json.dumps({"version": 1, "folders": dict(folders)}, indent=2) + "\n")
