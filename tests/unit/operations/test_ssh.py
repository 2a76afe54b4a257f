"""What `vboxlab ssh MACHINE -- COMMAND` hands to the guest's shell."""

from __future__ import annotations

import subprocess

import pytest

from vboxlab.operations.ssh import command_line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("printf", "%s|", "a b", "$HOME", "it's"), "a b|$HOME|it's|"),
        (("printf a | tr a b; printf c",), "bc"),
    ],
)
def test_several_words_arrive_as_typed_and_a_single_one_is_a_line_for_the_shell(
    words: tuple[str, ...], said: str
) -> None:
    done = subprocess.run(["sh", "-c", command_line(words)], check=True, capture_output=True, text=True)
    assert done.stdout == said
