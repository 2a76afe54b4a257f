"""The catalogues have what the code says, all of it in French, set as French is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalogues import (
    PACKAGE,
    Sentence,
    catalogue_of,
    catalogues,
    click_sentences,
    is_translated,
    read,
    rendered,
    sentences_of,
    translations,
    wanted,
)  # fmt: skip
from tests.french import Pair, faults


def pairs(paths: list[Path] | None = None) -> Iterator[Pair]:
    for path in catalogues() if paths is None else paths:
        for message in read(path):
            english = (message.id,) if isinstance(message.id, str) else tuple(message.id)
            french = (message.string,) if isinstance(message.string, str) else message.string
            yield from (Pair(english, each) for each in french or () if each and english[0])


def test_translations_are_set_as_french_is() -> None:
    assert [f"{pair}: {fault}" for pair in pairs() for fault in faults(pair)] == []


@pytest.fixture(scope="module")
def asked() -> dict[Path, set[Sentence]]:
    return wanted()


def test_the_catalogues_are_up_to_date_with_the_code(asked: dict[Path, set[Sentence]]) -> None:
    assert set(catalogues()) == asked.keys()
    for path, sentences in asked.items():
        assert path.read_text(encoding="utf-8") == rendered(sentences, read(path)), "run `make catalogues`"


def test_every_sentence_is_translated(asked: dict[Path, set[Sentence]]) -> None:
    for path, sentences in asked.items():
        known = read(path)
        assert [each for each in sentences if not is_translated(known, each)] == []


def test_every_sentence_of_click_is_translated() -> None:
    known = read(PACKAGE / "locale" / "fr" / "LC_MESSAGES" / "click.po")
    assert [each for each in click_sentences() if not is_translated(known, each)] == []


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("{a} is off", "{b} est éteinte"),
        ("{a} is off", "elle est éteinte"),
        ("see `vboxlab up`", "voir `vboxlab down`"),
        ("stop!", "stop!"),
        ("lab: {name}", "maquette: {name}"),
        ("lab: {name}", "maquette\u202f: {name}"),
        ("which?", "laquelle ?"),
        ("the lab", "la «\u00a0maquette »"),
        ("its lab", "l'autre"),
        ("wait…", "attendre... un peu"),
        ("Stop.", "Arrêter"),
    ],
)
def test_a_fault_in_a_translation_would_be_seen(english: str, french: str) -> None:
    assert len(faults(Pair((english,), french))) == 1


@pytest.mark.parametrize(
    ("english", "french"),
    [
        (("{a}: {b:.0f} s",), "{a}\u00a0: {b:.1f} s"),
        (("http://x:80/ at 10:30",), "http://x:80/ à 10:30"),
        (("{count} lab", "{count} labs"), "une maquette"),
        (("run `vboxlab up TOPOLOGY`",), "lancer `vboxlab up TOPOLOGIE`"),
        (("limits need `detection: {on: MACHINE}`",), "les limites veulent `detection: {on: MACHINE}`"),
        (("stop!?",), "stop\u00a0!?"),
    ],
)
def test_what_is_right_is_let_through(english: tuple[str, ...], french: str) -> None:
    assert faults(Pair(english, french)) == []


def test_a_source_of_a_role_has_its_sentences_in_the_roles_catalogue() -> None:
    own = PACKAGE / "roles" / "web" / "locale" / "fr" / "LC_MESSAGES" / "vboxlab.po"
    main = PACKAGE / "locale" / "fr" / "LC_MESSAGES" / "vboxlab.po"
    assert catalogue_of(PACKAGE / "roles" / "web" / "slips.py") == own
    assert catalogue_of(PACKAGE / "roles" / "loading.py") == main
    assert catalogue_of(PACKAGE / "cli" / "up.py") == main


def test_sentences_come_from_markings_and_from_commands_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        'TEXT = N_("one" " sentence")\nWORD = NC_("place", "off")\ndef f():\n    """Not shown."""\n'
        '    return n_("{n} lab", "{n} labs", n), _("x"), C_("place", "on"), _(TEXT)\n'
        '@click.command()\n@click.argument("lab")\ndef up():\n    """Bring it\n    up.\n\n    Now.\n    """\n',
        encoding="utf-8",
    )
    assert set(sentences_of(tmp_path / "a.py")) == {
        Sentence("one sentence"), Sentence("off", None, "place"), Sentence("{n} lab", "{n} labs"), Sentence("x"),
        Sentence("on", None, "place"), Sentence("LAB"), Sentence("Bring it up."), Sentence("Now."),
    }  # fmt: skip


def test_translations_are_files_or_folders_of_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"one": "un", "two": ""}', encoding="utf-8")
    (tmp_path / "b.json").write_text('{"three": ["trois", "trois"], "four": ["", ""]}', encoding="utf-8")
    assert translations([tmp_path]) == {"one": "un", "three": ["trois", "trois"]}
    assert translations([tmp_path / "a.json"]) == {"one": "un"}
