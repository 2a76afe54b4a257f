"""Keep the catalogues of sentences: `python -m tests.catalogues [TRANSLATIONS…]`, which `make catalogues` runs.

Sentences come from the code with Babel, in the main catalogue or in that of the role whose they are. TRANSLATIONS are
JSON files, or folders of such, that map English to French; they are put into whichever catalogue has the sentence:
"one sentence": "une phrase"; of two forms, by the first: "{count} machine": ["{count} machine", "{count} machines"];
with a context: "context|word": "mot". `--missing [PREFIX]` prints what has no French yet, to be filled in, of the files
whose path begins with PREFIX. `--compile` only makes the .mo files that programs read.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "vboxlab"
LANGUAGE = "fr"
# How sentences are marked (vboxlab.language); `1c` of gettext is a context.
KEYWORDS = {"_": None, "N_": None, "n_": (1, 2), "C_": ((1, "c"), 2), "NC_": ((1, "c"), 2)}
CLICK_KEYWORDS = {"_": None, "ngettext": (1, 2)}
# Runs under another interpreter, without this package: it sends codes and values, and others have the sentences.
SPEECHLESS = PACKAGE / "hypervisor" / "virtualbox" / "worker"
COMMANDS = {"command", "group"}
# None is a form of one in French; CLDR's third form, for a million, is said by no message of ours.
HEADERS = [("Plural-Forms", "nplurals=2; plural=(n > 1);")]
# What a header says that does not change with the day or the tool.
_KEPT = ("msg", *(f'"{name}' for name in ("Language:", "Plural-Forms", "MIME-Version", "Content-T")))


class Sentence(NamedTuple):
    """What a catalogue is asked for: a sentence, the form for several if it has two, and its context if it has one."""

    text: str
    many: str | None = None
    context: str | None = None

    @property
    def key(self) -> str:
        """Return how files of translations name it."""
        return f"{self.context}|{self.text}" if self.context else self.text

    @property
    def id(self) -> str | tuple[str, str]:
        """Return how Babel names it."""
        return (self.text, self.many) if self.many else self.text


Translations = Mapping[str, str | Sequence[str]]


def sentences_of(path: Path, keywords: Mapping[str, object] = KEYWORDS) -> Iterator[Sentence]:
    """Yield the sentences that a file marks, the paragraphs of its commands' docstrings included."""
    content = path.read_bytes()
    for _line, found, _comments, context in extract("python", io.BytesIO(content), keywords):  # type: ignore[arg-type]
        text, many = (found, None) if isinstance(found, str) else (found[0], found[1])
        if text:
            yield Sentence(text, many, context)
    if keywords is KEYWORDS:
        yield from map(Sentence, helps(ast.parse(content)))


def helps(tree: ast.Module) -> Iterator[str]:
    """Yield the paragraphs of each docstring that click shows as help, and what it calls a command's arguments."""
    from vboxlab.language import paragraphs

    for node in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)):
        calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
        names = {call: ast.unparse(call.func).rpartition(".")[2] for call in calls}
        if COMMANDS.intersection(names.values()):
            yield from (text for _mark, text in paragraphs(ast.get_docstring(node) or ""))
        for call, name in names.items():
            if name == "argument" and isinstance(call.args[0], ast.Constant):
                yield str(call.args[0].value).upper()


def sources(package: Path = PACKAGE) -> list[Path]:
    """Return the files whose sentences users see."""
    return sorted(path for path in package.rglob("*.py") if not path.is_relative_to(SPEECHLESS))


def catalogue_of(path: Path) -> Path:
    """Return the catalogue that a source's sentences are in: its role's, else the main one."""
    parts = path.relative_to(PACKAGE).parts
    home = PACKAGE.joinpath(*parts[:2]) if parts[0] == "roles" and len(parts) > 2 else PACKAGE
    return home / "locale" / LANGUAGE / "LC_MESSAGES" / "vboxlab.po"


def sentences(package: Path = PACKAGE) -> dict[Path, set[Sentence]]:
    """Return all sentences, by catalogue."""
    found: dict[Path, set[Sentence]] = {catalogue_of(package / "language.py"): set()}
    for path in sources(package):
        if marked := set(sentences_of(path)):
            found.setdefault(catalogue_of(path), set()).update(marked)
    return found


def click_sentences() -> set[Sentence]:
    """Return the sentences of the click that is installed."""
    import click

    files = Path(click.__file__).parent.glob("*.py")
    return {sentence for path in files for sentence in sentences_of(path, CLICK_KEYWORDS)}


def catalogues() -> list[Path]:
    """Return the catalogues that there are."""
    return sorted(PACKAGE.rglob("locale/*/LC_MESSAGES/*.po"))


def read(path: Path) -> Catalog:
    """Read a catalogue; an empty one where there is none."""
    if not path.exists():
        return _empty()
    with path.open("rb") as file:
        return read_po(file, LANGUAGE, abort_invalid=True)


def _empty() -> Catalog:
    made = Catalog(LANGUAGE, fuzzy=False, header_comment="")
    made.mime_headers = HEADERS
    return made


def rendered(wanted: Iterable[Sentence], old: Catalog, new: Translations = {}) -> str:  # noqa: B006 -- not changed
    """Return a catalogue of sentences as text, with the translations that an old one has, and new ones over them."""
    made = _empty()
    for sentence in wanted:
        known = old.get(sentence.id, sentence.context)
        given = new.get(sentence.key) or (known.string if known else "")
        made.add(sentence.id, tuple(given) if sentence.many else given, context=sentence.context)  # type: ignore[arg-type]
    written = io.BytesIO()
    write_po(written, made, width=118, no_location=True, sort_output=True, ignore_obsolete=True)
    head, blank, rest = written.getvalue().decode("utf-8").lstrip("\n").partition("\n\n")
    return "\n".join(line for line in head.splitlines() if line.startswith(_KEPT)) + blank + rest


def click_catalogue() -> tuple[Path, set[Sentence]]:
    """Return click's catalogue and what it is to have: its sentences now, and those that other versions of it have."""
    path = PACKAGE / "locale" / LANGUAGE / "LC_MESSAGES" / "click.po"
    kept = {
        Sentence(each.id, None, each.context) if isinstance(each.id, str) else Sentence(each.id[0], each.id[1])
        for each in read(path)
        if each.id
    }
    by_text = {each.text: each for each in (*sorted(kept, key=str), *sorted(click_sentences(), key=str))}
    return path, set(by_text.values())


def wanted() -> dict[Path, set[Sentence]]:
    """Return what each catalogue is to have."""
    return {**sentences(), **dict([click_catalogue()])}


def update(new: Translations) -> list[str]:
    """Bring all catalogues up to date with the code, put translations in; return those that no sentence is for."""
    asked = wanted()
    for path, found in asked.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered(found, read(path), new), encoding="utf-8")
    for path in set(catalogues()) - asked.keys():
        path.unlink()
    return sorted(new.keys() - {sentence.key for found in asked.values() for sentence in found})


def missing(prefix: str) -> dict[str, str | list[str]]:
    """Return the sentences of files whose path begins so, and of click with no prefix, that have no translation."""
    files = [path for path in sources() if path.relative_to(ROOT).as_posix().startswith(prefix)]
    asked = {(catalogue_of(path), sentence) for path in files for sentence in sentences_of(path)}
    if not prefix:
        path, found = click_catalogue()
        asked |= {(path, sentence) for sentence in found}
    known = {path: read(path) for path, _ in asked}
    return {
        sentence.key: ["", ""] if sentence.many else ""
        for path, sentence in sorted(asked, key=lambda each: each[1].key)
        if not is_translated(known[path], sentence)
    }


def is_translated(catalogue: Catalog, sentence: Sentence) -> bool:
    """Tell whether a catalogue has all forms of a sentence."""
    found = catalogue.get(sentence.id, sentence.context)
    forms = found.string if found else None
    return bool(forms) and all([forms] if isinstance(forms, str) else forms or ())


def compile_all(paths: Iterable[Path] | None = None) -> None:
    """Make the compiled form of each catalogue that changed (default: of all); vboxlab reads no other."""
    for path in catalogues() if paths is None else paths:
        compiled = path.with_suffix(".mo")
        if compiled.exists() and compiled.stat().st_mtime_ns > path.stat().st_mtime_ns:
            continue
        written = io.BytesIO()
        write_mo(written, read(path))
        half = compiled.with_suffix(".new")
        half.write_bytes(written.getvalue())
        half.replace(compiled)


def translations(paths: Iterable[Path]) -> dict[str, str | list[str]]:
    """Read files of translations, and all those of folders; what has no French yet counts as absent."""
    files = (file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path]))
    found: dict[str, str | list[str]] = {}
    for file in files:
        found.update(json.loads(file.read_text(encoding="utf-8")))
    return {english: french for english, french in found.items() if french and all(french)}


def main() -> int:
    """Run the command line; exit code 1 when translations are given that no sentence is for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("translations", nargs="*", type=Path)
    parser.add_argument("--missing", nargs="?", const="", metavar="PREFIX")
    parser.add_argument("--compile", action="store_true")
    asked = parser.parse_args()
    if asked.missing is not None:
        sys.stdout.write(json.dumps(missing(asked.missing), ensure_ascii=False, indent=1) + "\n")
        return 0
    unused = [] if asked.compile else update(translations(asked.translations))
    compile_all()
    for english in unused:
        sys.stderr.write(f"no sentence of the code: {english!r}\n")
    return 1 if unused else 0


if __name__ == "__main__":
    sys.exit(main())
