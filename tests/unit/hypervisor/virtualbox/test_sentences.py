"""VirtualBox's worker has no sentences, and all that it tells has one in vboxlab: its source is read for that."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import vboxlab.hypervisor.virtualbox.worker as worker_package
from vboxlab.errors import VboxlabError
from vboxlab.hypervisor.virtualbox.failures import KINDS, to_error
from vboxlab.hypervisor.virtualbox.sentences.telling import SENTENCES, THEMES, Sentence, say
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatim, words_in

WORKER = Path(worker_package.__file__).parent
TREES = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(WORKER.glob("*.py"))}
TWO_WORDS = re.compile(r"[^\W\d_]{2,}['’]?[,;:.)]?\s+[(]?[^\W\d_]{2,}")
# Texts of two words that are no sentence for anybody whom vboxlab talks to.
NO_SENTENCES = {
    "Machines of vboxlab are linked clones of this.": "written into VirtualBox, as a snapshot's description",
    "leave out": "a judgement's outcome",
    "\n[vboxlab marks] ": "written into VirtualBox, where a snapshot's marks begin",
    "[vboxlab removed]\n": "written into VirtualBox, on a hidden snapshot",
}
# Where codes come from elsewhere: read from the pipe.
READ = {"coding.py"}


def tellings() -> Iterator[tuple[str, ast.Call]]:
    """Yield each place where something to be told is made."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Told":
                yield name, node


def code_and_values(node: ast.Call) -> tuple[str, frozenset[str]]:
    code = ast.literal_eval(node.args[0])
    values = node.args[1] if len(node.args) > 1 else ast.Dict([], [])
    assert isinstance(values, ast.Dict), ast.unparse(node)
    return code, frozenset(str(ast.literal_eval(key)) for key in values.keys if key is not None)


def told() -> dict[str, frozenset[str]]:
    """Return all codes of the worker with the names of their values."""
    found: dict[str, frozenset[str]] = {}
    for name, node in tellings():
        if name in READ and not isinstance(node.args[0], ast.Constant):
            continue
        code, values = code_and_values(node)
        assert found.setdefault(code, values) == values, f"{name}: {code} has other values elsewhere"
    return found


def fields_of(sentence: Sentence) -> frozenset[str]:
    if isinstance(sentence, str):
        return frozenset(field for _text, field, _spec, _conversion in Formatter().parse(sentence) if field)
    return frozenset(inspect.signature(sentence).parameters)


def test_every_code_of_the_worker_has_a_sentence_with_exactly_its_values_and_none_is_too_many() -> None:
    assert {code: fields_of(sentence) for code, sentence in SENTENCES.items()} == told()


def test_no_code_has_two_sentences() -> None:
    assert sum(map(len, THEMES)) == len(SENTENCES)


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of a module that are no docstrings, those of f-strings in one piece."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    skipped = {id(node.body[0].value) for node in ast.walk(tree)
               if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def test_the_worker_has_no_sentences() -> None:
    found = {(name, text) for name, tree in TREES.items() for text in texts(tree) if TWO_WORDS.search(text)}
    assert {each for each in found if each[1] not in NO_SENTENCES} == set()
    assert {text for _name, text in found} == set(NO_SENTENCES)


def kinds() -> set[str]:
    """Return the kinds of failures that the worker raises by name."""
    calls = [node for tree in TREES.values() for node in ast.walk(tree)
             if isinstance(node, ast.Call) and ast.unparse(node.func) == "Failure"]  # fmt: skip
    return {
        part.value
        for call in calls
        for part in ast.walk(call.args[0])
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def test_every_kind_of_failure_has_its_error() -> None:
    assert kinds() - set(KINDS) == {"start", "stuck", "bug", "api"}
    assert set(KINDS) - kinds() == {"protocol", "registry", "registry-gone"}, "named elsewhere than there"


@pytest.mark.parametrize("code", sorted(told()))
def test_each_is_said_with_its_values(code: str) -> None:
    values = dict.fromkeys(told()[code], "VALUE")
    numbers = {"result_code": 0x80004005, "taken": 1795867200.0, "machines": 2}
    said = say(Told(code, {name: numbers.get(name, value) for name, value in values.items()}))
    assert said
    shown = set(values) - {*numbers, "drive", "address", "protocol", "port"}
    assert not shown or "VALUE" in said
    assert "{" not in said


def test_what_is_told_within_is_said_within() -> None:
    place = Told("port", {"controller": "SATA", "port": 1})
    assert say(Told("disk-refused", {"place": place, "path": "a.vdi", "why": Told("disk-of-host")})) == (
        "SATA port 1: a.vdi: it is a disk of this computer itself"
    )
    assert say(Told("vms-near", {"vms": ("a", "b")})) == "near it: a, b"


@pytest.mark.parametrize(
    "told",
    [
        Told("of-a-later-version", {"x": 1}),
        Told("not-ours", {"x": 1}),
        Told("failed-with", {"result_code": "1"}),
        Told("port-taken", {"x": 1}),
    ],
)
def test_what_another_installations_worker_tells_is_said_as_it_is(told: Told) -> None:
    assert say(told) == f"{told.code} {told.values}"


def test_names_of_virtualbox_are_found_however_deep_they_stand() -> None:
    deep = Told("while", {"doing": Told("looking-for", {"name": "VERR_DISK_FULL"})})
    assert words_in(deep) == ["VERR_DISK_FULL"]
    made = to_error(Failure("api", verbatim("refused"), result_code=1, details=[deep]))
    assert isinstance(made, VboxlabError)
    assert made.details == ("while looking for VERR_DISK_FULL", "VirtualBox result code 0x00000001")
    assert made.resolution == "the host's disk is full: make room"
