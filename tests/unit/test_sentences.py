"""Every sentence that a user can see goes through the catalogues."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalogues import sources
from tests.no_sentences import NO_SENTENCES
from tests.sentences import Found, look_at


@pytest.fixture(scope="module")
def looks() -> list[tuple[list[Found], list[Found]]]:
    return [look_at(path) for path in sources()]


def test_every_sentence_is_marked(looks: list[tuple[list[Found], list[Found]]]) -> None:
    found = [each for unmarked, _wrong in looks for each in unmarked]
    assert [str(each) for each in found if (each.file, each.where) not in NO_SENTENCES] == []


def test_every_marking_can_be_seen_by_babel_and_runs_when_the_language_is_known(
    looks: list[tuple[list[Found], list[Found]]],
) -> None:
    assert [str(each) for _unmarked, wrong in looks for each in wrong] == []


def test_every_exception_is_needed(looks: list[tuple[list[Found], list[Found]]]) -> None:
    found = {(each.file, each.where) for unmarked, _wrong in looks for each in unmarked}
    assert NO_SENTENCES.keys() - found == set()


def looked_at(tmp_path: Path, line: str) -> tuple[int, int]:
    """Return how many texts of a module are not marked, and how many markings are wrong."""
    path = tmp_path / "module.py"
    path.write_text(f"from vboxlab.language import _, N_, n_, C_, NC_\n{line}\n", encoding="utf-8")
    unmarked, wrong = look_at(path, tmp_path)
    return len(unmarked), len(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "raise LabError('there is no lab')",
        "raise LabError(f'{name} is off')",
        "raise LabError(_('off'), resolution='repeat')",
        "raise errors.UsageError(_('off'), details=['broken'])",
        "TEXT = 'make room on that disk'",
        "TEXTS = {'key': 'make room'}",
        "def f(): return f'lab {lab} is up'",
        "def f(x='no lab'): pass",
        "output.table(('NAME',), [])",
        "output.say('done' if x else _('nothing'))",
        "click.option('--yes', help='Ask.')",
        "x = _('a') + ' and more'",
        "raise click.BadParameter('expected KEY=VALUE')",
        "Note('stopped')",
    ],
)
def test_a_sentence_that_is_not_marked_would_be_seen(tmp_path: Path, line: str) -> None:
    assert looked_at(tmp_path, line)[0] == 1


@pytest.mark.parametrize(
    "line",
    [
        "'''A module's text says what it is.'''",
        "def f():\n    '''Do it at once.'''",
        "TEXT = N_('make room on that disk')",
        "WORD = NC_('machine', 'is off')",
        "def f(): return _('{lab} is up').format(lab=lab)",
        "def f(): return n_('{n} is up', '{n} are up', n).format(n=n)",
        "def f(): return _(TEXTS['its key']), C_('a machine', word.text), _(f(x))",
        "x = re.compile('such a pattern')",
        "x = name.startswith('such a beginning')",
        "x = text == 'such a text'",
        "x = '{}-{}.json'",
        "assert x, 'never so here'",
        "output.say_json({'result': 'up'})",
        "raise LabError(f'{a}: {b}')",
        "def f(): raise LabError(_('see `the code`'), resolution='`vboxlab up`')",
        "raise LabError(f'{kept.get(word)}', details=[names.get('word')])",
    ],
)
def test_what_is_no_sentence_or_marked_is_let_through(tmp_path: Path, line: str) -> None:
    assert looked_at(tmp_path, line) == (0, 0)


@pytest.mark.parametrize(
    "line",
    [
        "def f(): return _(f'{lab} is up')",
        "def f(): return _('{} is up'.format(lab))",
        "def f(): return _('up ' + lab)",
        "def f(): return _('up' if x else 'down')",
        "def f(): return n_('one', many, 2)",
        "X = N_(TEXT)",
        "X = _('made at import')",
        "def f(x=_('made at import')): pass",
        "class A:\n    x = n_('a', 'b', 2)",
        "def f():\n    for _ in range(3): pass",
        "def f(): return f'{_(\"off\")}'",
    ],
)
def test_a_marking_that_is_wrong_would_be_seen(tmp_path: Path, line: str) -> None:
    assert looked_at(tmp_path, line)[1] == 1
