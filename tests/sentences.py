"""Find the sentences that users can see and no catalogue has: `python -m tests.sentences [PREFIX]` lists them.

A text counts when it has two words side by side, or one word where only sentences for users go (TOLD). It is fine
within a marking call of vboxlab.language; docstrings, patterns, what is compared, and assertions are for nobody's eyes.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import vboxlab.errors
from tests.catalogues import KEYWORDS, PACKAGE, ROOT, sources

TRANSLATED_NOW = {"_", "n_", "C_"}
# What users are told by: errors, notes, the printer, and click's options and errors.
TOLD = {
    *(name for name, kind in vars(vboxlab.errors).items() if isinstance(kind, type) and issubclass(kind, Exception)),
    "Note", "say", "remark", "ask", "ask_secret", "confirm", "table",
    "BadParameter", "BadOptionUsage", "ClickException", "MissingParameter",
}  # fmt: skip
TOLD_KEYWORDS = {"help", "short_help", "epilog", "resolution"}
# Methods and functions whose texts are patterns, separators or parts of other texts.
PATTERNS = {
    "compile", "search", "match", "fullmatch", "findall", "finditer", "sub", "subn",
    "startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "split", "rsplit",
    "replace", "strip", "lstrip", "rstrip", "count", "find", "index", "rfind", "TypeVar", "cast", "namedtuple",
}  # fmt: skip
_WORDS = re.compile(r"[^\W\d_]{2,}['’]?[,;:.)]?\s+[(]?[^\W\d_]{2,}|\b[aA]\s[^\W\d_]{2,}|[^\W\d_]{2,}\s[aA]\s")
_WORD = re.compile(r"[^\W\d_]{2,}")


class Found(NamedTuple):
    """A text or a call that should be otherwise."""

    file: str
    line: int
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.where or 'module'}: {self.text}"


class _Reader(ast.NodeVisitor):
    def __init__(self, file: str) -> None:
        self.file = file
        self.unmarked: list[Found] = []
        self.wrong: list[Found] = []
        self.names: list[str] = []
        self.running = False  # within a function's body, which runs when the language is known
        self.told = False

    def _found(self, node: ast.AST, text: str) -> Found:
        return Found(self.file, getattr(node, "lineno", 0), ".".join(self.names), text)

    def _visit_all(self, nodes: list[ast.expr | None] | list[ast.expr], *, running: bool) -> None:
        before, self.running = self.running, running
        for node in nodes:
            if node is not None:
                self.visit(node)
        self.running = before

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_all(node.decorator_list, running=self.running)
        self._visit_all([*node.args.defaults, *node.args.kw_defaults], running=self.running)
        before, self.running = self.running, True
        self.names.append(node.name)
        for each in node.body:
            self.visit(each)
        self.names.pop()
        self.running = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all([node.body], running=True)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all(node.decorator_list, running=self.running)
        self.names.append(node.name)
        for each in node.body:
            self.visit(each)
        self.names.pop()

    def _assigned(self, node: ast.Assign | ast.AnnAssign, target: ast.expr) -> None:
        """A constant's name is where its text stands; an annotation is none."""
        named = not self.running and isinstance(target, ast.Name)
        self.names += [target.id] if named and isinstance(target, ast.Name) else []
        if node.value is not None:
            self.visit(node.value)
        if named:
            self.names.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        self._assigned(node, node.targets[0])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._assigned(node, node.target)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        return

    def visit_Compare(self, node: ast.Compare) -> None:
        for each in (node.left, *node.comparators):
            if any(isinstance(inner, ast.Call) for inner in ast.walk(each)):
                self.visit(each)

    def visit_MatchValue(self, node: ast.MatchValue) -> None:
        return

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func).rsplit(".", 1)[-1]
        if isinstance(node.func, ast.Name) and called in KEYWORDS:
            self._marking(node, called)
            return
        self.visit(node.func)
        if called in PATTERNS:
            values = [each for each in node.args if not isinstance(each, ast.Constant | ast.JoinedStr)]
        else:
            values = list(node.args)
        self._told(values, told=called in TOLD)
        for keyword in node.keywords:
            self._told([keyword.value], told=called in TOLD or keyword.arg in TOLD_KEYWORDS)

    def _told(self, nodes: list[ast.expr], *, told: bool) -> None:
        before, self.told = self.told, told
        for node in nodes:
            self.visit(node)
        self.told = before

    def _marking(self, node: ast.Call, called: str) -> None:
        if called in TRANSLATED_NOW and not self.running:
            self.wrong.append(self._found(node, f"{ast.unparse(node)}: runs at import; mark with N_, translate later"))
        texts = node.args[:2] if called in ("n_", "C_", "NC_") else node.args[:1]
        for text in texts:
            if not _may_be_marked(text, constants=called in ("_", "C_")):
                self.wrong.append(self._found(text, f"{ast.unparse(node)}: Babel sees no literal"))
        for rest in node.args[len(texts) :]:
            self.visit(rest)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        parts = [str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values]
        self._text(node, "".join(parts))
        self.wrong += [
            self._found(each, f"{ast.unparse(each)}: within an f-string, where Babel does not look (Python 3.11)")
            for each in ast.walk(node)
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in KEYWORDS
            and any(isinstance(inner, ast.Constant) for inner in each.args)
        ]  # fmt: skip
        for each in node.values:
            if isinstance(each, ast.FormattedValue):
                self._told([each.value], told=self.told)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._text(node, node.value)

    def _text(self, node: ast.expr, text: str) -> None:
        prose = re.sub(r"`[^`]*`", "", text)
        if (_WORD if self.told else _WORDS).search(prose):
            self.unmarked.append(self._found(node, repr(text)))


def _may_be_marked(text: ast.expr, *, constants: bool) -> bool:
    """Tell whether Babel sees a text, or it is the name of one that is marked where it stands."""
    if isinstance(text, ast.Constant):
        return isinstance(text.value, str)
    formatted = isinstance(text, ast.Call) and ast.unparse(text.func).endswith(".format")
    return constants and isinstance(text, ast.Name | ast.Attribute | ast.Subscript | ast.Call) and not formatted


def _bound(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield each place that makes `_` something else, in a module that has it for sentences."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    if not any(alias.name == "_" for node in imports for alias in node.names):
        return
    for node in ast.walk(tree):
        is_name = isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)
        if is_name or (isinstance(node, ast.arg) and node.arg == "_"):
            yield node


def look_at(path: Path, package: Path = PACKAGE) -> tuple[list[Found], list[Found]]:
    """Return the texts of a file that are not marked, and the marking calls and names that are wrong."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reader = _Reader(path.relative_to(package).as_posix())
    reader.visit(tree)
    rebound = [Found(reader.file, getattr(node, "lineno", 0), "", "`_` is rebound here") for node in _bound(tree)]
    return reader.unmarked, reader.wrong + rebound


def main() -> int:
    """List what is not marked in the files whose path begins with the argument."""
    from tests.no_sentences import NO_SENTENCES

    prefix = sys.argv[1] if len(sys.argv) > 1 else ""
    for path in sources():
        if path.relative_to(ROOT).as_posix().startswith(prefix):
            unmarked, wrong = look_at(path)
            for found in (*unmarked, *wrong):
                if (found.file, found.where) not in NO_SENTENCES:
                    sys.stdout.write(f"vboxlab/{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
