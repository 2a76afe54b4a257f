"""Acknowledged writes: judged from histories of which the truth is known, and written for real to a small server."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from tests.unit.local_lab import FrontPage, LocalLab
from tests.unit.verification.histories import run_begun
from tests.unit.verification.test_runner import PAGES, program, topology
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.history import (
    AnyRecord,
    FaultInForce,
    GaveUp,
    History,
    ProbeBegun,
    ProbeEnded,
    Request,
    RunEnded,
    StepBegun,
    StepEnded,
)
from vboxlab.verification.judgements import judge
from vboxlab.verification.report import StepReport
from vboxlab.verification.runner import run_scenario
from vboxlab.verification.writes import ranges

URL = "http://192.168.200.5/uploads/"
CAUSE = {"fault": "power-off", "machine": "srv-web"}
STEP = {"measure": "writes", "from": "client", "url": URL, "cause": CAUSE}


def probe(
    method: Literal["put", "read", "delete"], answers: Iterable[tuple[int, int]], begun: int | None = 40
) -> list[AnyRecord]:
    """Return the records of a prober: of each number that was answered, the status."""
    said: list[AnyRecord] = [
        ProbeBegun(at=2.0, step=1, machine="client", url=f"{URL}vboxlab-0123abcd-1-", every=0.1, timeout=2.0,
                   method=method)
    ]  # fmt: skip
    said += [
        Request(at=3.0, step=1, start=1.0, duration=0.1, outcome="ok", status=status, page=f"#{number}")
        for number, status in answers
    ]
    return [*said, ProbeEnded(at=4.0, step=1, begun=begun)]


def judged(*records: AnyRecord, fault: bool = True, **more: Any) -> StepReport:
    made = [FaultInForce(at=3.5, step=1, asked=3.5, words="off")] if fault else []
    around = [StepBegun(at=1.0, step=1), *records, *made, StepEnded(at=9.0, step=1), RunEnded(at=9.0)]
    return judge(History([run_begun([{**STEP, **more}]), *around])).steps[0]


def each(numbers: Iterable[int], status: int) -> list[tuple[int, int]]:
    return [(number, status) for number in numbers]


WRITTEN = probe("put", [*each(range(1, 21), 201), *each(range(31, 41), 204), (25, 500)])


def test_what_was_acknowledged_and_is_there_passes() -> None:
    read = probe("read", [*each(range(1, 41), 200)])
    done = judged(*WRITTEN, *read, *probe("delete", each(range(1, 41), 204)))
    assert (done.outcome, done.message, done.details) == (
        "passed", "30 of 40 writes acknowledged, none of them lost", (),
    )  # fmt: skip


def test_what_was_acknowledged_and_is_gone_fails_with_its_numbers() -> None:
    read = probe("read", [*each(range(1, 13), 404), *each(range(13, 41), 200)])
    done = judged(*WRITTEN, *read)
    assert (done.outcome, done.message) == ("failed", "30 of 40 writes acknowledged, 12 of them lost")
    assert done.details[0] == "acknowledged and lost: 1-12"
    assert done.details[1].startswith("files may be left whose names begin with vboxlab-0123abcd-1-")
    assert judged(*WRITTEN, *read, limits={"lost": 12}).outcome == "passed"


def test_what_was_never_acknowledged_may_be_gone_or_there() -> None:
    read = probe("read", [*each(range(1, 21), 200), *each(range(21, 26), 404), *each(range(26, 41), 200)])
    assert judged(*WRITTEN, *read).outcome == "passed"


def test_what_cannot_be_read_is_not_proved_either_way() -> None:
    done = judged(*WRITTEN, *probe("read", [*each(range(1, 19), 200), (19, 503)]))
    assert (done.outcome, done.message) == ("unclear", "30 of 40 writes acknowledged, 12 of them not found out")
    assert done.details[0] == "acknowledged, and could not be read: 19-20, 31-40"
    assert judged(*WRITTEN).outcome == "unclear"


def test_a_later_read_corrects_an_earlier_one() -> None:
    early, late = probe("read", each(range(1, 41), 404)), probe("read", each(range(1, 41), 200))
    assert judged(*WRITTEN, *early, *late).outcome == "passed"


def test_nothing_acknowledged_and_nothing_done_prove_nothing() -> None:
    refused = probe("put", each(range(1, 41), 405))
    assert judged(*refused, *probe("read", each(range(1, 41), 404))).outcome == "unclear"
    gave_up = GaveUp(at=5.0, step=1, reason="it answered 405")
    done = judged(*refused, gave_up, fault=False)
    assert (done.outcome, done.message) == ("failed", "it answered 405")
    assert judged(fault=False).outcome == "unclear"


def test_a_prober_that_did_not_end_as_asked_proves_nothing() -> None:
    written = probe("put", each(range(1, 21), 201), begun=None)
    assert judged(*written, *probe("read", each(range(1, 21), 200))).outcome == "unclear"


def test_numbers_are_written_as_ranges() -> None:
    assert ranges([7, 3, 8, 9, 12]) == "3, 7-9, 12"
    assert ranges([]) == ""


class Store(BaseHTTPRequestHandler):
    """A server that takes files, and forgets them when `forgets` is set."""

    files: ClassVar[dict[str, bytes]] = {}
    forgets: ClassVar[threading.Event] = threading.Event()

    def log_message(self, *_words: object) -> None:
        pass

    def answer(self, status: int, text: bytes = b"") -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text)

    def do_PUT(self) -> None:
        self.files[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201)

    def do_GET(self) -> None:
        if self.forgets.is_set():
            self.forgets.clear()
            self.files.clear()
        self.answer(200 if self.path in self.files else 404, self.files.get(self.path, b""))

    def do_DELETE(self) -> None:
        self.answer(204 if self.files.pop(self.path, None) else 404)


@pytest.fixture
def store() -> Iterator[str]:
    Store.files.clear()
    Store.forgets.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/uploads/"
        server.shutdown()


def written(tmp_path: Path, url: str) -> StepReport:
    front = FrontPage(PAGES)
    lab = LocalLab(topology(), front, commands=tmp_path)
    program(lab, "systemctl", "exit 0")
    cause = {"fault": "stop-service", "machine": "srv-web", "service": "apache2"}
    step = {
        "measure": "writes", "from": "client", "url": url, "cause": cause, "every": 0.02, "before": 0.5, "observe": 0.5,
        "within": 3,
    }  # fmt: skip
    report = run_scenario(Scenario(steps=(step,)), lab)
    front.hold()
    return report.steps[0]


def test_a_real_server_keeps_what_it_acknowledged_and_is_left_as_it_was(tmp_path: Path, store: str) -> None:
    done = written(tmp_path, store)
    assert done.outcome == "passed", done
    assert next(one.most for one in done.measurements if one.name == "acknowledged") > 20  # type: ignore[operator]
    assert Store.files == {}


def test_a_real_server_that_forgets_fails(tmp_path: Path, store: str) -> None:
    Store.forgets.set()
    done = written(tmp_path, store)
    assert done.outcome == "failed"
    assert done.details[0].startswith("acknowledged and lost: 1-")


def test_a_server_that_takes_no_files_is_told_and_nothing_is_done(tmp_path: Path) -> None:
    class Refusing(Store):
        def do_PUT(self) -> None:
            self.answer(405)

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/uploads/"
        step = {
            "measure": "writes", "from": "client", "url": url, "cause": CAUSE, "every": 0.05, "before": 0.3,
        }  # fmt: skip
        lab = LocalLab(topology(), FrontPage(PAGES), commands=tmp_path)
        done = run_scenario(Scenario(steps=(step,)), lab, time_scale=0.1).steps[0]
        server.shutdown()
    assert done.outcome == "failed"
    assert done.message.endswith("so nothing was done; it answered 405")
    assert lab.calls == []
