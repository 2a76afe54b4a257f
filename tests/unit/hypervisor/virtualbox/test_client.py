"""What the client makes of a worker's answers, told by a worker that speaks the protocol and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vboxlab.errors import DriverError, SettingsInvalid
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.process import Limits
from vboxlab.hypervisor.virtualbox.worker.protocol import CONNECTING, LOOKING

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="starts a script as an interpreter")
# Answers each call, over all its lives, with the next line of a file; "end" makes it end instead.
WORKER = f"""#!{sys.executable}
import json, pathlib, sys
answers = pathlib.Path(__file__).with_name("answers")
print(json.dumps({{"id": 0, "result": {{"version": "7.2.4"}}}}), flush=True)
for line in sys.stdin:
    first, _, rest = answers.read_text().partition("\\n")
    answers.write_text(rest)
    if first == "end":
        sys.exit()
    print(json.dumps({{"id": json.loads(line)["id"], **json.loads(first)}}), flush=True)
"""
DEAD = {"kind": "dead", "text": "the service is gone"}
STALE = {"kind": "stale", "text": "the service remembers somebody"}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    (tmp_path / "VBoxSVC").touch()
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    worker.chmod(0o755)
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    (tmp_path / "virtualbox").mkdir()
    made = Client(tmp_path, preferred=str(worker), lingers=0.0)
    yield made
    made.close()


def answer(tmp_path: Path, *answers: dict[str, Any] | str) -> None:
    lines = [
        each if isinstance(each, str) else json.dumps(each if "result" in each else {"error": each}) for each in answers
    ]
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


def test_a_service_that_never_lives_is_not_tried_with_every_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "VBoxSVC").touch()
    (tmp_path / "virtualbox").mkdir()
    worker = tmp_path / "worker.py"
    dead = {"id": 0, "error": {"kind": "dead", "text": "the service is gone"}}
    worker.write_text(
        f"#!{sys.executable}\nopen({str(tmp_path / 'starts')!r}, 'a').write('x')\nprint({json.dumps(dead)!r})\n"
    )
    worker.chmod(0o755)
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    with pytest.raises(DriverError, match="did not answer 3 times") as caught:
        _ = Client(tmp_path, preferred=str(worker), lingers=0.0).greeting
    assert (tmp_path / "starts").read_text() == "xxx"
    assert "VBoxSVC.log" in str(caught.value.resolution)


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.mark.parametrize("failures", [["end"], [DEAD, "end"], [STALE], ["end", STALE, DEAD], [STALE, "end", DEAD]])
def test_a_call_is_made_again_when_worker_or_service_were_lost(
    client: Client, tmp_path: Path, failures: list[Any]
) -> None:
    answer(tmp_path, *failures, {"result": 42})
    assert client.call("inspect") == 42


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ([DEAD, "end", DEAD], "VirtualBox's service ended 3 times during one call"),
        ([DEAD, "end", "end"], "the process that calls VirtualBox ended 3 times during one call"),
        ([STALE, STALE], "remembers somebody"),
        ([{"kind": "api", "text": "refused"}], "refused"),
    ],
)
def test_what_does_not_pass_is_said(client: Client, tmp_path: Path, failures: list[Any], said: str) -> None:
    answer(tmp_path, *failures, {"result": "too late"})
    with pytest.raises(DriverError, match=said):
        client.call("inspect")


def test_the_lock_of_a_process_that_is_dead_is_waited_out(client: Client, tmp_path: Path) -> None:
    locked = {"kind": "locked", "text": "locked already", "holder": dead_process()}
    answer(tmp_path, locked, {"result": "done"})
    assert client.call("delete") == "done"
    answer(tmp_path, locked, locked)
    with pytest.raises(DriverError, match="locked already") as caught:
        client.call("delete")
    assert "a program that was killed" in str(caught.value)


@pytest.mark.parametrize("holder", [None, 1])
def test_the_lock_of_a_process_that_lives_is_respected(client: Client, tmp_path: Path, holder: int | None) -> None:
    answer(tmp_path, {"kind": "locked", "text": "locked already", "holder": holder}, {"result": "done"})
    with pytest.raises(DriverError, match="locked already") as caught:
        client.call("delete")
    assert "wait for the program that holds it" in str(caught.value)


GREETS = 'import sys\nprint(\'{"id": 0, "result": {"version": "7.2.4"}}\', flush=True)\nsys.stdin.read()\n'
SLEEPS = "import time\ntime.sleep(60)\n"
LOADING = 'print(\'{"id": 0, "text": "loading the binding", "percent": null}\', flush=True)\n'


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
        (LOADING + SLEEPS, "no word within 2 s (loading the binding)"),
        ("import sys\nsys.exit(3)\n", "ended while loading it"),
        ('print(\'{"id": 0, "error": {"kind": "binding", "text": "too new"}}\')\n', "too new"),
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
    assert client.greeting["version"] == "7.2.4"
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
    assert client.greeting["version"] == "7.2.4"
    client.close()
    assert (tmp_path / "starts").read_text() == "named python3 "


def test_a_service_that_is_silent_at_the_start_is_no_reason_for_another_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting = json.dumps({"id": 0, "text": CONNECTING, "percent": None})
    named = interpreter(tmp_path, monkeypatch, "named", f"print({connecting!r}, flush=True)\n{SLEEPS}")
    said: list[str] = []
    with pytest.raises(DriverError, match="service has not answered for 6 s"):
        _ = client_of(tmp_path, named, said).greeting
    assert (tmp_path / "starts").read_text() == "named named ", "once more: it may just have been ending"
    assert said == ["VirtualBox's service has not answered for 1 s: still waiting for it"] * 2


def test_a_service_that_is_slow_to_show_its_machines_is_given_more_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = "".join(
        f"print({json.dumps({'id': 0, 'text': text, 'percent': None})!r}, flush=True)\ntime.sleep({seconds})\n"
        for text, seconds in ((CONNECTING, 1.5), (LOOKING, 3.0))
    )
    named = interpreter(tmp_path, monkeypatch, "named", "import time\n" + begun + GREETS)
    client = client_of(tmp_path, named, [])
    assert client.greeting["version"] == "7.2.4"
    client.close()
    never = "import time\n" + begun + SLEEPS
    with pytest.raises(DriverError, match="service has not answered for 4 s"):
        _ = client_of(tmp_path, interpreter(tmp_path, monkeypatch, "never", never), []).greeting
    assert (tmp_path / "starts").read_text() == "named never "


@pytest.mark.parametrize("kind", ["host", "bug", "version", "registry", "api"])
def test_what_no_interpreter_can_help_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    failure = json.dumps({"id": 0, "error": {"kind": kind, "text": "it is so"}})
    named = interpreter(tmp_path, monkeypatch, "named", f"print({failure!r}, flush=True)\n")
    with pytest.raises(DriverError, match="it is so"):
        _ = client_of(tmp_path, named, []).greeting
    assert (tmp_path / "starts").read_text() == "named "


def test_a_folder_that_cannot_be_used_is_not_the_interpreters_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = interpreter(tmp_path, monkeypatch, "named", GREETS)
    (tmp_path / "virtualbox" / "worker.log").mkdir()
    with pytest.raises(DriverError, match="cannot be used") as caught:
        _ = client_of(tmp_path, named, []).greeting
    assert "worker.log" in str(caught.value)
    assert not (tmp_path / "starts").exists()
