"""The parts of the VirtualBox driver that need no VirtualBox: versions, errors, protocol, marks, start."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

import vboxlab.hypervisor.virtualbox.worker as worker_package
from vboxlab.errors import BaseError, DriverError, DriverUnavailable, MachineConflict, MachineNotFound, SnapshotNotFound
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.hypervisor.virtualbox.failures import CODES, STATUSES, to_error
from vboxlab.hypervisor.virtualbox.launch import BOOTSTRAP, PACKAGE, worker_environment
from vboxlab.hypervisor.virtualbox.machines import group_of, observed
from vboxlab.hypervisor.virtualbox.readiness import Binding, Installation
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker import marks, networks
from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments
from vboxlab.hypervisor.virtualbox.worker.calls import Details, Inspect, ListMachines, Machine, SetMarks
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.main import Answers, Server
from vboxlab.hypervisor.virtualbox.worker.protocol import (
    Failed,
    Failure,
    Progressed,
    Reply,
    decode,
    encode,
    request,
)
from vboxlab.hypervisor.virtualbox.worker.told import verbatim
from vboxlab.hypervisor.virtualbox.worker.versions import DIFFERENCES, differences_of, parse_version
from vboxlab.planning.observed import PowerState

WORKER = Path(worker_package.__file__).parent
# What the worker shares with the rest: it needs nothing else either.
ALONE = ("vboxlab.files", "vboxlab.language", "vboxlab.lazily", "vboxlab.listening")


@pytest.mark.parametrize(
    ("text", "version"),
    [("7.2.22_Debianr175245", (7, 2, 22)), ("6.1.50", (6, 1, 50)), ("7.1.0_BETA1", (7, 1, 0)), ("?", ())],
)
def test_versions_are_integers(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("series", sorted(DIFFERENCES))
def test_supported_versions_are_taken_without_a_word(series: tuple[int, int]) -> None:
    assert differences_of(f"{series[0]}.{series[1]}.4r1") == (DIFFERENCES[series], None)


def test_a_newer_version_is_warned_of_by_name() -> None:
    differences, warning = differences_of("8.0.2")
    assert differences is DIFFERENCES[7, 2]
    assert warning is not None
    assert "8.0.2" in say(warning)


@pytest.mark.parametrize("version", ["5.2.44", "6.0.24", "nonsense"])
def test_an_older_version_is_refused_by_name(version: str) -> None:
    with pytest.raises(Failure) as caught:
        differences_of(version)
    assert say(caught.value.told) == f"VirtualBox {version} is not supported; supported are 6.1, 7.0, 7.1, 7.2"
    assert type(to_error(caught.value)) is DriverUnavailable


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("not-found", MachineNotFound),
        ("not-ours", MachineConflict),
        ("snapshot-exists", MachineConflict),
        ("no-snapshot", SnapshotNotFound),
        ("no-image", BaseError),
        ("image-in-use", BaseError),
        ("locked", DriverError),
        ("start", DriverError),
    ],
)
def test_each_kind_of_failure_has_its_error(kind: str, error: type[Exception]) -> None:
    made = to_error(Failure(kind, verbatim("what happened"), details=[verbatim("evidence")]), "srv-web")
    assert type(made) is error
    assert "evidence" in made.details


def test_result_codes_and_status_names_say_what_to_do() -> None:
    made = to_error(Failure("api", verbatim("refused"), result_code=0x80BB000C), "srv-web")
    assert made.brief == "srv-web: refused"
    assert made.details == ("VirtualBox result code 0x80bb000c",)
    assert made.resolution == CODES[0x80BB000C]
    refused = verbatim("no driver (VERR_VM_DRIVER_NOT_INSTALLED).")
    made = to_error(Failure("start", refused, result_code=0x80004005), "srv-web")
    assert made.brief == "srv-web does not start"
    assert made.resolution == STATUSES["VERR_VM_DRIVER_NOT_INSTALLED"]


def test_marks_survive_in_a_snapshots_description() -> None:
    text = marks.describe_with_marks("two\nlines", {"stage": "web", "user": "élève"})
    assert marks.split_description(text) == ("two\nlines", {"stage": "web", "user": "élève"})
    assert marks.split_description("taken by hand") == ("taken by hand", None)
    assert marks.split_description("a" + marks.SNAPSHOT_MARKS + "{oops") == ("a" + marks.SNAPSHOT_MARKS + "{oops", None)


def test_groups_follow_lab_and_copy() -> None:
    assert group_of({"lab": "ha"}) == "/vboxlab/ha"
    assert group_of({"lab": "ha", "copy": "zoe"}) == "/vboxlab/ha/zoe"


@pytest.mark.parametrize(
    ("state", "power"),
    [
        ("PoweredOff", PowerState.OFF),
        ("Aborted", PowerState.OFF),
        ("AbortedSaved", PowerState.SAVED),
        ("Stuck", PowerState.PAUSED),
        ("Starting", PowerState.CHANGING),
        ("a state of a later version", PowerState.CHANGING),
    ],
)
def test_states_are_taken_by_name(state: str, power: PowerState) -> None:
    found = observed(Machine("h", "n", state, details=Details(untouched=True)))
    assert (found.power, found.untouched) == (power, power is PowerState.OFF)


def test_windows_installer_keeps_the_binding_in_a_folder_of_another_name(tmp_path: Path) -> None:
    sdk = tmp_path / "sdk"
    own = [sdk / "install" / "vboxapi", sdk / "installer" / "python" / "vboxapi" / "src" / "vboxapi"]
    for folder in own:
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    folders = {binding.folder for binding in readiness.find_bindings(Installation(tmp_path, sdk), None)}
    assert {str(folder) for folder in own} <= folders


def test_no_python_of_windows_default_folders_is_taken() -> None:
    assert readiness.system_python(windows=True) is None


@pytest.mark.parametrize(
    ("kind", "version", "platform", "expected"),
    [
        ("host-only", "6.1.50", "darwin", ("HostOnly", "hostOnlyInterface")),
        ("host-only", "7.0.0", "darwin", ("HostOnlyNetwork", "hostOnlyNetwork")),
        ("host-only", "7.2.22_Debianr175245", "darwin", ("HostOnlyNetwork", "hostOnlyNetwork")),
        ("host-only", "7.2.22", "linux", ("HostOnly", "hostOnlyInterface")),
        ("host-only", "7.2.22", "win32", ("HostOnly", "hostOnlyInterface")),
        ("internal", "7.2.22", "darwin", ("Internal", "internalNetwork")),
    ],
)
def test_host_only_networks_are_what_the_host_has(
    kind: str, version: str, platform: str, expected: tuple[str, str]
) -> None:
    assert networks.attachment_of(kind, version, platform) == expected
    assert networks.kind_of(expected[0]) == (kind, expected[1])


def test_a_kind_of_attachment_that_is_none_of_ours_keeps_its_name() -> None:
    assert networks.kind_of("Generic") == ("Generic", "")


def test_the_worker_needs_nothing_but_the_standard_library() -> None:
    alone = [WORKER.parents[2] / f"{name.removeprefix('vboxlab.')}.py" for name in ALONE]
    for path in (*WORKER.glob("*.py"), *alone):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                own = name.startswith("vboxlab.hypervisor.virtualbox.worker") or name in ALONE
                assert own or name.split(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_every_module_of_the_worker_can_be_imported_alone() -> None:
    start, _, _ = BOOTSTRAP.partition("from vboxlab.hypervisor.virtualbox.worker.main")
    alone = """
import importlib
for name in sys.argv[2:]:
    for loaded in [each for each in sys.modules if each.startswith("vboxlab.hypervisor.virtualbox.worker")]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""
    names = [f"{worker_package.__name__}.{path.stem}" for path in WORKER.glob("*.py") if path.stem != "__init__"]
    argv = [sys.executable, "-S", "-c", start + alone, str(PACKAGE), *names]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr


def test_the_worker_starts_without_vboxlabs_other_packages_and_says_what_it_lacks(tmp_path: Path) -> None:
    argv = [sys.executable, "-S", "-c", BOOTSTRAP, str(PACKAGE), "--binding", "/nowhere"]
    argv += ["--folder", str(tmp_path), "--token", "1"]
    ended = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    begun, message = (decode(line) for line in ended.stdout.splitlines())
    assert isinstance(begun, Progressed)
    assert isinstance(message, Failed)
    assert (message.kind, message.told.code) == ("binding", "binding-not-loaded")


@pytest.mark.parametrize(
    ("raised", "kind"), [("Exception('Cannot find VBoxPython module')", "binding"), ("com_error('no answer')", "dead")]
)
def test_a_binding_that_fails_as_it_is_made_is_none_of_our_bugs(tmp_path: Path, raised: str, kind: str) -> None:
    package = tmp_path / "vboxapi"
    package.mkdir()
    (package / "__init__.py").write_text(
        f"class com_error(Exception): pass\nclass VirtualBoxManager:\n    def __init__(self, *_): raise {raised}\n"
    )
    argv = [sys.executable, "-S", "-c", BOOTSTRAP, str(PACKAGE), "--binding", str(package)]
    argv += ["--folder", str(tmp_path), "--token", "1"]
    ended = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    message = decode(ended.stdout.splitlines()[-1])
    assert isinstance(message, Failed)
    assert (message.kind, message.told.code) == (kind, "binding-does-not-start")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux takes encodings from the locale")
def test_a_plain_c_locale_is_not_passed_on() -> None:
    installation = Installation(Path("/opt/VirtualBox"), Path("/opt/VirtualBox/sdk"))
    made = worker_environment(installation, {"LANG": "C", "PYTHONPATH": "/x", "HOME": "/h"})
    assert made == {
        "LANG": "C", "LC_ALL": "C.UTF-8", "HOME": "/h",
        "VBOX_PROGRAM_PATH": "/opt/VirtualBox", "VBOX_SDK_PATH": "/opt/VirtualBox/sdk",
    }  # fmt: skip
    assert "LC_ALL" not in worker_environment(installation, {"LANG": "fr_FR.UTF-8"})


def test_an_installation_is_found_where_its_variable_says(tmp_path: Path) -> None:
    (tmp_path / "VBoxSVC").touch()
    found = readiness.find_installation({"VBOX_PROGRAM_PATH": str(tmp_path)})
    assert found == Installation(tmp_path, tmp_path / "sdk")


def test_virtualboxs_own_binding_is_tried_before_the_packaged_one(tmp_path: Path) -> None:
    own = tmp_path / "sdk" / "installer" / "python" / "vboxapi" / "src" / "vboxapi"
    own.mkdir(parents=True)
    (own / "__init__.py").touch()
    tried = readiness.find_bindings(Installation(tmp_path, tmp_path / "sdk"), "/other/python")
    assert tried[0] == Binding("/other/python", str(own))
    assert tried.index(Binding(sys.executable, str(own))) < tried.index(Binding(sys.executable))
    assert len(set(tried)) == len(tried)


def test_where_no_binding_loads_the_fitting_interpreter_is_named() -> None:
    assert "vbox-sdk==7.0.*" in readiness.binding_hint("7.0.16_Ubuntur162802")
    assert "a Python 3.11 (" in readiness.binding_hint("7.0.16_Ubuntur162802")
    assert "a Python 3.10 (" in readiness.binding_hint("6.1.50")
    assert "another Python" in readiness.binding_hint("7.1.4")
    assert readiness.binding_hint("") == readiness.BINDING_HINT


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_the_version_is_told_apart_from_warnings(tmp_path: Path) -> None:
    manage = tmp_path / "VBoxManage"
    manage.write_text("#!/bin/sh\necho 'WARNING: The character device /dev/vboxdrv does not exist.'\necho 7.0.16r1\n")
    manage.chmod(0o755)
    assert readiness.installed_version(Installation(tmp_path, tmp_path / "sdk")) == "7.0.16r1"
    assert readiness.installed_version(Installation(tmp_path / "none", tmp_path / "sdk")) == ""


class VanishedHost:
    """A connection whose objects are None, as XPCOM gives them while the service dies."""

    api_error, vbox, patience = RuntimeError, None, 0.0

    def __init__(self, *, alive: bool) -> None:
        self._alive = alive

    def is_alive(self) -> bool:
        return self._alive


@pytest.mark.parametrize(("alive", "kind"), [(False, "dead"), (True, "bug")])
def test_nonsense_from_a_dying_service_is_its_death_and_no_bug(tmp_path: Path, alive: bool, kind: str) -> None:
    requests, answers = io.BytesIO(encode(request(1, Inspect("x"), {}))), io.BytesIO()
    Server(cast("Connection", VanishedHost(alive=alive)), requests, Answers(answers), tmp_path, "1").serve()
    reply = decode(answers.getvalue())
    assert isinstance(reply, Failed)
    assert (reply.id, reply.kind) == (1, kind)
    assert "findMachine" in say(reply.told)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ([ListMachines(early=True), ListMachines(early=True)], [True, False]),
        ([ListMachines(), ListMachines(early=True)], [False, False]),
        ([SetMarks("1", {"stage": "web"}), ListMachines(early=True)], [False, False]),
    ],
)
def test_what_was_seen_early_answers_the_first_request_alone(
    tmp_path: Path, asked: list[Arguments[Any]], answered: list[bool]
) -> None:
    seen = (Machine("1", "web", "PoweredOff"),)
    lines = b"".join(encode(request(number, each, {})) for number, each in enumerate(asked, 1))
    answers = io.BytesIO()
    host = cast("Connection", VanishedHost(alive=True))
    Server(host, io.BytesIO(lines), Answers(answers), tmp_path, "1", early=seen).serve()
    replies = [reply for reply in map(decode, answers.getvalue().splitlines()) if isinstance(reply, Reply | Failed)]
    replies.sort(key=lambda reply: reply.id)
    assert [isinstance(reply, Reply) for reply in replies] == answered
    assert [reply.result for reply in replies if isinstance(reply, Reply)] == [seen] * answered[0]


def test_a_request_of_another_vboxlab_is_answered_as_what_it_is(tmp_path: Path) -> None:
    asked = encode(request(7, Inspect("x"), {}))
    for there, here, code in (
        (b'"protocol": 1', b'"protocol": 2', "other-protocol"),
        (b'"inspect"', b'"dance"', "unknown-call"),
        (b'"handle": "x"', b'"handle": 3', "wrong-type"),
        (b'"handle": "x", ', b"", "missing-field"),
        (b'"noted": {}', b'"noted": {}, "more": 1', "unknown-field"),
    ):
        answers = io.BytesIO()
        requests = io.BytesIO(asked.replace(there, here))
        Server(cast("Connection", VanishedHost(alive=True)), requests, Answers(answers), tmp_path, "1").serve()
        reply = decode(answers.getvalue())
        assert isinstance(reply, Failed)
        assert (reply.id, reply.kind, reply.told.code) == (7, "protocol", code)


def test_a_request_that_was_cut_short_or_is_nonsense_ends_nothing(tmp_path: Path) -> None:
    whole = encode(request(7, Inspect("x"), {}))
    requests, answers = io.BytesIO(b"oops\n" + b"[" * 100_000 + b"\n" + whole + whole[:30]), io.BytesIO()
    Server(cast("Connection", VanishedHost(alive=True)), requests, Answers(answers), tmp_path, "1").serve()
    reply = decode(answers.getvalue())
    assert isinstance(reply, Failed)
    assert (reply.id, reply.kind) == (7, "bug")
