"""What each release series of VirtualBox has of the API that the worker uses: tables, and stand-ins made of them.

A table is a JSON file of this folder, made by `python -m tests.virtualbox.series` (see there for where it is from). A
record is a list of entries, as tests.virtualbox.recording_binding writes them: `IMachine.name` is read,
`IMachine.name =` is written, `IMachine.groups[]` is an array (which the bindings have calls for),
`IMachine.lockMachine(2)` is called with two arguments; then there are constants, enumerations whose names are asked
for, and calls of the binding itself. Behind an entry stands whether worker/versions.py made it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD = "virtualbox/calls"  # the golden record
SERIES = ("6.1", "7.0", "7.1", "7.2")
ENTRY = re.compile(r"(?P<owner>\w+)(\.(?P<member>\w+))?(?P<array>\[\])?(\((?P<count>\d+)\))?(?P<written> =)?")
# Calls that the record cannot have, with why: they are held against the tables all the same.
NOT_RECORDED = {
    "IMachine.addStorageController(2)": "the defaults of Debian bring a SATA controller",
    "IVirtualSystemDescription.addDescription(3)": "all descriptions that are wanted are found in appliances of 7.2",
}
IN_VERSIONS = " (versions.py)"


@dataclass(frozen=True)
class Signature:
    """A member as a table has it: `(text) -> IProgress` a method, `text` an attribute, `text =` one to write."""

    text: str

    @property
    def is_method(self) -> bool:
        return self.text.startswith("(")

    @property
    def arguments(self) -> list[str]:
        inside = self.text[1 : self.text.index(")")]
        return inside.split(", ") if inside else []

    @property
    def results(self) -> list[str]:
        behind = self.text.partition("->")[2].strip()
        return behind.split(", ") if behind else []

    @property
    def type(self) -> str:
        return self.text.removesuffix(" =")

    @property
    def is_writable(self) -> bool:
        return self.text.endswith(" =")


class Table:
    """What one release series has."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.series: str = content["series"]
        self.sources: dict[str, str] = content["sources"]
        self.interfaces: dict[str, dict[str, str]] = content["interfaces"]
        self.enumerations: dict[str, dict[str, int]] = content["enumerations"]
        self.results: dict[str, int] = content["results"]
        self.manager: dict[str, list[int]] = content["manager"]

    def signature(self, interface: str, member: str) -> Signature | None:
        text = self.interfaces.get(interface, {}).get(member)
        return None if text is None else Signature(text)

    def problem(self, entry: str) -> str:
        """Return why a recorded call cannot be made in this series, "" when it can."""
        kind, _space, name = entry.partition(" ")
        if kind == "constant":
            return "" if self.has_constant(name) else "no such constant"
        if entry.startswith("names of "):
            return "" if entry.removeprefix("names of ") in self.enumerations else "no such enumeration"
        found = ENTRY.fullmatch(entry)
        assert found is not None, entry
        if found["owner"] == "VirtualBoxManager":
            return self._problem_of_binding(found["member"] or "__init__", found["count"])
        signature = self.signature(found["owner"], found["member"])
        if signature is None:
            return "no such member"
        count = found["count"]
        if signature.is_method != (count is not None):
            return f"is {signature.text}"
        if count is not None and len(signature.arguments) != int(count):
            return f"takes {len(signature.arguments)} arguments: {signature.text}"
        if count is None and signature.type.endswith("[]") != bool(found["array"]):
            return f"is {signature.text}"
        return "cannot be written" if found["written"] and not signature.is_writable else ""

    def has_constant(self, name: str) -> bool:
        enumeration, _underline, value = name.partition("_")
        return value in self.enumerations.get(enumeration, {})

    def _problem_of_binding(self, member: str, count: str | None) -> str:
        if member not in self.manager:
            return "the binding has no such member"
        fewest, most = self.manager[member]
        if count is not None and not fewest <= int(count) <= most:
            return f"the binding takes {fewest} to {most} arguments"
        return ""


def load(series: str) -> Table:
    return Table(json.loads((HERE / f"{series}.json").read_text(encoding="utf-8")))


class Refused(Exception):
    """A stand-in was used in a way that its series does not have."""


class StandIn:
    """An object of a series' API: it has what its interface has, and writes down what is done to it."""

    def __init__(self, table: Table, interface: str, done: list[str]) -> None:
        self.__dict__.update(_table=table, _interface=interface, _done=done)

    def __getattr__(self, member: str) -> Any:
        signature = self._table.signature(self._interface, member)
        name = f"{self._interface}.{member}"
        if signature is None:
            raise Refused(f"{name}: VirtualBox {self._table.series} has no such member")
        if not signature.is_method:
            self._use(name)
            return self._value(signature.type)

        def call(*arguments: Any) -> Any:
            self._use(f"{name}({len(arguments)})")
            for argument, wanted in zip(arguments, signature.arguments, strict=True):
                self._check(name, argument, wanted)
            results = [self._value(each) for each in signature.results]
            return results[0] if len(results) == 1 else tuple(results) or None

        return call

    def __setattr__(self, member: str, value: Any) -> None:
        name = f"{self._interface}.{member}"
        self._use(f"{name} =")
        signature = self._table.signature(self._interface, member)
        assert signature is not None
        self._check(name, value, signature.type)

    def _use(self, entry: str) -> None:
        problem = self._table.problem(entry)
        if problem:
            raise Refused(f"{entry}: {problem} in VirtualBox {self._table.series}")
        self._done.append(entry)

    def _check(self, name: str, value: Any, wanted: str) -> None:
        if wanted.endswith("[]"):
            fits = isinstance(value, list)
            for each in value if fits else ():
                self._check(name, each, wanted.removesuffix("[]"))
        elif wanted in KINDS:
            fits = type(value) is KINDS[wanted]
        else:
            fits = value is None or isinstance(value, StandIn)
        if not fits:
            raise Refused(f"{name}: {value!r} is no {wanted} in VirtualBox {self._table.series}")

    def _value(self, kind: str) -> Any:
        if kind.endswith("[]"):
            return []
        return KINDS[kind]() if kind in KINDS else StandIn(self._table, kind, self._done)


KINDS: dict[str, type] = {"text": str, "number": int, "boolean": bool}


class ConstantsStandIn:
    """The constants of a series, as the binding has them."""

    def __init__(self, table: Table, done: list[str]) -> None:
        self._table, self._done = table, done

    def __getattr__(self, name: str) -> int:
        enumeration, _underline, value = name.partition("_")
        if not self._table.has_constant(name):
            raise AttributeError(name)
        self._done.append(f"constant {name}")
        return self._table.enumerations[enumeration][value]
