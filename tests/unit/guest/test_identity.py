"""Who answers, from canned answers; the reset itself is proved on real guests."""

from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.errors import GuestError
from vboxlab.guest.executor import Completed
from vboxlab.guest.hostkeys import pinned_key
from vboxlab.guest.identity import check_identity, take_identity
from vboxlab.guest.recording import RecordingExecutor

MAC = "080027ABCDEF"
RIGHT = Completed(0, "08:00:27:ab:cd:ef\nsrv-web\n", "")


def test_the_right_guest_passes_and_nothing_is_sent_to_it_as_root() -> None:
    executor = RecordingExecutor("srv-web", [("", RIGHT)])
    check_identity(executor, MAC)
    assert [asked.root for asked in executor.asked] == [False]


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            Completed(0, "08:00:27:00:00:01\nother\n", ""),
            "host name other, enp0s19 has the MAC address 08:00:27:00:00:01",
        ),
        (Completed(0, "\nother\n", ""), "host name other, enp0s19 has the MAC address (none)"),
        (Completed(127, "", "not a shell"), "host name unknown, enp0s19 has the MAC address (none)"),
    ],
)
def test_another_guest_is_refused_before_anything_is_changed(tmp_path: Path, answer: Completed, shown: str) -> None:
    executor = RecordingExecutor("srv-web", [("", answer)])
    with pytest.raises(GuestError) as caught:
        take_identity(executor, MAC, tmp_path / "known_hosts")
    assert caught.value.brief == "srv-web: another guest answers in its place"
    assert caught.value.details == (shown, "expected 08:00:27:ab:cd:ef")
    assert [asked.root for asked in executor.asked] == [False]
    assert not (tmp_path / "known_hosts").exists()


def test_the_new_host_key_is_pinned(tmp_path: Path) -> None:
    executor = RecordingExecutor("srv-web", [("set --", Completed(0, "ssh-ed25519 AAAA\n", "")), ("", RIGHT)])
    take_identity(executor, MAC, tmp_path / "known_hosts")
    assert pinned_key(tmp_path / "known_hosts", "srv-web") == "ssh-ed25519 AAAA"
    assert executor.asked[-1].script.startswith(f"set -- {MAC} /var/lib/heartbeat/hb_uuid ")


def test_a_reset_that_fails_pins_nothing(tmp_path: Path) -> None:
    executor = RecordingExecutor("srv-web", [("set --", Completed(1, "", "sudo: not allowed\n")), ("", RIGHT)])
    with pytest.raises(GuestError, match="identity could not be reset"):
        take_identity(executor, MAC, tmp_path / "known_hosts")
    assert not (tmp_path / "known_hosts").exists()
