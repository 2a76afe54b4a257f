"""What the configuration script gives as a reason is told in the language that is spoken."""

from __future__ import annotations

from importlib.resources import files
from string import Formatter

import pytest

from vboxlab.guest.reasons import REASONS, in_words

SCRIPT = files("vboxlab.guest").joinpath("runtime.sh").read_text(encoding="utf-8")
# Put together by the script from what stands apart in it.
PUT_TOGETHER = {
    "is not set",
    "is not there",
    "is {name}, and nothing in /etc/hostname",
    "no password set, and chpasswd failed",
    "another password, and chpasswd failed",
}


@pytest.mark.parametrize("text", sorted(set(REASONS) - PUT_TOGETHER))
def test_every_reason_is_one_of_the_script(text: str) -> None:
    assert [literal for literal, *_field in Formatter().parse(text) if literal.strip(" ,") not in SCRIPT] == []


@pytest.mark.parametrize(
    "reason",
    [
        *REASONS,
        "mode is 0644 instead of 0600 owner is bob:bob instead of root:root",
        "not enabled at boot, not running (inactive)",
        "has 10.0.0.1/8 192.168.1.1/24 instead of 10.0.0.2/8",
        "systemctl start apache2: Job failed, {so} it is",
        "",
    ],
)
def test_a_reason_stays_as_it_is_in_english(reason: str) -> None:
    assert in_words(reason) == reason
