"""What the client makes of a worker's answers, told by a worker that speaks the protocol and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.hypervisor.virtualbox.stand_in_worker import GREETING, begins, failure, line, put_worker
from vboxlab.errors import DriverError, SettingsInvalid
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.process import Limits
from vboxlab.hypervisor.virtualbox.worker.calls import ConsoleLog
from vboxlab.hypervisor.virtualbox.worker.protocol import CONNECTING, LOADING, LOOKING, PROTOCOL, Reply

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="starts a script as an interpreter")
# Answers each call, over all its lives, with the next line of a file; "end" makes it end instead.
WORKER = f"""#!{sys.executable}
import json, pathlib, sys
answers = pathlib.Path(__file__).with_name("answers")
print({GREETING!r}, flush=True)
for line in sys.stdin:
    first, _, rest = answers.read_text().partition("\\n")
    answers.write_text(rest)
    if first == "end":
        sys.exit()
    print(json.dumps({{**json.loads(first), "id": json.loads(line)["id"]}}), flush=True)
"""
DEAD = failure("dead", "the service is gone")
STALE = failure("stale", "the service remembers somebody")
CALL = ConsoleLog("a handle")


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    worker = put_worker(tmp_path, WORKER)
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    (tmp_path / "virtualbox").mkdir()
    made = Client(tmp_path, preferred=str(worker), lingers=0.0)
    yield made
    made.close()


def result(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(line(Reply(0, "console_log", text)))
    return fields


def answer(tmp_path: Path, *answers: dict[str, Any] | str) -> None:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in answers]
    (tmp_path / "answers").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("interpreter", ["nowhere", "/nowhere/python", "./python", "text"])
def test_an_interpreter_that_does_not_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpreter: str
) -> None:
    (tmp_path / "VBoxSVC").touch()
    (tmp_path / "text").touch()
    (tmp_path / "virtualbox").mkdir()
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path)
    made = Client(tmp_path, preferred=interpreter, lingers=0.0)
    with pytest.raises(SettingsInvalid) as caught:
        _ = made.greeting
    assert f"names {interpreter}, which does not start" in caught.value.brief
    assert "VBOXLAB_VBOX_PYTHON" in caught.value.brief
    assert list((tmp_path / "virtualbox" / "presence").glob("client*")) == []


def starts_and_says(folder: Path, told: str) -> str:
    return f"#!{sys.executable}\nopen({str(folder / 'starts')!r}, 'a').write('x')\nprint({told!r})\n"


def test_a_service_that_never_lives_is_not_tried_with_every_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "virtualbox").mkdir()
    worker = put_worker(tmp_path, starts_and_says(tmp_path, json.dumps(DEAD)))
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    with pytest.raises(DriverError, match="did not answer 3 times") as caught:
        _ = Client(tmp_path, preferred=str(worker), lingers=0.0).greeting
    assert (tmp_path / "starts").read_text() == "xxx"
    assert "VBoxSVC.log" in str(caught.value.resolution)


@pytest.mark.parametrize(("code", "starts"), [(0x80040154, "xxx"), (0x80004005, "xxx"), (0x80070005, "x")])
def test_a_service_that_is_just_ending_is_connected_to_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, starts: str
) -> None:
    (tmp_path / "virtualbox").mkdir()
    told = json.dumps({**failure("api", "refused"), "id": 0, "result_code": code})
    worker = put_worker(tmp_path, starts_and_says(tmp_path, told))
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    with pytest.raises(DriverError, match="refused"):
        _ = Client(tmp_path, preferred=str(worker), lingers=0.0).greeting
    assert (tmp_path / "starts").read_text() == starts


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.mark.parametrize("failures", [["end"], [DEAD, "end"], [STALE], ["end", STALE, DEAD], [STALE, "end", DEAD]])
def test_a_call_is_made_again_when_worker_or_service_were_lost(
    client: Client, tmp_path: Path, failures: list[Any]
) -> None:
    answer(tmp_path, *failures, result("done"))
    assert client.call(CALL) == "done"


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ([DEAD, "end", DEAD], "VirtualBox's service ended 3 times during one call"),
        ([DEAD, "end", "end"], "the process that calls VirtualBox ended 3 times during one call"),
        ([STALE, STALE], "remembers somebody"),
        ([failure("api", "refused")], "refused"),
    ],
)
def test_what_does_not_pass_is_said(client: Client, tmp_path: Path, failures: list[Any], said: str) -> None:
    answer(tmp_path, *failures, result("too late"))
    with pytest.raises(DriverError, match=said):
        client.call(CALL)


def test_the_lock_of_a_process_that_is_dead_is_waited_out(client: Client, tmp_path: Path) -> None:
    locked = failure("locked", "locked already", holder=dead_process())
    answer(tmp_path, locked, result("done"))
    assert client.call(CALL) == "done"
    answer(tmp_path, locked, locked)
    with pytest.raises(DriverError, match="locked already") as caught:
        client.call(CALL)
    assert "a program that was killed" in str(caught.value)


@pytest.mark.parametrize("holder", [None, 1])
def test_the_lock_of_a_process_that_lives_is_respected(client: Client, tmp_path: Path, holder: int | None) -> None:
    answer(tmp_path, failure("locked", "locked already", holder=holder), result("done"))
    with pytest.raises(DriverError, match="locked already") as caught:
        client.call(CALL)
    assert "wait for the program that holds it" in str(caught.value)


GREETS = f"import sys\nprint({GREETING!r}, flush=True)\nsys.stdin.read()\n"
SLEEPS = "import time\ntime.sleep(60)\n"
LOADS = f"print({begins(LOADING)!r}, flush=True)\n"


def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> Path:
    """Make a stand-in for an interpreter, which is VirtualBox's and found under a name of Python's if it has one."""
    (tmp_path / "VBoxSVC").touch()
    (tmp_path / "virtualbox").mkdir(exist_ok=True)
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    script = tmp_path / name
    script.write_text(f"#!{sys.executable}\nopen({str(tmp_path / 'starts')!r}, 'a').write({name + ' '!r})\n{text}")
    script.chmod(0o755)
    return script


def client_of(tmp_path: Path, named: Path, said: list[str]) -> Client:
    limits = Limits(worker=3.0, service=4.0, slow=1.0, call=4.0, starting=2.0)
    return Client(tmp_path, preferred=str(named), lingers=0.0, limits=limits, say=said.append)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SLEEPS, "no word within 2 s"),
        (LOADS + SLEEPS, "no word within 2 s (loading the binding)"),
        ("import sys\nsys.exit(3)\n", "ended while loading it"),
        (f"print({json.dumps(failure('binding', 'too new'))!r})\n", "too new"),
    ],
)  # fmt: skip
def test_a_named_interpreter_that_is_of_no_use_is_said_before_others_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    named = interpreter(tmp_path, monkeypatch, "named", text)
    works = interpreter(tmp_path, monkeypatch, "python3", GREETS)
    monkeypatch.setattr(sys, "executable", str(works))
    said: list[str] = []
    client = client_of(tmp_path, named, said)
    assert client.greeting.version == "7.2.4"
    client.close()
    (line,) = said
    assert line.startswith("VBOXLAB_VBOX_PYTHON (vbox_python in the settings): ")
    assert why in line


def test_an_interpreter_that_is_silent_is_not_tried_with_every_copy_of_the_binding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("installer/vboxapi", "installer/python/vboxapi/src/vboxapi"):
        (tmp_path / "sdk" / place).mkdir(parents=True)
        (tmp_path / "sdk" / place / "__init__.py").touch()
    named = interpreter(tmp_path, monkeypatch, "named", SLEEPS)
    works = interpreter(tmp_path, monkeypatch, "python3", GREETS)
    monkeypatch.setattr(sys, "executable", str(works))
    client = client_of(tmp_path, named, [])
    assert client.greeting.version == "7.2.4"
    client.close()
    assert (tmp_path / "starts").read_text() == "named python3 "


def test_a_service_that_is_silent_at_the_start_is_no_reason_for_another_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = interpreter(tmp_path, monkeypatch, "named", f"print({begins(CONNECTING)!r}, flush=True)\n{SLEEPS}")
    said: list[str] = []
    with pytest.raises(DriverError, match="service has not answered for 6 s"):
        _ = client_of(tmp_path, named, said).greeting
    assert (tmp_path / "starts").read_text() == "named named ", "once more: it may just have been ending"
    assert said == ["VirtualBox's service has not answered for 1 s: still waiting for it"] * 2


def test_a_service_that_is_slow_to_show_its_machines_is_given_more_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = "".join(
        f"print({begins(doing)!r}, flush=True)\ntime.sleep({seconds})\n"
        for doing, seconds in ((CONNECTING, 1.5), (LOOKING, 3.0))
    )
    named = interpreter(tmp_path, monkeypatch, "named", "import time\n" + begun + GREETS)
    client = client_of(tmp_path, named, [])
    assert client.greeting.version == "7.2.4"
    client.close()
    never = "import time\n" + begun + SLEEPS
    with pytest.raises(DriverError, match="service has not answered for 4 s"):
        _ = client_of(tmp_path, interpreter(tmp_path, monkeypatch, "never", never), []).greeting
    assert (tmp_path / "starts").read_text() == "named never "


@pytest.mark.parametrize("kind", ["host", "bug", "version", "registry", "api"])
def test_what_no_interpreter_can_help_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    said = json.dumps(failure(kind, "it is so"))
    named = interpreter(tmp_path, monkeypatch, "named", f"print({said!r}, flush=True)\n")
    with pytest.raises(DriverError, match="it is so"):
        _ = client_of(tmp_path, named, []).greeting
    assert (tmp_path / "starts").read_text() == "named "


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (GREETING.replace(f'"protocol": {PROTOCOL}', '"protocol": 99'), "different versions (protocol 1, and 99)"),
        (GREETING.replace(f'"protocol": {PROTOCOL}, ', ""), "different versions (protocol 1, and None)"),
        (GREETING.replace('"greeting"', '"song"'), "sent what is not known here: song"),
        (GREETING.replace('"version"', '"release"'), "a field too many: release"),
        (GREETING.replace('"7.2.4"', "7"), "a wrong field: version"),
    ],
)
def test_a_worker_of_another_installation_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    named = interpreter(tmp_path, monkeypatch, "named", f"print({said!r}, flush=True)\n{SLEEPS}")
    with pytest.raises(DriverError, match=re.escape(told)) as caught:
        _ = client_of(tmp_path, named, []).greeting
    assert "run the command again" in str(caught.value.resolution)
    assert (tmp_path / "starts").read_text() == "named ", "no other interpreter would know better"


def test_an_answer_that_is_not_understood_ends_its_call_and_no_other(client: Client, tmp_path: Path) -> None:
    answer(tmp_path, {**result("done"), "result": 3}, {**result("done"), "message": "song"}, result("done"))
    for told in ("a wrong field: result", "sent what is not known here: song"):
        with pytest.raises(DriverError, match=told):
            client.call(CALL)
    assert client.call(CALL) == "done"


def test_a_folder_that_cannot_be_used_is_not_the_interpreters_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = interpreter(tmp_path, monkeypatch, "named", GREETS)
    (tmp_path / "virtualbox" / "worker.log").mkdir()
    with pytest.raises(DriverError, match="cannot be used") as caught:
        _ = client_of(tmp_path, named, []).greeting
    assert "worker.log" in str(caught.value)
    assert not (tmp_path / "starts").exists()
