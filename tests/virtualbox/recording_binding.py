"""A vboxapi that writes down what is called of VirtualBox's API, and is otherwise the real one.

`install` puts this file where the worker looks for VirtualBox's binding, so nothing of ours knows of it. Each new entry
is appended to the file RECORD at once: a worker ends without farewell. Entries are those of tests.virtualbox.series.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import Any

RECORD, BINDING = "VBOXLAB_TESTS_RECORD", "VBOXLAB_TESTS_BINDING"
SUBFOLDER = Path("installer", "python", "vboxapi", "src", "vboxapi")  # of an SDK; others are looked at later
VERSIONS = str(Path("worker", "versions.py"))

_known: set[str] = set()
_lock = threading.Lock()


def install(folder: Path, sdk: Path, binding: Path, record: Path) -> dict[str, str]:
    """Make an SDK in a folder that has this binding before the real one; return the environment that selects it."""
    own = folder / SUBFOLDER
    own.mkdir(parents=True)
    (own / "__init__.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "bindings").symlink_to(sdk / "bindings")
    return {"VBOX_SDK_PATH": str(folder), BINDING: str(binding), RECORD: str(record)}


def _note(entry: str) -> None:
    frame = sys._getframe(2)  # who asked for the member
    if frame.f_code.co_filename.endswith(VERSIONS):
        entry += " (versions.py)"
    with _lock:
        if entry in _known:
            return
        _known.add(entry)
        with Path(os.environ[RECORD]).open("a", encoding="ascii") as stream:
            stream.write(entry + "\n")


def _is_object(value: Any) -> bool:
    return hasattr(value, "_comobj_")


def _wrapped(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_wrapped, value))
    return _Object(value) if _is_object(value) else value


def _bare(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_bare, value))
    return value._real if isinstance(value, _Object) else value


def _owner(real: Any, member: str) -> str:
    """Return the interface that a member of an object belongs to, once it was looked up."""
    return str(real.__dict__["_name_to_interface_iid_"][member].name)


class _Object:
    """An object of the API, all of whose members are written down when they are used."""

    def __init__(self, real: Any) -> None:
        self.__dict__["_real"] = real

    def __getattr__(self, member: str) -> Any:
        real = self.__dict__["_real"]
        if member.startswith("_"):
            raise AttributeError(member)
        found = getattr(real, member)
        name = f"{_owner(real, member)}.{member}"
        if not callable(found) or _is_object(found):
            _note(name)
            return _wrapped(found)

        def call(*arguments: Any) -> Any:
            _note(f"{name}({len(arguments)})")
            return _wrapped(found(*map(_bare, arguments)))

        return call

    def __setattr__(self, member: str, value: Any) -> None:
        real = self.__dict__["_real"]
        setattr(real, member, _bare(value))
        _note(f"{_owner(real, member)}.{member} =")

    def __eq__(self, other: object) -> bool:
        return bool(self.__dict__["_real"] == _bare(other))

    def __hash__(self) -> int:
        return hash(self.__dict__["_real"])


class _Constants:
    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        _note(f"constant {name}")
        return value

    def all_values(self, enumeration: str) -> Any:
        _note(f"names of {enumeration}")
        return self._real.all_values(enumeration)


class _Manager:
    def __init__(self, real: Any) -> None:
        self._real = real
        self.constants = _Constants(real.constants)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if isinstance(found, type) or not callable(found):
            _note(f"VirtualBoxManager.{name}")
            return found

        def call(*arguments: Any) -> Any:
            _note(f"VirtualBoxManager.{name}({len(arguments)})")
            return _wrapped(found(*map(_bare, arguments)))

        return call

    def getArray(self, owner: _Object, member: str) -> Any:  # noqa: N802 -- VirtualBox's name
        real = _bare(owner)
        value = self._real.getArray(real, member)
        _note("VirtualBoxManager.getArray(2)")
        _note(f"{_owner(real, _accessor('get', real, member))}.{member}[]")
        return _wrapped(value)

    def setArray(self, owner: _Object, member: str, values: Any) -> None:  # noqa: N802
        real = _bare(owner)
        self._real.setArray(real, member, _bare(values))
        _note("VirtualBoxManager.setArray(3)")
        _note(f"{_owner(real, _accessor('set', real, member))}.{member}[] =")


def _accessor(how: str, real: Any, member: str) -> str:
    """Return the method that XPCOM has for an array, whose attributes it does not know."""
    name = f"{how}{member[0].upper()}{member[1:]}"
    getattr(real, name)
    return name


def _load() -> Any:
    folder = os.environ[BINDING]
    start = str(Path(folder, "__init__.py"))
    spec = importlib.util.spec_from_file_location("recorded_vboxapi", start, submodule_search_locations=[folder])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recorded_vboxapi"] = module
    spec.loader.exec_module(module)
    return module


def VirtualBoxManager(style: Any, parameters: Any) -> _Manager:  # noqa: N802
    """Return the real manager in a wrapping that writes down what is asked of it."""
    _note("VirtualBoxManager(2)")
    return _Manager(_load().VirtualBoxManager(style, parameters))
