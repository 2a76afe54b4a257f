"""The folders `roles` and `checks` beside a topology: read once, whole, and run from what was read.

Nothing of them runs before their user has agreed to it (vboxlab.topology.trust), and what runs is what he agreed to:
the modules are made of the very bytes that the digest is of, whatever becomes of the files meanwhile.
"""

from __future__ import annotations

import gettext
import hashlib
import importlib.abc
import importlib.util
import io
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

from vboxlab import language
from vboxlab.errors import said_by_system
from vboxlab.language import LANGUAGES, N_
from vboxlab.lazily import dataclass
from vboxlab.topology.code import Kind, NotFit, taken_for_a_reason

FOLDERS: Mapping[Kind, str] = {"role": "roles", "check": "checks"}
MOST_FILES, MOST_BYTES = 2000, 32 << 20
_COMPILED = "__pycache__"  # never used: modules are made of their sources
_ROOT = "vboxlab_folder_"


@dataclass(frozen=True, eq=False)
class CodeFolder:
    """What the folders of code beside a topology hold: by names such as `roles/quote/role.py`, every byte.

    `refused` says why it cannot be used at all, such as a link in it; then `files` has names alone.
    """

    path: Path
    files: Mapping[str, bytes]
    refused: NotFit | None = None

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of all names and contents, each with its length before it."""
        whole = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            for part in (os.fsencode(name), content):
                whole.update(len(part).to_bytes(8, "big"))
                whole.update(part)
        return whole.hexdigest()

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return the names of the roles or checks: of the folders that have a role.py or check.py."""
        split = [name.split("/") for name in sorted(self.files)]
        return tuple(parts[1] for parts in split if len(parts) == 3 and parts[::2] == [FOLDERS[kind], f"{kind}.py"])

    @property
    def package(self) -> str:
        """Return the name of the package that its modules are in: folders that hold the same have the same one."""
        return f"{_ROOT}{self.digest[:32]}"


def read_code(folder: Path) -> CodeFolder | None:
    """Read the folders of code beside a topology, its folder given; None where there are none."""
    files: dict[str, bytes] = {}
    refused: list[NotFit] = []
    try:
        for name in FOLDERS.values():
            _read(folder / name, name, files, refused)
    except NotFit as why:
        refused.append(why)
    except OSError as error:
        refused.append(NotFit("{problem}", problem=said_by_system(error)))
    return CodeFolder(folder.resolve(), files, next(iter(refused), None)) if files or refused else None


def _read(path: Path, name: str, files: dict[str, bytes], refused: list[NotFit]) -> None:
    """Read a file, or all in a folder; whatever else is there is refused: what a link leads to may change unseen.

    Raises NotFit where there is too much, OSError.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode) or getattr(found, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        refused.append(NotFit(N_("{file} is a link; expected files and folders alone"), file=name))
    elif stat.S_ISDIR(found.st_mode):
        for inner in sorted(os.listdir(path)):  # noqa: PTH208 -- names alone
            if inner != _COMPILED:
                _read(path / inner, f"{name}/{inner}", files, refused)
    elif not stat.S_ISREG(found.st_mode):
        refused.append(NotFit(N_("{file} is no plain file; expected files and folders alone"), file=name))
    elif "/" in name:
        files[name] = _content(path, name, MOST_BYTES - sum(map(len, files.values())))
        if len(files) > MOST_FILES:
            raise NotFit(N_("there are more than {count} files; expected code alone"), count=MOST_FILES)


def _content(path: Path, name: str, most: int) -> bytes:
    # What stands there now may be another thing than a moment ago: a link is not followed, a pipe not waited for.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise NotFit(N_("{file} is no plain file; expected files and folders alone"), file=name)
        content = stream.read(most + 1)
    if len(content) > most:
        raise NotFit(N_("there are more than {size} MiB; expected code alone"), size=MOST_BYTES >> 20)
    return content


@dataclass(frozen=True, eq=False)
class InFolder:
    """A role or check of a folder beside a topology, which somebody has agreed to run."""

    kind: Kind
    name: str
    folder: CodeFolder

    @property
    def written(self) -> str:
        """Return the name of its folder."""
        return f"{FOLDERS[self.kind]}/{self.name}"

    @property
    def origin(self) -> str:
        """Return the folder that it is in."""
        return str(self.folder.path / FOLDERS[self.kind])

    @property
    def is_ours(self) -> bool:
        """Tell that it does not come with vboxlab."""
        return False

    @property
    def advice(self) -> str:
        """Return what is done about one that is not fit."""
        return N_("mend it, or remove it from that folder")

    @property
    def _package(self) -> str:
        return f"{self.folder.package}.{FOLDERS[self.kind]}.{self.name}"

    def load(self) -> object:
        """Return its class: the one of its module that says the name. Raises NotFit."""
        if not self.name.isidentifier():
            raise NotFit(N_("{name} is no name for a folder of code; expected letters, digits and `_`"), name=self.name)
        module = self.module(self.kind)
        for found in vars(module).values():
            if isinstance(found, type) and found.__module__ == f"{self._package}.{self.kind}":
                field = getattr(found, "model_fields", {}).get(self.kind)
                if field is not None and getattr(field.annotation, "__args__", None) == (self.name,):
                    return found
        text = N_('{file} has no class that says `{kind}: Literal["{name}"]`')
        raise NotFit(text, file=f"{self.written}/{self.kind}.py", kind=self.kind, name=self.name)

    def module(self, name: str) -> ModuleType | None:
        """Load the module of a name beside its class's; None where there is none. Raises NotFit."""
        if f"{self.written}/{name}.py" not in self.folder.files:
            return None
        _serve(self.folder)
        with taken_for_a_reason():
            return import_module(f"{self._package}.{name}")

    def take_sentences(self) -> None:
        """Take its sentences in other languages. Raises NotFit."""
        found = {each: f"{self.written}/locale/{each}/LC_MESSAGES/{language.DOMAIN}.mo" for each in LANGUAGES}
        with taken_for_a_reason():
            language.add_read(
                {
                    each: gettext.GNUTranslations(io.BytesIO(self.folder.files[name]))
                    for each, name in found.items()
                    if name in self.folder.files
                }
            )


_served: dict[str, CodeFolder] = {}


def _serve(folder: CodeFolder) -> None:
    """Let the modules of a folder be imported."""
    _served.setdefault(folder.package, folder)
    if not any(isinstance(finder, _Read) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Read())


class _Read(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads modules in what was read of folders; files are not looked at again."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is, None where it is no folder's."""
        del path, target
        found = self._file(fullname)
        if found is None:
            return None
        folder, name, _source = found
        is_package = not name.endswith(".py") or name.endswith("__init__.py")
        spec = ModuleSpec(fullname, self, origin=str(folder.path / name), is_package=is_package)
        spec.has_location = name.endswith(".py")
        return spec

    def get_source(self, fullname: str) -> str:
        """Return the source of a module, for tracebacks. Raises ImportError."""
        return importlib.util.decode_source(self._found(fullname)[2])

    def get_code(self, fullname: str) -> CodeType:
        """Compile a module from the bytes that were read. Raises ImportError, SyntaxError."""
        folder, name, source = self._found(fullname)
        return self.source_to_code(source, str(folder.path / name))

    def is_package(self, fullname: str) -> bool:
        """Tell whether a module has others in it. Raises ImportError."""
        name = self._found(fullname)[1]
        return not name.endswith(".py") or name.endswith("__init__.py")

    def _found(self, fullname: str) -> tuple[CodeFolder, str, bytes]:
        found = self._file(fullname)
        if found is None:
            raise ImportError(fullname, name=fullname)
        return found

    @staticmethod
    def _file(fullname: str) -> tuple[CodeFolder, str, bytes] | None:
        """Return the folder, the name and the source of a module; of a folder without __init__.py, no source."""
        root, *inner = fullname.split(".")
        folder = _served.get(root)
        if folder is None:
            return None
        name = "/".join(inner)
        for file in (f"{name}/__init__.py", f"{name}.py"):
            if file in folder.files:
                return folder, file, folder.files[file]
        has_more = not inner or any(file.startswith(f"{name}/") for file in folder.files)
        return (folder, name, b"") if has_more else None
