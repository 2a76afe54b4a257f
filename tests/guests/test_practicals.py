"""One practical on real guests with the longest tests; `make prove-practicals` does all of them."""

from __future__ import annotations

import pytest

from tests.guests.command import CommandLine
from tests.guests.practical import MOST_CONSTRUCTS, proved

pytestmark = [pytest.mark.guests, pytest.mark.long, pytest.mark.apart, pytest.mark.timeout(3600)]


def test_a_practical_comes_up_and_is_observed_from_another_machine(vboxlab: CommandLine) -> None:
    report = proved(vboxlab, MOST_CONSTRUCTS)
    assert {step["outcome"] for step in report["steps"]} == {"passed"}
