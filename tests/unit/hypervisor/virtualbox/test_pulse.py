"""What the worker says of itself and of its calls, and what a call that is made again takes for its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vboxlab.hypervisor.virtualbox.worker import conversion
from vboxlab.hypervisor.virtualbox.worker.calls import SetMarks
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Beat, Call, Failure
from vboxlab.hypervisor.virtualbox.worker.pulse import BEAT, Pulse, Signs
from vboxlab.hypervisor.virtualbox.worker.repeating import still_to_do
from vboxlab.hypervisor.virtualbox.worker.told import Told

CHANGED = Told("marks-changed-meanwhile", {"machine": "x"})
OTHER_FILE_SYSTEM = Path("/dev/shm")
Settings = dict[str, Any]
settings = st.dictionaries(st.sampled_from("abc"), st.integers(0, 3))


def call_of(noted: Settings) -> Call[SetMarks]:
    return Call(SetMarks("x", {}), lambda _doing, _percent: None, noted)


def test_a_call_that_gives_signs_gets_on_and_one_that_does_not_grows_old() -> None:
    signs = Signs()
    with signs.of(7):
        assert signs.beat() == {"7": BEAT}
        assert signs.beat() == {"7": 2 * BEAT}
        other = threading.Thread(target=signs.sign)  # of nobody's call
        other.start()
        other.join()
        assert signs.beat() == {"7": 3 * BEAT}
        signs.sign()
        assert signs.beat() == {"7": BEAT}
    assert signs.beat() == {}


def test_the_heart_beats_while_the_service_owes_an_answer_and_says_for_how_long() -> None:
    beats: list[Beat] = []
    answer = threading.Event()
    pulse = Pulse(beats.append, Signs())
    pulse.watch(lambda: answer.wait(60))
    time.sleep(3.5 * BEAT)
    assert [beat.service for beat in beats] == [BEAT, 2 * BEAT, 3 * BEAT]
    answer.set()
    time.sleep(BEAT)
    assert beats[-1].service == 0


def test_a_question_that_fails_is_no_service_that_hangs() -> None:
    beats: list[Beat] = []

    def ask() -> bool:
        raise RuntimeError

    Pulse(beats.append, Signs()).watch(ask)
    time.sleep(2.5 * BEAT)
    assert [beat.service for beat in beats] == [0, 0]


@given(settings, settings, settings)
def test_a_change_is_made_again_only_over_what_the_lost_call_found_or_did(
    before: Settings, wanted: Settings, now: Settings
) -> None:
    call = call_of({})
    assert still_to_do(call, before, wanted, CHANGED), "made for the first time, it is made"
    assert call.noted == {"before": before}
    keys = before.keys() | wanted.keys() | now.keys()
    foreign = any(now.get(key) not in (before.get(key), wanted.get(key)) for key in keys)
    if foreign:
        with pytest.raises(Failure) as caught:
            still_to_do(call, now, wanted, CHANGED)
        assert (caught.value.kind, caught.value.told) == ("changed", CHANGED)
    else:
        assert still_to_do(call, now, wanted, CHANGED) == (now != wanted)


class Signing:
    """What `give` needs of a connection."""

    def __init__(self) -> None:
        self.signs = 0

    def sign(self) -> None:
        self.signs += 1


@pytest.mark.skipif(not OTHER_FILE_SYSTEM.is_dir(), reason="no second file system is known here")
def test_a_disk_that_must_be_copied_gives_signs_and_keeps_its_rights(tmp_path: Path) -> None:
    if tmp_path.stat().st_dev == OTHER_FILE_SYSTEM.stat().st_dev:
        pytest.skip("both are one file system")
    source, target = tmp_path / "disk.vdi", OTHER_FILE_SYSTEM / f"vboxlab-test-{tmp_path.name}-{time.monotonic_ns()}"
    content = bytes(range(256)) * (conversion.BLOCK // 128) + b"end"
    source.write_bytes(content)
    source.chmod(0o640)
    signing = Signing()
    try:
        conversion.give(cast("Connection", signing), source, target)
        assert target.read_bytes() == content
        assert target.stat().st_mode & 0o777 == 0o640
    finally:
        target.unlink(missing_ok=True)
    assert signing.signs == 3
