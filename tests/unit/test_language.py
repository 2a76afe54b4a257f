"""The language that users are spoken to in, by the catalogues that there are."""

from __future__ import annotations

import gettext
import io
import os
import sys
from pathlib import Path

import click
import pytest
import yaml

from tests.catalogues import Sentence, compile_all, read, rendered
from vboxlab import language, programs
from vboxlab.cli import output
from vboxlab.cli.main import run, vboxlab
from vboxlab.cli.speech import chosen, in_language
from vboxlab.errors import EXIT_DRIVER, EXIT_INVALID, EXIT_USAGE, SettingsInvalid, host_error
from vboxlab.language import C_, N_, NC_, _, language_of, n_, paragraphs, speaking
from vboxlab.settings import load_settings
from vboxlab.yaml_words import what_is_wrong


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VBOXLAB_LANGUAGE", raising=False)
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "settings.yaml"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def test_english_needs_no_catalogue_and_marks_change_nothing() -> None:
    assert language.spoken() == "en"
    assert (_("there is no such sentence"), N_("x"), NC_("place", "y"), C_("place", "y")) == (
        "there is no such sentence", "x", "y", "y",
    )  # fmt: skip
    assert [n_("{n} lab", "{n} labs", n) for n in (1, 2)] == ["{n} lab", "{n} labs"]
    assert _("") == ""


def test_a_language_is_spoken_for_a_while() -> None:
    with speaking("fr"):
        assert (language.spoken(), _("interrupted"), C_("alternatives", "or")) == ("fr", "interrompu", "ou")
    assert (language.spoken(), _("interrupted")) == ("en", "interrupted")


def test_a_role_brings_its_own_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language._speech, "folders", language._speech.folders)
    there = tmp_path / "locale" / "fr" / "LC_MESSAGES"
    there.mkdir(parents=True)
    sentences = [Sentence("the toy is broken"), Sentence("{count} toy", "{count} toys"), Sentence("off", None, "toy")]
    french = {
        "the toy is broken": "le jouet est cassé",
        "{count} toy": ["{count} jouet", "{count} jouets"],
        "toy|off": "éteint",
    }
    text = rendered(sentences, read(tmp_path / "none.po"), french)
    (there / "vboxlab.po").write_text(text, encoding="utf-8")
    compile_all([there / "vboxlab.po"])
    with speaking("fr"):
        language.add(tmp_path / "locale")
        language.add(tmp_path / "locale")
        assert language._speech.folders.count(tmp_path / "locale") == 1
        assert (_("the toy is broken"), C_("toy", "off"), _("interrupted")) == (
            "le jouet est cassé", "éteint", "interrompu",
        )  # fmt: skip
        assert [n_("{count} toy", "{count} toys", n) for n in (0, 1, 2)] == [
            "{count} jouet", "{count} jouet", "{count} jouets",
        ]  # fmt: skip
    assert _("the toy is broken") == "the toy is broken"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LC_ALL": "C", "LANG": "fr_FR.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "fr_BE.UTF-8", "LANG": "en_GB.UTF-8"}, "fr"),
        ({"LANG": "fr_CA"}, "fr"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C", "LANGUAGE": "fr"}, "en"),
    ],
)
def test_the_locale_for_messages_counts(environ: dict[str, str], expected: str) -> None:
    assert language_of(None, environ) == expected
    assert (language_of("en", environ), language_of("fr", environ)) == ("en", "fr")


def test_the_command_line_counts_before_the_settings_and_these_before_the_locale(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    environ = {"VBOXLAB_SETTINGS": str(settings), "LANG": "fr_FR.UTF-8"}
    assert chosen(["up"], environ) == "fr"
    settings.write_text("language: en\n", encoding="utf-8")
    assert chosen(["up"], environ) == "en"
    assert chosen(["up"], {**environ, "VBOXLAB_LANGUAGE": "fr"}) == "fr"
    assert [chosen(line.split(), environ) for line in ("--lang fr up", "up x --lang=fr", "up --lang en --lang fr")] == [
        "fr", "fr", "fr",
    ]  # fmt: skip
    assert [chosen(line.split(), environ) for line in ("ssh m -- x --lang fr", "up --lang", "up --lang xx")] == [
        "en", "en", "en",
    ]  # fmt: skip
    settings.write_text("language: [\n", encoding="utf-8")
    assert chosen(["up"], environ) == "fr"


def test_settings_that_cannot_be_looked_for_are_told_by_who_needs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VBOXLAB_SETTINGS", "x" * 300)
    assert run(["list", "--lang", "fr"]) == EXIT_DRIVER
    assert "nom de fichier trop long" in capsys.readouterr().err
    assert run(["--help"]) == 0


@pytest.mark.parametrize("line", ["--lang fr up", "up --lang fr", "up --lang=fr"])
def test_clicks_own_words_are_french(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == EXIT_USAGE
    assert capsys.readouterr().err == (
        "Utilisation\N{NO-BREAK SPACE}: vboxlab up [OPTIONS] TOPOLOGIE\n"
        "Aide\N{NO-BREAK SPACE}: 'vboxlab up --help'.\n\n"
        "Erreur\N{NO-BREAK SPACE}: Argument manquant 'TOPOLOGIE'.\n"
    )


def test_a_wrong_command_line_of_a_french_user_is_told_in_french(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert run(["up", "--jobs", "x", "failover"]) == EXIT_USAGE
    assert "Valeur non valide pour '--jobs'" in capsys.readouterr().err
    assert run(["up", "--lang", "en", "--jobs", "x", "failover"]) == EXIT_USAGE
    assert "Invalid value for '--jobs': 'x' is not a valid integer range." in capsys.readouterr().err


def test_help_is_in_the_language_of_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.yaml").write_text("language: fr\n", encoding="utf-8")
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert "Éteindre les machines d’une maquette." in said
    assert "Options\N{NO-BREAK SPACE}:" in said
    (tmp_path / "settings.yaml").unlink()
    assert run(["--help"]) == 0
    assert "Power a lab's machines off." in capsys.readouterr().out


def test_a_terminal_that_lacks_a_character_is_shown_another(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="iso-8859-1", newline="\n"))
    output.show_what_can_be_shown()
    output.say("l’état du nœud est « éteint »… └─")
    assert shown.getvalue().decode("iso-8859-1") == "l'état du noeud est « éteint »... ??\n"


def every_command(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    with click.Context(command) as context:
        inner = (
            {each: command.get_command(context, each) for each in command.list_commands(context)}
            if isinstance(command, click.Group)
            else {}
        )
    found = [(name, command)]
    for each, member in inner.items():
        assert member is not None
        found += every_command(member, f"{name} {each}")
    return found


def test_every_verb_takes_lang_and_none_keeps_a_language() -> None:
    with speaking("fr"):
        french = dict(every_command(in_language(vboxlab), "vboxlab"))
    english = dict(every_command(in_language(vboxlab), "vboxlab"))
    for name, command in english.items():
        assert [each.name for each in command.params].count("lang") == 1, name
    assert english["vboxlab"].help != french["vboxlab"].help


def test_wrong_settings_are_told_in_french(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("driver: xen\njobs: many\nproxi: a\n", encoding="utf-8")
    with speaking("fr"), pytest.raises(SettingsInvalid) as told:
        load_settings(settings, {})
    assert told.value.exit_code == EXIT_INVALID
    assert told.value.brief == "réglages non valides"
    assert told.value.details == (
        "driver\N{NO-BREAK SPACE}: valeurs possibles\N{NO-BREAK SPACE}: 'auto', 'virtualbox', 'qemu' ou 'memory'",
        "jobs\N{NO-BREAK SPACE}: nombre entier attendu, ce texte n’en est pas un",
        "proxi\N{NO-BREAK SPACE}: cette clé n’est pas permise",
    )


@pytest.mark.parametrize(
    "text", ["a: b: c", "a: [", "- a\nb", "a: *b", "a: !x! y", "%YAML 3.0\n---\n", "{a: b", "'x", 'a: "\\q"', "@a",
             "a: |x\n", "--- a\n--- b", "a: &b c\nd: &b e: f", "!<x> a: b", "\t- a", "a:\n\t- b", "? a\n: b\n- c"],
)  # fmt: skip
def test_what_is_no_yaml_is_told_in_french(text: str) -> None:
    with pytest.raises(yaml.YAMLError) as wrong:
        yaml.safe_load(text)
    english = what_is_wrong(wrong.value)
    assert english.endswith(getattr(wrong.value, "problem", None) or english)
    with speaking("fr"):
        french = what_is_wrong(wrong.value)
    assert french.split(":", 1)[1].strip() != english.split(":", 1)[1].strip()


def test_what_the_system_says_is_told_in_french() -> None:
    with speaking("fr"):
        told = host_error(PermissionError(13, "Permission denied", "/x"))
    assert told is not None
    assert told.brief == "/x\N{NO-BREAK SPACE}: permission refusée"


@pytest.mark.parametrize(("answer", "agreed"), [("oui", True), ("o", True), ("y", True), ("", False), ("non", False)])
def test_questions_are_answered_in_french(answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"quoi\n{answer}\n"))
    with speaking("fr"):
        if agreed:
            output.ask("continuer\N{NO-BREAK SPACE}?")
        else:
            with pytest.raises(click.Abort):
                output.ask("continuer\N{NO-BREAK SPACE}?")


def test_programs_do_not_get_our_language() -> None:
    with speaking("fr"):
        assert os.environ["LANGUAGE"] == "fr"
        assert gettext.gettext("Missing argument") == "Argument manquant"
        assert "LANGUAGE" not in programs.environment()


def test_a_docstring_is_paragraphs_of_which_some_keep_their_lines() -> None:
    assert paragraphs("One\ntwo.\n\n\b\nThree\nfour.\n\n\nFive.\n") == [
        ("", "One two."), ("\b\n", "Three\nfour."), ("", "Five."),
    ]  # fmt: skip
