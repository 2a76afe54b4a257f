"""The worker's calls against what each release series of VirtualBox has, without any VirtualBox.

What it calls is recorded on the one series that is installed (tests/virtualbox/test_calls.py). What worker/versions.py
calls may differ from series to series, and is tried on stand-ins for each; all else must be the same in all.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden_files import GOLDEN
from tests.virtualbox.series import (
    IN_VERSIONS,
    NOT_RECORDED,
    RECORD,
    SERIES,
    ConstantsStandIn,
    Refused,
    StandIn,
    Table,
    load,
)
from vboxlab.hypervisor.virtualbox import failures, startup, worker
from vboxlab.hypervisor.virtualbox.worker import media, networks, power, protocol, sessions, versions
from vboxlab.hypervisor.virtualbox.worker.versions import DIFFERENCES, Differences

WORKER = Path(worker.__path__[0])
INSTALLED = "7.2"  # the series that the record is of
TABLES = {series: load(series) for series in SERIES}
RECORDED = (GOLDEN / RECORD).read_text(encoding="ascii").splitlines()
ENTRIES = [*RECORDED, *NOT_RECORDED]
# What versions.py does in its own way for each series: the interface of its first argument, and the call.
Trial = Callable[[Any, Any, Differences], object]
TRIALS: dict[str, tuple[str, Trial]] = {
    "create_machine": (
        "IVirtualBox",
        lambda vbox, constants, own: versions.create_machine(vbox, constants, own, "/m.vbox", "m", "/vboxlab", ""),
    ),
    "set_quiet_hardware": ("IMachine", lambda machine, _constants, own: versions.set_quiet_hardware(machine, own)),
    "set_serial_address": ("ISerialPort", lambda port, _constants, own: versions.set_serial_address(port, own, 0x3F8)),
    "set_execution_engine": (
        "IMachine",
        lambda machine, constants, own: versions.set_execution_engine(machine, constants, own, "interpreter"),
    ),
}


def test_each_series_that_is_promised_has_a_table() -> None:
    assert [versions.spell(series) for series in sorted(DIFFERENCES)] == list(SERIES) == sorted(TABLES)


@pytest.mark.parametrize("series", SERIES)
def test_what_is_called_outside_of_versions_is_alike_in_each_series(series: str) -> None:
    wrong = {entry: TABLES[series].problem(entry) for entry in ENTRIES if not entry.endswith(IN_VERSIONS)}
    assert {entry: problem for entry, problem in wrong.items() if problem} == {}


@pytest.mark.parametrize("series", SERIES)
def test_types_of_what_is_called_are_alike_in_each_series(series: str) -> None:
    """A call with as many arguments of another kind would fail as well."""
    members = {re.split(r"[ \[(]", entry)[0] for entry in ENTRIES if not entry.endswith(IN_VERSIONS)}
    pairs = [member.split(".") for member in members if member.startswith("I")]
    wrong = [pair for pair in pairs if TABLES[series].signature(*pair) != TABLES[INSTALLED].signature(*pair)]
    assert wrong == []


def tried(series: str, name: str) -> list[str]:
    """Return what a function of versions.py calls in a series."""
    table, done = TABLES[series], list[str]()
    interface, trial = TRIALS[name]
    own, _warning = versions.differences_of(f"{series}.0")
    trial(StandIn(table, interface, done), ConstantsStandIn(table, done), own)
    return done


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", TRIALS)
def test_what_versions_calls_fits_each_series(series: str, name: str) -> None:
    lacks_engines = name == "set_execution_engine" and not TABLES[series].has_constant("VMExecutionEngine_Interpreter")
    if lacks_engines:
        with pytest.raises(protocol.Failure) as caught:
            tried(series, name)
        assert caught.value.told.code == "no-engine"
    else:
        assert tried(series, name)


def test_all_that_versions_calls_is_tried() -> None:
    """That is: each of its functions that takes an object of the API, and all that was recorded of them."""
    functions = {
        name
        for name, function in inspect.getmembers(versions, inspect.isfunction)
        if function.__module__ == versions.__name__ and "Differences" in str(inspect.signature(function).parameters)
    }
    assert functions == set(TRIALS)
    done = {f"{entry}{IN_VERSIONS}" for name in TRIALS for entry in tried(INSTALLED, name)}
    assert done == {entry for entry in RECORDED if entry.endswith(IN_VERSIONS)}


def test_each_difference_is_one_between_tables() -> None:
    """A flag of the record of differences that no series needs, or none lacks, is no difference."""
    values = [vars(own) for own in DIFFERENCES.values()]
    assert [name for name in values[0] if len({each[name] for each in values}) < 2] == []


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(WORKER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path, node


def names_in_source() -> set[str]:
    """Return the names in the worker's source that VirtualBox gave: others have no capitals inside."""
    found = set()
    for _path, node in sources():
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.endswith("array"):
            found |= {str(each.value) for each in node.args if isinstance(each, ast.Constant)}
    return {name for name in found if re.fullmatch(r"[a-z]+[A-Z]\w*|[A-Z]{2,}[a-z]\w*", name)}


def test_the_record_is_complete() -> None:
    """What the source names and no run recorded would be held against nothing."""
    known = {member for table in TABLES.values() for members in table.interfaces.values() for member in members}
    known |= {name for table in TABLES.values() for name in table.manager}
    assert names_in_source() - known - {"VirtualBoxManager"} == set()


def named_values() -> set[tuple[str, str]]:
    """Return the constants that the worker's source names in full."""
    found = set()
    for path, node in sources():
        if path.name == "versions.py" or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
        if node.func.attr == "value_of" and len(texts) == 2:
            found.add((str(texts[0]), str(texts[1])))
    return found


@pytest.mark.parametrize("series", SERIES)
def test_each_constant_that_is_named_is_one_of_each_series(series: str) -> None:
    named = named_values()
    assert len(named) > 15
    named |= {("NetworkAttachmentType", theirs) for theirs, _attribute in networks.KINDS.values()}
    named |= {("DeviceType", media.DISK), *(("MediumType", kind) for kind in media.HELD)}
    assert {pair for pair in named if not TABLES[series].has_constant("_".join(pair))} == set()


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("platform", ["darwin", "linux", "win32"])
@pytest.mark.parametrize("kind", networks.KINDS)
def test_each_kind_of_network_is_one_of_each_series(series: str, platform: str, kind: str) -> None:
    type_name, attribute = networks.attachment_of(kind, f"{series}.0", platform)
    assert TABLES[series].has_constant(f"NetworkAttachmentType_{type_name}")
    assert not attribute or TABLES[series].problem(f"INetworkAdapter.{attribute} =") == ""
    assert networks.kind_of(type_name) == (kind, attribute)


def test_states_that_are_told_apart_by_name_are_states() -> None:
    """Of some series at least; and each state of each series is up, saved, passing or off."""
    off = {
        "Null",
        "PoweredOff",
        "Teleported",
        "Aborted",
        "DeletingSnapshot",
        "RestoringSnapshot",
        "SettingUp",
        "Snapshotting",
    }
    told_apart = {*sessions.ONLINE, *power.SAVED, *power.PAUSED, *off}
    states = {series: set(table.enumerations["MachineState"]) for series, table in TABLES.items()}
    aliases = {name for name in set().union(*states.values()) if name.startswith(("First", "Last"))}
    assert [
        (series, names - told_apart - aliases) for series, names in states.items() if names - told_apart - aliases
    ] == []
    assert told_apart - set().union(*states.values()) == set()


def codes_in_source() -> Iterator[tuple[int, str]]:
    """Yield VirtualBox's result codes in the source, with the line."""
    paths = [*WORKER.glob("*.py"), Path(failures.__file__), Path(startup.__file__)]
    for line in (line for path in paths for line in path.read_text(encoding="utf-8").splitlines()):
        yield from ((int(code, 16), line) for code in re.findall(r"0x80BB\w{4}", line))


@pytest.mark.parametrize("series", SERIES)
def test_result_codes_are_those_of_each_series(series: str) -> None:
    by_code = {code: name for name, code in TABLES[series].results.items()}
    found = list(codes_in_source())
    assert len(found) > 10
    assert [line for code, line in found if code not in by_code] == []
    named = [(code, line, name[0]) for code, line in found if (name := re.findall(r"VBOX_E_\w+", line))]
    assert named
    assert [line for code, line, name in named if by_code[code] != name] == []


TINY = Table({
    "series": "0.1", "sources": {}, "results": {}, "manager": {"getArray": [2, 2], "__init__": [0, 2]},
    "enumerations": {"LockType": {"Write": 2}},
    "interfaces": {"IMachine": {
        "name": "text =", "state": "number", "groups": "text[] =", "lockMachine": "(ISession, number)",
    }},
})  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("IMachine.lockMachine(2)", ""),
        ("IMachine.lockMachine(3)", "takes 2 arguments: (ISession, number)"),
        ("IMachine.lockMachine", "is (ISession, number)"),
        ("IMachine.name(0)", "is text ="),
        ("IMachine.name =", ""),
        ("IMachine.state =", "cannot be written"),
        ("IMachine.platform", "no such member"),
        ("IPlatform.name", "no such member"),
        ("IMachine.groups[] =", ""),
        ("IMachine.groups", "is text[] ="),
        ("IMachine.name[]", "is text ="),
        ("constant LockType_Write", ""),
        ("constant LockType_Shared", "no such constant"),
        ("names of LockType", ""),
        ("names of MediumType", "no such enumeration"),
        ("VirtualBoxManager(2)", ""),
        ("VirtualBoxManager.getArray(3)", "the binding takes 2 to 2 arguments"),
        ("VirtualBoxManager.getList(1)", "the binding has no such member"),
    ],
)
def test_what_differs_is_found(entry: str, problem: str) -> None:
    assert TINY.problem(entry) == problem


def test_a_stand_in_takes_what_its_series_has_and_nothing_else() -> None:
    done: list[str] = []
    machine = StandIn(TINY, "IMachine", done)
    machine.name = "m"
    machine.lockMachine(None, ConstantsStandIn(TINY, done).LockType_Write)
    assert done == ["IMachine.name =", "constant LockType_Write", "IMachine.lockMachine(2)"]
    for wrong in (
        lambda: machine.lockMachine(None),
        lambda: machine.lockMachine(None, "Write"),
        lambda: machine.lockMachine(None, True),
        lambda: machine.platform,
        lambda: setattr(machine, "name", 1),
        lambda: setattr(machine, "state", 1),
        lambda: setattr(machine, "groups", ["a", 1]),
    ):
        with pytest.raises(Refused):
            wrong()
