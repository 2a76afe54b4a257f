"""Every kind of probe where its claim is false, and where it fails itself: no check, measure or invariant passes."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.unit.local_lab import LocalLab
from tests.unit.verification.secure import Secure, authority
from tests.unit.verification.test_no_pass_unearned import FAILING, SILENT, one
from tests.unit.verification.test_runner import interruption, program
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.report import StepReport
from vboxlab.verification.runner import run_scenario

pytestmark = pytest.mark.skipif(
    not all(shutil.which(program) for program in ("perl", "curl", "openssl")), reason="needs perl, curl and openssl"
)
# Of each kind: how it is asked where all is well, where PORT, PAGE, UDP and TLS are this host's, and CA a file.
GOOD: Mapping[str, dict[str, Any]] = {
    "http": {"url": "PAGE"},
    "https": {"url": "TLS", "ca": "CA"},
    "tcp": {"url": "tcp://127.0.0.1:PORT"},
    "udp": {"url": "udp://127.0.0.1:UDP", "send": "x"},
    "run": {"run": ["echo", "well"], "every": 0.1},
}
# Of each kind: the ways in which its claim may be false.
FALSE: Mapping[str, tuple[dict[str, Any], ...]] = {
    "http": ({"url": "http://127.0.0.1:1/"},),
    "https": ({"url": "https://127.0.0.1:1/"}, {"ca": "OTHER"}, {"certificate": "ftp.lab"}),
    "tcp": ({"url": "tcp://127.0.0.1:1"},),
    "udp": ({"url": "udp://127.0.0.1:1"}, {"url": "udp://127.0.0.1:DEAF"}),
    "dns": ({"url": "dns://127.0.0.1:1/www"}, {"url": "dns://127.0.0.1:UDP/www"}),
    "ping": ({"url": "ping://127.255.255.255"},),
    "run": ({"run": ["false"]}, {"run": ["sh", "-c", "echo well; exit 1"]}, {"run": ["sleep", "60"]}),
}
# Of each kind: the programs that it needs beside the prober's Perl.
PROGRAMS = {"https": ("curl",)}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("tls")
    authority(folder, "lab")
    authority(folder, "other")
    server = Secure(folder)
    echo, deaf = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _number in range(2))
    for each in (echo, deaf):
        each.bind(("127.0.0.1", 0))
    thread = Thread(target=answer, args=(echo,), daemon=True)
    thread.start()
    yield {
        "TLS": server.url, "CA": str(folder / "lab.pem"), "OTHER": str(folder / "other.pem"),
        "UDP": str(echo.getsockname()[1]), "DEAF": str(deaf.getsockname()[1]),
    }  # fmt: skip
    echo.sendto(b"over", echo.getsockname())
    thread.join(timeout=5)
    echo.close()
    deaf.close()
    server.end()


def answer(echo: socket.socket) -> None:
    while (said := echo.recvfrom(2048))[0] != b"over":
        echo.sendto(b"well", said[1])


def put(value: Any, places: Mapping[str, str], lab: LocalLab) -> Any:
    """Return what is asked with the places of this host put in."""
    if isinstance(value, str):
        for name, place in {**places, "PAGE": lab.front.url, "PORT": str(lab.front.port)}.items():
            value = value.replace(name, place)
    return value


def asking(kind: str, places: Mapping[str, str], lab: LocalLab, **more: Any) -> dict[str, Any]:
    return {key: put(value, places, lab) for key, value in {**GOOD.get(kind, {}), **more}.items()}


def check(lab: LocalLab, asked: Mapping[str, Any], **more: Any) -> StepReport:
    return one(lab, {"check": "probe", "from": "client", "within": 0, "times": 2, "timeout": 2, **asked, **more})


def measure(lab: LocalLab, asked: Mapping[str, Any]) -> StepReport:
    wanted = interruption(lab, within=0.6, before=0.2, timeout=0.5, limits={"interruption": 60}, **asked)
    if "run" in asked:
        del wanted["url"]
    return one(lab, wanted)


def invariant(lab: LocalLab, asked: Mapping[str, Any], seconds: float = 1.5) -> StepReport:
    step = {"invariant": "answers", "from": "client", "failing_for": 0.3, "every": 0.1, "timeout": 0.3, **asked}
    wait = {"check": "command", "on": "client", "run": f"sleep {seconds}"}
    return run_scenario(Scenario(steps=(step, wait)), lab).steps[0]


@pytest.mark.parametrize("kind", GOOD)
def test_a_true_claim_passes(lab: LocalLab, places: Mapping[str, str], kind: str) -> None:
    asked = asking(kind, places, lab)
    step = check(lab, asked)
    assert step.outcome == "passed", step
    assert check(lab, asked, every=0).outcome == "passed"
    assert invariant(lab, {**asked, "timeout": 5, "failing_for": 5}).outcome == "passed"


@pytest.mark.parametrize("kind", FALSE)
def test_a_false_claim_does_not_pass(lab: LocalLab, places: Mapping[str, str], kind: str) -> None:
    for wrong in FALSE[kind]:
        asked = asking(kind, places, lab, **wrong)
        assert check(lab, asked).outcome == "failed", wrong
        assert check(lab, asked, every=0).outcome == "failed", wrong
        assert invariant(lab, asked).outcome == "failed", wrong
        assert measure(lab, asked).outcome == "failed", wrong
    assert lab.calls == []  # nothing was done to a lab that did not answer before


@pytest.mark.parametrize("kind", GOOD)
def test_an_answer_without_the_text_does_not_pass(lab: LocalLab, places: Mapping[str, str], kind: str) -> None:
    asked = asking(kind, places, lab)
    more = {} if kind != "tcp" else {"timeout": 0.3}
    assert check(lab, asked, contains="nothing such", **more).outcome == "failed"


@pytest.mark.parametrize("kind", FALSE)
def test_a_prober_that_fails_does_not_pass(lab: LocalLab, places: Mapping[str, str], kind: str) -> None:
    asked = asking(kind, places, lab, **({} if kind in GOOD else FALSE[kind][0]))
    for name in ("perl", *PROGRAMS.get(kind, ())):
        for text in (*FAILING, *SILENT):
            program(lab, name, text)
            step = check(lab, asked)
            assert step.outcome in ("failed", "error"), (name, text, step)
            if text in FAILING:
                assert step.outcome == "error", (name, text, step)
        assert measure(lab, asked).outcome in ("failed", "error")
        program(lab, name, FAILING[0])
        assert measure(lab, asked).outcome == "error"
        assert invariant(lab, asked, 0.3).outcome == "unclear"
        (Path(lab.commands or "") / name).unlink()
    assert lab.calls == []


@pytest.mark.parametrize("expected", ["refused", "timeout", "unreachable", "untrusted"])
def test_what_must_not_be_is_not_proved_by_a_curl_that_fails(
    lab: LocalLab, places: Mapping[str, str], expected: str
) -> None:
    asked = asking("https", places, lab)
    assert check(lab, asked, expect=expected).outcome == "failed"
    for text in (*FAILING, *SILENT):
        program(lab, "curl", text)
        assert check(lab, asked, expect=expected).outcome in ("failed", "error"), text
    (Path(lab.commands or "") / "curl").unlink()
    if expected == "untrusted":
        assert check(lab, {**asked, "ca": places["OTHER"]}, expect=expected).outcome == "passed"


def test_a_command_that_could_not_run_its_own_program_tells_nothing(lab: LocalLab) -> None:
    step = check(lab, {"run": ["env", "nosuch-command"]})
    assert (step.outcome, step.message) == ("unclear", "client: env gave no answer (it ended with 127)")
    assert check(lab, {"run": ["nosuch-command"]}).outcome == "error"
    failed = check(lab, {"run": ["sh", "-c", "echo down; exit 2"]})
    assert failed.message == "0 of 2 requests ended as expected; the first other: it ended with 2, down"


def test_a_command_is_no_time_out_because_the_prober_dies(lab: LocalLab) -> None:
    assert check(lab, {"run": ["sleep", "60"]}, expect="timeout", timeout=0.3).outcome == "passed"
    assert check(lab, {"run": ["true"]}, expect="timeout").outcome == "failed"
    for text in (*FAILING, *SILENT):
        program(lab, "perl", text)
        assert check(lab, {"run": ["sleep", "60"]}, expect="timeout", timeout=0.3).outcome == "error"


def test_a_rate_that_is_not_made_does_not_pass(lab: LocalLab, places: Mapping[str, str]) -> None:
    slow = {"run": ["sleep", "0.3"]}
    assert check(lab, slow, every=0, rate=50).outcome == "failed"
    for text in (*FAILING, *SILENT):
        program(lab, "perl", text)
        assert check(lab, asking("http", places, lab), every=0, rate=0.001).outcome == "error", text
